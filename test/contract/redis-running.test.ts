import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import { createRedisOpener, onceAvailable, reasonOf } from '../support/redis-opener.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { FULL, granted, newRecordKey, requestOf, responseOf } from './harness.ts';

const UNIT_MS = 60_000;
/** The look at a running server comes with every fifth of these. */
const CHECK_MS = 20;

const opener = createRedisOpener();
let server: RedisServer;

beforeEach(async () => {
  server = await startRedisServer();
});

afterEach(async () => {
  await opener.closeAll();
  await server.remove();
});

const open = (acceptLoss: 'accept' | 'refuse' = 'refuse'): Promise<Store> =>
  opener.open(server.url, { checkMs: CHECK_MS, acceptLoss });

const claimOf = (store: Store, key = newRecordKey()): ReturnType<Store['claim']> =>
  store.claim(key, requestOf(UNIT_MS));

function warned(pattern: RegExp): Promise<string> {
  return until(`a warning that fits ${pattern}`, async () => {
    return opener.warnings.find((warning) => pattern.test(warning)) ?? null;
  });
}

const UNFIT = [
  ['evicts', 'maxmemory-policy', 'allkeys-lru', 'noeviction', /takes no new claims: its maxmemory-policy/],
  ['keeps no append-only file', 'appendonly', 'no', 'yes', /takes no new claims: it keeps no append-only/],
] as const;

describe('a running redis server', () => {
  it.each(UNFIT)('that %s from now on is given no new claims', async (_name, setting, bad, good, warning) => {
    const store = await open();
    const done = await granted(store, newRecordKey(), requestOf(UNIT_MS));
    await store.complete(done.claim, FULL, UNIT_MS);
    const held = await granted(store, newRecordKey(), requestOf(UNIT_MS));
    await server.command('CONFIG', 'SET', setting, bad);
    await warned(warning);

    expect(await reasonOf(claimOf(store))).toBe('unsafe');
    expect(await reasonOf(store.ping())).toBe('unsafe');
    expect(responseOf(await claimOf(store, done.claim.recordKey))).toEqual(FULL);
    expect((await claimOf(store, held.claim.recordKey)).kind).toBe('inFlight');
    expect(await store.complete(held.claim, FULL, UNIT_MS)).toBe('ok');
    const cell = { expectedVersion: 0, value: Buffer.from('v'), lifeMs: UNIT_MS, wakes: 'nobody' } as const;
    expect(await reasonOf(store.cells.write(newRecordKey(), cell))).toBe('unsafe');
    expect((await store.cells.read(newRecordKey())).version).toBe(0);

    await server.command('CONFIG', 'SET', setting, good);
    await warned(/takes claims again/);
    expect((await claimOf(store)).kind).toBe('claimed');
    await expect(store.ping()).resolves.toBeUndefined();
  });

  it('that is released by its owner is not granted to another while it is unfit', async () => {
    const store = await open();
    const { claim } = await granted(store, newRecordKey(), requestOf(UNIT_MS));
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    await warned(/takes no new claims/);
    await store.release(claim, null);

    expect(await reasonOf(claimOf(store, claim.recordKey))).toBe('unsafe');
    expect((await store.inspect(claim.recordKey))?.state).toBe('released');
  });

  it('goes on where loss is accepted, with a warning', async () => {
    const store = await open('accept');
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');

    await warned(/its maxmemory-policy is allkeys-lru/);

    expect((await claimOf(store)).kind).toBe('claimed');
  });

  it('that syncs less often from now on is warned of once', async () => {
    await open();
    await server.command('CONFIG', 'SET', 'appendfsync', 'everysec');
    await warned(/appendfsync is everysec/);
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    await warned(/takes no new claims/);

    expect(opener.warnings.filter((warning) => warning.includes('appendfsync'))).toHaveLength(1);
  });

  it('that became a replica without a primary and tells nothing grants nothing until it is a primary', async () => {
    const store = await open();
    await server.command('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
    await server.command('REPLICAOF', '127.0.0.1', '1');

    await until('MASTERDOWN', async () => {
      const reason = await reasonOf(claimOf(store));
      expect(reason).not.toBe('answered');
      return reason === 'connection' ? reason : null;
    });

    await server.command('REPLICAOF', 'NO', 'ONE');
    expect((await onceAvailable(() => claimOf(store))).kind).toBe('claimed');
  });

  it('that was restarted unfit is noticed on the new connection, before any claim', async () => {
    const store = await opener.open(server.url, { checkMs: 3_600_000 });
    await server.kill();
    await server.restart('loaded', ['maxmemory-policy', 'allkeys-random']);

    const reason = await onceAvailable(async () => {
      const seen = await reasonOf(claimOf(store));
      return seen === 'connection' ? await claimOf(store).then(() => seen) : seen;
    });

    expect(reason).toBe('unsafe');
    expect(opener.warnings.join('\n')).toMatch(/is another process than before/);
  });
});
