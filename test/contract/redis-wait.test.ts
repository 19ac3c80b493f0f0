import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import { createRedisOpener, onceAvailable, reasonOf } from '../support/redis-opener.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { FULL, granted, newRecordKey, requestOf, responseOf } from './harness.ts';

const UNIT_MS = 60_000;
const WAIT_MS = 1_500;

const opener = createRedisOpener();
let primary: RedisServer;
let replica: RedisServer;
let store: Store;

beforeEach(async () => {
  [primary, replica] = await Promise.all([
    startRedisServer({ config: ['repl-diskless-sync-delay', '0'] }),
    startRedisServer(),
  ]);
  await replica.command('REPLICAOF', '127.0.0.1', String(primary.port));
  await until('the replica follows', async () =>
    String(await primary.command('INFO', 'replication')).includes('state=online') ? 'online' : null,
  );
  store = await opener.open(primary.url, {
    commandTimeoutMs: 8_000,
    wait: { replicas: 1, timeoutMs: WAIT_MS },
  });
});

afterEach(async () => {
  await opener.closeAll();
  await Promise.all([primary.remove(), replica.remove()]);
});

const claimOf = (key = newRecordKey()): ReturnType<Store['claim']> => store.claim(key, requestOf(UNIT_MS));

const stateAt = (server: RedisServer, key: string): Promise<unknown> =>
  server.command('HGET', `test:{${key}}`, 'state');

describe('a redis store that waits for its replica', () => {
  it('grants a claim only once the replica knows that it was dispatched', async () => {
    const key = newRecordKey();

    await granted(store, key, requestOf(UNIT_MS));

    expect(await stateAt(replica, key)).toBe('dispatched');
  });

  it('marks the dispatch of a separate mark only once the replica knows', async () => {
    const { claim } = await granted(store, newRecordKey(), requestOf(UNIT_MS, { state: 'claimed' }));

    expect(await store.dispatch(claim)).toBe('ok');

    expect(await stateAt(replica, claim.recordKey)).toBe('dispatched');
  });

  it('refuses claims while the replica is gone, and gives the keys back', async () => {
    await replica.kill();
    const key = newRecordKey();

    expect(await reasonOf(claimOf(key))).toBe('too_few_replicas');

    expect((await store.inspect(key))?.state).toBe('released');
    expect(await reasonOf(store.ping())).toBe('too_few_replicas');
  });

  it('refuses a separate mark while the replica does not answer, and its owner can give it back', async () => {
    const request = requestOf(UNIT_MS, { state: 'claimed' });
    const { claim } = await granted(store, newRecordKey(), request);
    replica.pause();

    expect(await reasonOf(store.dispatch(claim))).toBe('too_few_replicas');
    expect(await store.releaseOwner(claim.recordKey, request.owner)).toBe('ok');

    replica.resume();
    expect((await onceAvailable(() => claimOf(claim.recordKey))).kind).toBe('claimed');
  });

  it('replays, joins and completes without waiting', async () => {
    const done = await granted(store, newRecordKey(), requestOf(UNIT_MS));
    await store.complete(done.claim, FULL, UNIT_MS);
    const held = await granted(store, newRecordKey(), requestOf(UNIT_MS));
    replica.pause();
    const refused = Array.from({ length: 20 }, () => reasonOf(claimOf()));
    const startMs = performance.now();

    for (let i = 0; i < 20; i += 1) {
      expect(responseOf(await claimOf(done.claim.recordKey))).toEqual(FULL);
      expect((await claimOf(held.claim.recordKey)).kind).toBe('inFlight');
    }
    expect(await store.complete(held.claim, FULL, UNIT_MS)).toBe('ok');

    // Forty answers behind a WAIT each would take forty time-outs.
    expect(performance.now() - startMs).toBeLessThan(WAIT_MS * 10);
    expect(new Set(await Promise.all(refused))).toEqual(new Set(['too_few_replicas']));
    replica.resume();
  });

  it('confirms many claims with few waits', async () => {
    const before = await commandCalls('wait');

    const claims = await Promise.all(Array.from({ length: 100 }, () => claimOf()));

    expect(claims.every(({ kind }) => kind === 'claimed')).toBe(true);
    expect((await commandCalls('wait')) - before).toBeLessThan(50);
  });

  it('costs nothing where it is not asked for', async () => {
    const before = await commandCalls('wait');
    const usual = await opener.open(primary.url);
    await replica.kill();

    expect((await usual.claim(newRecordKey(), requestOf(UNIT_MS))).kind).toBe('claimed');

    expect(await commandCalls('wait')).toBe(before);
  });
});

async function commandCalls(name: string): Promise<number> {
  const stats = String(await primary.command('INFO', 'commandstats'));
  return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}
