import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import { createPostgresOpener } from '../support/postgres-opener.ts';
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts';
import { until } from '../support/until.ts';
import { FULL, granted, newRecordKey, requestOf, responseOf } from './harness.ts';

/** Leases of minutes: nothing here waits for one to end. */
const UNIT_MS = 60_000;

const opener = createPostgresOpener();
let server: PostgresServer;
let store: Store;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgresServer();
});

beforeEach(async () => {
  schemas += 1;
  store = await opener.open(server.url, { schema: schema() });
});

afterEach(async () => {
  await opener.closeAll();
});

afterAll(async () => {
  await server.remove();
});

function schema(): string {
  return `test_${schemas}`;
}

function claimOf(through: Store, key: string): ReturnType<Store['claim']> {
  return through.claim(key, requestOf(UNIT_MS));
}

/** Another claims the only key: its row is written and locked, and what it wrote is not to be seen yet. */
async function claimedMeanwhile(): Promise<{ readonly committed: Promise<unknown> }> {
  const untilUs = '(extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 3600000000';
  const committed = server.command(
    `BEGIN;
    UPDATE ${schema()}.record SET state = 'claimed', owner = 'another', token = token + 1, lease_until_us = ${untilUs};
    SELECT pg_sleep(0.3);
    COMMIT`,
  );
  await until('the lock is held', async () => {
    const rows = await server.command("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    return rows.length > 0 ? rows : null;
  });
  return { committed };
}

async function completedKey(): Promise<string> {
  const key = newRecordKey();
  const { claim } = await granted(store, key, requestOf(UNIT_MS));
  await store.complete(claim, FULL, 20 * UNIT_MS);
  return key;
}

describe('postgres stores of several processes', () => {
  it('answer a forget from the version that it had to wait for', async () => {
    const key = newRecordKey();
    const { claim } = await granted(store, key, requestOf(UNIT_MS));
    await store.release(claim, null);
    const { committed } = await claimedMeanwhile();

    const answer = await store.forget(key, 'settled-only');

    await committed;
    expect([answer, (await store.inspect(key))?.state]).toEqual(['refused', 'claimed']);
  });

  it('answer a claim from the version that it had to wait for: the lease of another that has just begun', async () => {
    const key = newRecordKey();
    const { claim } = await granted(store, key, requestOf(UNIT_MS));
    await store.release(claim, null);
    const { committed } = await claimedMeanwhile();

    const answer = await claimOf(store, key);

    await committed;
    expect(answer).toMatchObject({ kind: 'inFlight', token: claim.token + 1 });
  });

  it('let one of a hundred contenders over four pools win', async () => {
    const stores = await Promise.all(
      Array.from({ length: 4 }, () => opener.open(server.url, { schema: schema() })),
    );
    const key = newRecordKey();

    const results = await Promise.all(
      Array.from({ length: 25 }, () => stores.map((each) => claimOf(each, key))).flat(),
    );

    const kinds = results.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'claimed')).toHaveLength(1);
    expect(kinds.filter((kind) => kind === 'inFlight')).toHaveLength(99);
  });

  it('all complete ok when the same answer is sent by ten at once, and keep one response', async () => {
    const key = newRecordKey();
    const { claim } = await granted(store, key, requestOf(UNIT_MS));

    const results = await Promise.all(
      Array.from({ length: 10 }, () => store.complete(claim, FULL, 20 * UNIT_MS)),
    );

    expect(new Set(results)).toEqual(new Set(['ok']));
    expect(responseOf(await claimOf(store, key))).toEqual(FULL);
  });

  it('know nothing of each other in different schemas', async () => {
    const other = await opener.open(server.url, { schema: `${schema()}_other`, secretIds: ['secret-2'] });
    const key = newRecordKey();

    await granted(store, key, requestOf(UNIT_MS));

    expect(await other.inspect(key)).toBeNull();
    expect((await other.stats()).records).toBe(0);
    expect((await store.stats()).records).toBe(1);
  });

  it('list every record exactly once over many pages', async () => {
    const keys = Array.from({ length: 300 }, newRecordKey);
    await Promise.all(keys.map((key) => granted(store, key, requestOf(UNIT_MS))));

    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof store.list>> = await store.list(cursor, {
        state: null,
        limit: 7,
      });
      expect(page.records.length).toBeLessThanOrEqual(7);
      found.push(...page.records.map(({ recordKey }) => recordKey));
      cursor = page.cursor;
    } while (cursor !== null);

    expect(found.sort()).toEqual(keys.sort());
  });

  it('give tokens that grow when the clock of the server went back', async () => {
    const key = newRecordKey();
    await granted(store, key, requestOf(UNIT_MS));
    const aheadToken = (Date.now() + 3_600_000) * 1000;
    await server.command(`UPDATE ${schema()}.record SET token = ${aheadToken}`);
    await store.forget(key, 'forced');

    const { claim } = await granted(store, key, requestOf(UNIT_MS));

    expect(claim.token).toBe(aheadToken + 1);
  });
});

describe('the clock of the server', () => {
  it('ends the lease of a holder that is gone', async () => {
    const key = newRecordKey();
    await granted(store, key, requestOf(10, { lease: 5, unknownRetain: 60_000 }));

    let view = await store.inspect(key);
    while (view?.state === 'dispatched') view = await store.inspect(key);

    expect(view).toMatchObject({ state: 'unknown', reason: 'lease-lapsed', leaseLeftMs: 0 });
    expect((await claimOf(store, key)).kind).toBe('unknown');
  });
});

describe('a joiner', () => {
  it('is woken by the message of a settlement in another process, and by no other', async () => {
    const there = await opener.open(server.url, { schema: schema() });
    const never = new AbortController().signal;
    const [first, key, other] = [newRecordKey(), newRecordKey(), newRecordKey()];
    // The first one also wakes when the listening begins; from then on only messages wake.
    await granted(store, first, requestOf(UNIT_MS));
    await store.settled(first, never);
    const { claim } = await granted(store, key, requestOf(UNIT_MS));
    await granted(store, other, requestOf(UNIT_MS));
    const seen: string[] = [];
    const others = store.settled(other, never).then(() => seen.push('other'));
    const woken = store.settled(key, never).then(() => seen.push('woken'));
    while ((await awaited(key)) !== true);

    await there.complete(claim, FULL, UNIT_MS);
    await woken;

    expect(seen).toEqual(['woken']);
    await store.close();
    await others;
  });

  it('is woken at once by a record that is settled already', async () => {
    const never = new AbortController().signal;
    const first = newRecordKey();
    await granted(store, first, requestOf(UNIT_MS));
    await store.settled(first, never);

    await expect(store.settled(await completedKey(), never)).resolves.toBeUndefined();
  });

  it('is woken after its connection was lost, because a message may have been missed', async () => {
    const never = new AbortController().signal;
    const [first, second] = [newRecordKey(), newRecordKey()];
    for (const key of [first, second]) await granted(store, key, requestOf(UNIT_MS));
    await store.settled(first, never);
    const woken = store.settled(second, never);

    await server.command(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'onceward'",
    );

    await expect(woken).resolves.toBeUndefined();
  });

  it('costs a settlement nothing when there is none', async () => {
    const key = await completedKey();

    expect(await awaited(key)).toBe(false);
  });

  async function awaited(key: string): Promise<unknown> {
    const rows = await server.command(`SELECT awaited FROM ${schema()}.record WHERE record_key = '${key}'`);
    return rows[0]?.awaited;
  }
});
