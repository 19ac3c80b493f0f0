import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import { COMMAND_TIMEOUT_MS, createRedisOpener, onceAvailable, reasonOf } from '../support/redis-opener.ts';
import { type RedisServer, type RedisServerOptions, startRedisServer } from '../support/redis-server.ts';
import { startTcpRelay, type TcpRelay } from '../support/tcp-relay.ts';
import { FULL, granted, newRecordKey, requestOf, responseOf } from './harness.ts';

/** Leases of minutes: nothing here waits for one to end. */
const UNIT_MS = 60_000;

const opener = createRedisOpener();
const cleanups: (() => Promise<void>)[] = [];
let server: RedisServer;
let store: Store;

async function startServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const started = await startRedisServer(options);
  cleanups.push(started.remove);
  return started;
}

beforeEach(async () => {
  server = await startServer();
  store = await opener.open(server.url);
});

afterEach(async () => {
  await opener.closeAll();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

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

describe('a redis server that comes back', () => {
  it('is given its scripts again after they were flushed, and the claim holds', async () => {
    const key = newRecordKey();
    const request = requestOf(UNIT_MS);
    const first = await granted(store, key, request);
    await server.command('SCRIPT', 'FLUSH');

    const again = await granted(store, key, request);

    expect(again).toEqual(first);
    expect(await store.complete(again.claim, FULL, UNIT_MS)).toBe('ok');
  });

  it('has every acknowledged record after a kill, and the store finds it by itself', async () => {
    const keys = await Promise.all(Array.from({ length: 50 }, completedKey));
    const { claim } = await granted(store, newRecordKey(), requestOf(UNIT_MS));

    await server.kill();
    expect(await reasonOf(claimOf(store))).toBe('connection');
    await server.restart();

    for (const key of keys) expect(responseOf(await onceAvailable(() => claimOf(store, key)))).toEqual(FULL);
    expect(await store.complete(claim, FULL, UNIT_MS)).toBe('ok');
    expect(opener.warnings).toEqual([expect.stringContaining('is another process than before')]);
  });

  it('says that it is loading while it is', async () => {
    for (let i = 0; i < 100; i += 1) await completedKey();
    // As a snapshot, which is read in small steps with answers between them.
    await server.command('BGREWRITEAOF');
    const rewriting = async (): Promise<boolean> =>
      /aof_rewrite_(?:in_progress|scheduled):1/.test(String(await server.command('INFO', 'persistence')));
    while (await rewriting()) await new Promise((resolve) => setTimeout(resolve, 10));
    await server.kill();

    await server.restart('listening', [
      'key-load-delay',
      '15000',
      'loading-process-events-interval-bytes',
      '1024',
    ]);

    await untilReason('loading', () => claimOf(store));
    await onceAvailable(() => claimOf(store));
  });

  it('is warned of when its records were flushed', async () => {
    await completedKey();
    await server.command('FLUSHALL');

    await store.ping();

    expect(opener.warnings).toEqual([expect.stringContaining('has lost its records')]);
  });

  it('is warned of when another one without the records stands in its place', async () => {
    const relay = await startTcpRelay(server.port);
    cleanups.push(relay.close);
    const relayed = await opener.open(`redis://127.0.0.1:${relay.port}`);
    const empty = await startServer();

    relay.moveTo(empty.port);

    await onceAvailable(() => claimOf(relayed));
    expect(opener.warnings.join('\n')).toMatch(/is another process than before.*\n.*has lost its records/);
  });
});

describe('a redis server that gives no answer', () => {
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

  it('is left when it stays silent, and found again', async () => {
    server.pause();
    await untilReason('connection', () => claimOf(store));
    server.resume();

    expect((await onceAvailable(() => claimOf(store))).kind).toBe('claimed');
  });

  it('holds a claim that it heard but never answered until its owner gives it back', async () => {
    const key = newRecordKey();
    const request = requestOf(UNIT_MS);
    server.pause();
    expect(await reasonOf(store.claim(key, request))).toBe('timeout');
    server.resume();
    await onceAvailable(() => store.ping());
    expect((await claimOf(store, key)).kind).toBe('inFlight');

    expect(await store.releaseOwner(key, request.owner)).toBe('ok');

    expect((await claimOf(store, key)).kind).toBe('claimed');
  });

  it('says that it is busy while a script runs too long', async () => {
    await server.command('CONFIG', 'SET', 'busy-reply-threshold', '20');
    const endless = server.command('EVAL', 'while true do end', '0').catch(() => 'killed');

    await untilReason('busy', () => claimOf(store));

    await server.command('SCRIPT', 'KILL');
    expect(await endless).toBe('killed');
    expect((await onceAvailable(() => claimOf(store))).kind).toBe('claimed');
  });
});

describe('a connection that is half open', () => {
  it('is left when it has been silent for long enough, and another is made', async () => {
    const relay = await startTcpRelay(server.port);
    cleanups.push(relay.close);
    const relayed = await opener.open(`redis://127.0.0.1:${relay.port}`);
    relay.goSilent();
    const startMs = performance.now();

    expect(await reasonOf(claimOf(relayed))).toBe('timeout');
    expect(performance.now() - startMs).toBeLessThan(COMMAND_TIMEOUT_MS * 3);

    expect((await onceAvailable(() => claimOf(relayed))).kind).toBe('claimed');
  });
});

describe('a claim whose reply was lost', () => {
  let relay: TcpRelay;
  let relayed: Store;

  beforeEach(async () => {
    relay = await startTcpRelay(server.port);
    cleanups.push(relay.close);
    relayed = await opener.open(`redis://127.0.0.1:${relay.port}`);
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
});

describe('a redis server that takes no writes', () => {
  it('as a replica refuses claims, goes on replaying, and is used again as a primary', async () => {
    const key = await completedKey();
    await server.command('REPLICAOF', '127.0.0.1', '1');

    expect(await reasonOf(claimOf(store))).toBe('readonly');
    expect(responseOf(await onceAvailable(() => claimOf(store, key)))).toEqual(FULL);
    await untilReason('readonly', () => store.ping());
    await server.command('REPLICAOF', 'NO', 'ONE');

    expect((await onceAvailable(() => claimOf(store))).kind).toBe('claimed');
  });

  it('for want of replicas refuses claims and goes on replaying', async () => {
    const key = await completedKey();
    await server.command('CONFIG', 'SET', 'min-replicas-to-write', '1');

    expect(await reasonOf(claimOf(store))).toBe('readonly');
    expect(responseOf(await claimOf(store, key))).toEqual(FULL);
  });

  describe('because its memory is full', () => {
    const fill = (): Promise<unknown> => server.command('CONFIG', 'SET', 'maxmemory', '1');

    it('refuses claims and goes on replaying, also to a new connection', async () => {
      const key = await completedKey();
      await fill();

      expect(await reasonOf(claimOf(store))).toBe('out_of_memory');
      expect(await reasonOf(store.ping())).toBe('out_of_memory');
      await server.command('CLIENT', 'KILL', 'TYPE', 'normal');
      expect(responseOf(await onceAvailable(() => claimOf(store, key)))).toEqual(FULL);
    });

    it.each([
      ['completed', (held: Parameters<Store['complete']>[0]) => store.complete(held, FULL, UNIT_MS)],
      ['released', (held: Parameters<Store['complete']>[0]) => store.release(held, null)],
      ['unknown', (held: Parameters<Store['complete']>[0]) => store.park(held, 'reset')],
    ])('still lets a claim that it granted become %s', async (state, settle) => {
      const { claim } = await granted(store, newRecordKey(), requestOf(UNIT_MS));
      await fill();

      expect(await settle(claim)).toBe('ok');

      expect((await store.inspect(claim.recordKey))?.state).toBe(state);
    });

    it('grants claims again once there is room', async () => {
      await fill();
      await reasonOf(claimOf(store));

      await server.command('CONFIG', 'SET', 'maxmemory', '0');

      expect((await claimOf(store)).kind).toBe('claimed');
    });
  });
});

describe('a record that others have written over', () => {
  it('of another type is corrupt, and harms no other', async () => {
    const key = newRecordKey();
    await server.command('SET', `test:{${key}}`, 'no hash');

    expect(await reasonOf(claimOf(store, key))).toBe('corrupt');
    expect(await reasonOf(store.inspect(key))).toBe('corrupt');
    expect((await claimOf(store)).kind).toBe('claimed');
  });

  it('in its response is corrupt, never replayed and never claimed', async () => {
    const key = await completedKey();
    await server.command('HSET', `test:{${key}}`, 'response', 'something');

    expect(await reasonOf(claimOf(store, key))).toBe('corrupt');
  });
});
