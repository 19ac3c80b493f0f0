import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../src/store/redis/client.ts';
import { createSettlements } from '../../src/store/redis/settlements.ts';
import { createRedisOpener } from '../support/redis-opener.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { FULL, granted, newRecordKey, requestOf } from './harness.ts';

const UNIT_MS = 60_000;

const PLAIN_CLIENT = {
  username: null,
  password: null,
  db: 0,
  tls: null,
  commandTimeoutMs: 1000,
  connectTimeoutMs: 1000,
};

const opener = createRedisOpener();
let server: RedisServer;

beforeAll(async () => {
  server = await startRedisServer();
});

afterEach(async () => {
  await opener.closeAll();
});

afterAll(async () => {
  await server.remove();
});

describe('redis stores of several processes', () => {
  it('let one of a hundred contenders over four connections win', async () => {
    const stores = await Promise.all(Array.from({ length: 4 }, () => opener.open(server.url)));
    const key = newRecordKey();

    const results = await Promise.all(
      Array.from({ length: 25 }, () => stores.map((store) => store.claim(key, requestOf(UNIT_MS)))).flat(),
    );

    const kinds = results.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'claimed')).toHaveLength(1);
    expect(kinds.filter((kind) => kind === 'inFlight')).toHaveLength(99);
  });

  it('know nothing of each other under different prefixes', async () => {
    const one = await opener.open(server.url, { keyPrefix: 'one:' });
    const other = await opener.open(server.url, { keyPrefix: 'other:' });
    const key = newRecordKey();

    await granted(one, key, requestOf(UNIT_MS));

    expect(await other.inspect(key)).toBeNull();
    expect((await other.stats()).records).toBe(0);
    expect((await one.stats()).records).toBe(1);
  });

  it('list every record of their prefix exactly once over many pages', async () => {
    const prefix = 'pages*[a]?:';
    const store = await opener.open(server.url, { keyPrefix: prefix });
    await server.command('SET', `${prefix}{not a record}`, 'x');
    const keys = Array.from({ length: 500 }, newRecordKey);
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
      expect(cursor?.length ?? 0).toBeLessThan(2000);
    } while (cursor !== null);

    expect(found.sort()).toEqual(keys.sort());
  });
});

describe('a joiner', () => {
  it('is woken by the message of a settlement in another process', async () => {
    const [here, there] = [await opener.open(server.url), await opener.open(server.url)];
    const never = new AbortController().signal;
    // The first one also wakes when the subscription begins; from then on only messages wake.
    await here.settled(newRecordKey(), never);
    const { claim } = await granted(here, newRecordKey(), requestOf(UNIT_MS));
    const seen: string[] = [];
    const other = here.settled(newRecordKey(), never).then(() => seen.push('other'));
    const woken = here.settled(claim.recordKey, never).then(() => seen.push('woken'));

    await there.complete(claim, FULL, UNIT_MS);
    await woken;

    expect(seen).toEqual(['woken']);
    await here.close();
    await other;
  });

  it('is woken after the server was away, because a message may have been missed', async () => {
    const own = await startRedisServer();
    const store = await opener.open(own.url);
    const never = new AbortController().signal;
    await store.settled(newRecordKey(), never);
    const woken = store.settled(newRecordKey(), never);

    await own.kill();
    await own.restart();

    await expect(woken).resolves.toBeUndefined();
    await opener.closeAll();
    await own.remove();
  });

  it('leaves nothing behind when it stops waiting', async () => {
    const settlements = createSettlements(
      () => createClient(PLAIN_CLIENT, { host: '127.0.0.1', port: server.port }, 'end'),
      'test:settled',
    );
    await settlements.wait('first', new AbortController().signal);
    const abort = new AbortController();
    const waits = Array.from({ length: 1000 }, (_, i) => settlements.wait(`key-${i % 10}`, abort.signal));
    expect(settlements.waiting()).toBe(1000);

    abort.abort();
    await Promise.all(waits);

    expect(settlements.waiting()).toBe(0);
    settlements.close();
  });

  it('is let go when the store closes', async () => {
    const store = await opener.open(server.url);
    const woken = store.settled(newRecordKey(), new AbortController().signal);

    await store.close();

    await expect(woken).resolves.toBeUndefined();
  });
});
