import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import { COMMAND_TIMEOUT_MS, createPostgresOpener } from '../support/postgres-opener.ts';
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts';
import { onceAvailable, reasonOf } from '../support/redis-opener.ts';
import { startTcpRelay, type TcpRelay } from '../support/tcp-relay.ts';
import { until } from '../support/until.ts';
import { FULL, granted, newRecordKey, requestOf, responseOf } from './harness.ts';

/** Leases of minutes: nothing here waits for one to end. */
const UNIT_MS = 60_000;

const opener = createPostgresOpener({ commandTimeoutMs: COMMAND_TIMEOUT_MS, connectTimeoutMs: 5000 });
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
  server.resume();
  await opener.closeAll();
});

afterAll(async () => {
  await server.remove();
});

function schema(): string {
  return `test_${schemas}`;
}

function claimOf(through: Store, key = newRecordKey()): ReturnType<Store['claim']> {
  return through.claim(key, requestOf(UNIT_MS));
}

async function completedKey(): Promise<string> {
  const key = newRecordKey();
  const { claim } = await granted(store, key, requestOf(UNIT_MS));
  await store.complete(claim, FULL, 20 * UNIT_MS);
  return key;
}

/** Asks until the store is unavailable for this reason; the test's own time limit ends it. */
async function untilReason(reason: string, ask: () => Promise<unknown>): Promise<void> {
  while ((await reasonOf(ask())) !== reason) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** The server's processes for the store's statements end. */
function endSessions(): Promise<unknown> {
  return server.command(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'onceward'",
  );
}

describe('a postgres server that comes back', () => {
  it('has every acknowledged record after a kill, and the store finds it by itself', async () => {
    const keys = await Promise.all(Array.from({ length: 50 }, completedKey));
    const { claim } = await granted(store, newRecordKey(), requestOf(UNIT_MS));

    await server.kill();
    expect(await reasonOf(claimOf(store))).toBe('connection');
    await server.restart();

    for (const key of keys) expect(responseOf(await onceAvailable(() => claimOf(store, key)))).toEqual(FULL);
    expect(await store.complete(claim, FULL, UNIT_MS)).toBe('ok');
  });

  it('is found again when it ended its connections in order', async () => {
    const key = await completedKey();

    await endSessions();

    expect(responseOf(await onceAvailable(() => claimOf(store, key)))).toEqual(FULL);
    expect((await claimOf(store)).kind).toBe('claimed');
  });
});

describe('a postgres server that gives no answer', () => {
  it('makes the store unavailable within the time limit of a command, and is used again afterwards', async () => {
    const startMs = performance.now();
    server.pause();

    const reason = await reasonOf(claimOf(store));

    const tookMs = performance.now() - startMs;
    server.resume();
    expect(reason).toBe('timeout');
    expect(tookMs).toBeGreaterThan(COMMAND_TIMEOUT_MS / 2);
    expect(tookMs).toBeLessThan(COMMAND_TIMEOUT_MS * 3);
    expect((await onceAvailable(() => claimOf(store))).kind).toBe('claimed');
  });

  it('lets nobody wait for a new connection either', async () => {
    server.pause();

    const reasons = await Promise.all(Array.from({ length: 20 }, () => reasonOf(claimOf(store))));

    server.resume();
    expect(new Set(reasons)).toEqual(new Set(['timeout']));
    expect((await onceAvailable(() => claimOf(store))).kind).toBe('claimed');
  });

  it('does not keep the store from closing', async () => {
    const closing = await opener.open(server.url, { schema: schema() });
    const waiting = closing.settled(newRecordKey(), new AbortController().signal);
    await claimOf(closing);
    server.pause();

    await closing.close();

    await expect(waiting).resolves.toBeUndefined();
    expect(await reasonOf(claimOf(closing))).toBe('closed');
  });

  it('holds a claim that it heard but never answered until its owner gives it back', async () => {
    const key = newRecordKey();
    const request = requestOf(UNIT_MS);
    server.pause();
    expect(await reasonOf(store.claim(key, request))).toBe('timeout');
    server.resume();
    while ((await onceAvailable(() => store.inspect(key))) === null);

    expect(await store.releaseOwner(key, request.owner)).toBe('ok');

    expect((await claimOf(store, key)).kind).toBe('claimed');
  });

  it('says that it is busy while others hold the row, and does not write later', async () => {
    const { claim } = await granted(store, newRecordKey(), requestOf(UNIT_MS));
    const held = server.command(
      `BEGIN; SELECT FROM ${schema()}.record FOR UPDATE; SELECT pg_sleep(${COMMAND_TIMEOUT_MS / 1000}); COMMIT`,
    );
    await untilReason('busy', () => store.renew(claim, UNIT_MS));

    const reason = await reasonOf(store.complete(claim, FULL, UNIT_MS));

    await held;
    expect(['busy', 'answered']).toContain(reason);
    const state = (await store.inspect(claim.recordKey))?.state;
    expect(state).toBe(reason === 'answered' ? 'completed' : 'dispatched');
  });
});

describe('a claim whose reply was lost', () => {
  let relay: TcpRelay;
  let relayed: Store;

  beforeEach(async () => {
    relay = await startTcpRelay(server.port);
    relayed = await opener.open(server.url.replace(/:\d+\//, `:${relay.port}/`), {
      schema: schema(),
      connectionsMax: 1,
    });
  });

  afterEach(async () => {
    await opener.closeAll();
    await relay.close();
  });

  it('is not sent again by the store, and recognises itself when its owner sends it again', async () => {
    const key = newRecordKey();
    const request = requestOf(UNIT_MS);
    const lost = relay.loseNextAnswer();
    expect(await reasonOf(relayed.claim(key, request))).toBe('connection');
    await lost;
    const written = await store.inspect(key);

    const again = await onceAvailable(() => relayed.claim(key, request));

    expect(again).toEqual({ kind: 'claimed', token: written?.token, attempt: 1 });
  });

  it('is a lost claim to everybody else', async () => {
    const key = newRecordKey();
    const lost = relay.loseNextAnswer();
    await reasonOf(claimOf(relayed, key));
    await lost;

    expect((await onceAvailable(() => claimOf(relayed, key))).kind).toBe('inFlight');
  });

  it('completes once when the reply of complete was lost', async () => {
    const key = newRecordKey();
    const { claim } = await granted(relayed, key, requestOf(UNIT_MS));
    const lost = relay.loseNextAnswer();
    expect(await reasonOf(relayed.complete(claim, FULL, UNIT_MS))).toBe('connection');
    await lost;

    expect(await onceAvailable(() => relayed.complete(claim, FULL, UNIT_MS))).toBe('ok');
  });

  it('is refused by another server that stands at the same address with another secret', async () => {
    const key = newRecordKey();
    await granted(relayed, key, requestOf(UNIT_MS));
    await server.command(`UPDATE ${schema()}.identity SET secret_id = 'secret-2'`);

    relay.moveTo(server.port);

    await untilReason('error', () => claimOf(relayed, key));
    await expect(claimOf(relayed, key)).rejects.toThrow('another HMAC secret');
  });
});

describe('a postgres server that takes no writes', () => {
  afterEach(async () => {
    await server.set('default_transaction_read_only', 'off');
  });

  it('refuses claims, goes on replaying, also over new connections, and is used again afterwards', async () => {
    const key = await completedKey();
    await server.set('default_transaction_read_only', 'on');

    await untilReason('readonly', () => claimOf(store));
    await untilReason('readonly', () => store.ping());
    expect(responseOf(await claimOf(store, key))).toEqual(FULL);
    await endSessions();
    expect(responseOf(await onceAvailable(() => claimOf(store, key)))).toEqual(FULL);
    await server.set('default_transaction_read_only', 'off');

    expect((await onceAvailable(() => claimOf(store))).kind).toBe('claimed');
  });
});

describe('a postgres server that stops keeping what it acknowledges, by a reload', () => {
  const SETTINGS = [
    ['synchronous_commit', 'on'],
    ['fsync', 'on'],
    ['full_page_writes', 'on'],
  ] as const;

  afterEach(async () => {
    for (const [name, value] of SETTINGS) await server.set(name, value);
  });

  it.each(SETTINGS)(
    '%s: refuses claims, goes on replaying, and is used again afterwards',
    async (name, well) => {
      const watching = await opener.open(server.url, { schema: schema(), fitnessMs: 20 });
      const key = await completedKey();
      await server.set(name, 'off');

      await untilReason('unsafe', () => claimOf(watching));
      await expect(claimOf(watching)).rejects.toThrow(`its ${name} is off`);
      expect(await reasonOf(watching.ping())).toBe('unsafe');
      expect(responseOf(await claimOf(watching, key))).toEqual(FULL);
      await server.set(name, well);

      await untilReason('answered', () => claimOf(watching));
    },
  );

  it('is accepted where loss is', async () => {
    const careless = await opener.open(server.url, { schema: schema(), acceptLoss: 'accept', fitnessMs: 20 });
    await server.set('fsync', 'off');
    await endSessions();

    expect((await onceAvailable(() => claimOf(careless))).kind).toBe('claimed');
    await careless.ping();
  });
});

describe('a postgres server whose standby does not answer', () => {
  afterEach(async () => {
    await server.set('synchronous_standby_names', '');
  });

  it('has granted nothing as far as anybody was told, also when the wait was cancelled', async () => {
    let key = newRecordKey();
    const patient = await opener.open(server.url, { schema: schema(), commandTimeoutMs: 20_000 });
    await server.set('synchronous_standby_names', 'ghost');

    let reason = reasonOf(claimOf(patient, key));
    await until('a claim that waits for the standby is cancelled', async () => {
      const cancelled = await server.command(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'onceward'",
      );
      if (cancelled.length > 0) return cancelled;
      // A session that has not heard of the standby yet grants at once; it is asked again.
      if ((await Promise.race([reason, 'waits'])) === 'answered') {
        key = newRecordKey();
        reason = reasonOf(claimOf(patient, key));
      }
      return null;
    });

    expect(await reason).toBe('error');
    expect((await store.inspect(key))?.state).toBe('dispatched');
  });
});
