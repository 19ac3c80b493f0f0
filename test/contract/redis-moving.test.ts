import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import type { RedisStoreOptions } from '../../src/store/redis/redis-store.ts';
import { SLOTS, slotOf, tagOf } from '../../src/store/redis/slots.ts';
import { type RedisCluster, type RedisClusterNode, startRedisCluster } from '../support/redis-cluster.ts';
import {
  createRedisOpener,
  onceAvailable,
  reasonOf,
  redisOptions,
  sentinelTopology,
} from '../support/redis-opener.ts';
import { type RedisSentinels, startRedisSentinels } from '../support/redis-sentinel.ts';
import { until } from '../support/until.ts';
import { FULL, granted, newRecordKey, requestOf, responseOf } from './harness.ts';

/** What only several servers can do: move records, and take each other's place. */

const UNIT_MS = 60_000;
const opener = createRedisOpener();
const claimOf = (store: Store, key: string): ReturnType<Store['claim']> =>
  store.claim(key, requestOf(UNIT_MS));

afterEach(async () => {
  await opener.closeAll();
});

describe('a slot', () => {
  it('of a name is the braces’ where there are any, as the specification has it', () => {
    expect(slotOf('123456789')).toBe(0x31_c3);
    expect(slotOf('foo{bar}zap')).toBe(slotOf('bar'));
    expect(slotOf('foo{{bar}}zap')).toBe(slotOf('{bar'));
    expect(slotOf('foo{bar}{zap}')).toBe(slotOf('bar'));
    expect(slotOf('foo{}{bar}')).not.toBe(slotOf('bar'));
  });

  it('has a tag, each of them', () => {
    const slots = Array.from({ length: SLOTS }, (_, slot) => slotOf(`x{${tagOf(slot)}}`));

    expect(slots).toEqual(Array.from({ length: SLOTS }, (_, slot) => slot));
  });
});

describe('a redis cluster', () => {
  let cluster: RedisCluster;

  beforeAll(async () => {
    cluster = await startRedisCluster();
  });

  afterAll(async () => {
    await cluster.remove();
  });

  const open = (change: Partial<RedisStoreOptions> = {}): Promise<Store> =>
    opener.open(cluster.url, {
      topology: { kind: 'cluster', nodes: cluster.addresses.slice(1) },
      commandTimeoutMs: 3000,
      ...change,
    });

  function keyIn(slots: readonly number[]): string {
    const wanted = new Set(slots);
    for (;;) {
      const key = newRecordKey();
      if (wanted.has(slotOf(`test:{${key}}`))) return key;
    }
  }

  async function pair(): Promise<readonly [RedisClusterNode, RedisClusterNode, readonly number[]]> {
    const from = await cluster.ownerOf(100);
    const to = await cluster.ownerOf(16_000);
    return [from, to, (await cluster.slotsOf(from)).slice(0, 400)];
  }

  it('computes slots as the server does', async () => {
    for (const name of ['a', 'test:secret-id', `test:{${newRecordKey()}}`])
      expect(slotOf(name)).toBe(await cluster.slotOf(name));
  });

  it.each(['with their scripts', 'without their scripts'] as const)(
    'moves slots to a node %s under claims, and none is granted twice or lost',
    async (scripts) => {
      const [store, other] = [await open(), await open()];
      const [from, to, slots] = await pair();
      const before = await granted(store, keyIn(slots), requestOf(UNIT_MS));
      await cluster.beginMigration(slots, from, to);
      if (scripts === 'without their scripts')
        for (const node of cluster.nodes) await node.command('SCRIPT', 'FLUSH');

      expect((await claimOf(other, before.claim.recordKey)).kind).toBe('inFlight');
      const during = await granted(store, keyIn(slots), requestOf(UNIT_MS));
      expect((await claimOf(other, during.claim.recordKey)).kind).toBe('inFlight');
      expect(await store.renew(during.claim, UNIT_MS)).toBe('ok');
      await cluster.migrateNames(slots, from, to);
      expect((await claimOf(other, before.claim.recordKey)).kind).toBe('inFlight');
      expect(await store.complete(before.claim, FULL, UNIT_MS)).toBe('ok');
      await cluster.endMigration(slots, from, to);

      for (const { claim } of [before, during]) {
        expect(await store.complete(claim, FULL, UNIT_MS)).toBe('ok');
        expect(responseOf(await claimOf(other, claim.recordKey))).toEqual(FULL);
      }
      expect(opener.warnings).toEqual([]);
      await cluster.beginMigration(slots, to, from);
      await cluster.endMigration(slots, to, from);
    },
  );

  it('recognises the owner of a claim whose reply it asks for again at another node', async () => {
    const store = await open();
    const [from, to, slots] = await pair();
    const key = keyIn(slots);
    const request = requestOf(UNIT_MS);
    const first = await store.claim(key, request);
    await cluster.beginMigration(slots, from, to);
    await cluster.endMigration(slots, from, to);

    expect(await store.claim(key, request)).toEqual(first);

    await cluster.beginMigration(slots, to, from);
    await cluster.endMigration(slots, to, from);
  });

  it('is listed node by node, every record once', async () => {
    const store = await open({ keyPrefix: 'listed:' });
    const keys = Array.from({ length: 200 }, newRecordKey);
    await Promise.all(keys.map((key) => granted(store, key, requestOf(UNIT_MS))));

    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<Store['list']>> = await store.list(cursor, { state: null, limit: 7 });
      found.push(...page.records.map(({ recordKey }) => recordKey));
      cursor = page.cursor;
    } while (cursor !== null);

    expect(found.sort()).toEqual(keys.sort());
    expect((await store.stats()).records).toBe(200);
  });

  it('wakes a joiner whose record is settled at another node than it listens to', async () => {
    const [here, there] = [await open(), await open()];
    const never = new AbortController().signal;
    await here.settled(newRecordKey(), never);

    for (const node of cluster.primaries) {
      const { claim } = await granted(there, keyIn(await cluster.slotsOf(node)), requestOf(UNIT_MS));
      const woken = here.settled(claim.recordKey, never);
      await there.complete(claim, FULL, UNIT_MS);
      await expect(woken).resolves.toBeUndefined();
    }
  });

  it('is refused under another secret', async () => {
    await open({ keyPrefix: 'secret:', secretIds: ['one'] });

    await expect(open({ keyPrefix: 'secret:', secretIds: ['two'] })).rejects.toThrow(/another HMAC secret/);
  });

  it('takes a new secret on every node, wherever slots go afterwards', async () => {
    await open({ keyPrefix: 'rotated:', secretIds: ['one'] });
    await open({ keyPrefix: 'rotated:', secretIds: ['two', 'one'] });
    const [from, to] = await pair();
    const slots = (await cluster.slotsOf(from)).slice(0, 1000);
    await cluster.beginMigration(slots, from, to);
    await cluster.endMigration(slots, from, to);

    await expect(open({ keyPrefix: 'rotated:', secretIds: ['two'] })).resolves.toBeDefined();
    await expect(open({ keyPrefix: 'rotated:', secretIds: ['one'] })).rejects.toThrow(/another HMAC secret/);

    await cluster.beginMigration(slots, to, from);
    await cluster.endMigration(slots, to, from);
    expect(opener.warnings).toEqual([]);
  });

  it('tells of the one node that has lost its records', async () => {
    const store = await open({ keyPrefix: 'flushed:' });
    for (const node of cluster.primaries) {
      await node.command('FLUSHALL');

      await store.ping();

      expect(opener.warnings.at(-1)).toContain(`redis at 127.0.0.1:${node.port} has lost its records`);
    }
    expect(opener.warnings).toHaveLength(3);
  });

  it('is refused as a whole for one node that evicts', async () => {
    const node = cluster.primaries[1];
    await node?.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');

    await expect(open()).rejects.toThrow(
      new RegExp(`redis at 127.0.0.1:${node?.port} is refused: its maxmemory-policy`),
    );

    await node?.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  });

  it('that loses a node is unavailable within the time limit, and is used again by itself', async () => {
    const store = await open({ commandTimeoutMs: 500 });
    const [lost, ...others] = cluster.primaries;
    if (lost === undefined) throw new Error('a cluster has nodes');
    const key = keyIn(await cluster.slotsOf(lost));
    await granted(store, key, requestOf(UNIT_MS));
    await lost.kill();
    const startMs = performance.now();

    expect(['connection', 'timeout']).toContain(await reasonOf(claimOf(store, key)));
    expect(performance.now() - startMs).toBeLessThan(1500);
    await until('CLUSTERDOWN', async () => {
      const info = String(await others[0]?.command('CLUSTER', 'INFO'));
      return info.includes('cluster_state:fail') ? 'fail' : null;
    });
    expect(await reasonOf(claimOf(store, newRecordKey()))).toBe('connection');
    await lost.restart();

    expect((await onceAvailable(() => claimOf(store, key))).kind).toBe('inFlight');
    await cluster.untilWhole();
  });

  it('is told from a server that is alone, and the other way round', async () => {
    await expect(opener.open(cluster.url)).rejects.toThrow(/it is part of a cluster: set store.cluster/);
  });
});

describe('redis behind sentinels', () => {
  let sentinels: RedisSentinels;

  beforeAll(async () => {
    sentinels = await startRedisSentinels();
  });

  afterAll(async () => {
    await sentinels.remove();
  });

  const open = (change: Partial<RedisStoreOptions> = {}): Promise<Store> =>
    opener.open(sentinels.url, {
      topology: sentinelTopology(sentinels),
      wait: { replicas: 1, timeoutMs: 300 },
      commandTimeoutMs: 1500,
      ...change,
    });

  it('is left for the new primary, with every claim that the replica had confirmed', async () => {
    const store = await open();
    const key = newRecordKey();
    const request = requestOf(UNIT_MS);
    const first = await granted(store, key, request);
    const old = await sentinels.primary();

    const promoted = await sentinels.failOver();

    await old.command('REPLICAOF', '127.0.0.1', String(promoted.port));
    await sentinels.untilReplicated();
    expect((await onceAvailable(() => claimOf(store, newRecordKey()))).kind).toBe('claimed');
    expect((await claimOf(store, key)).kind).toBe('inFlight');
    expect(await store.complete(first.claim, FULL, UNIT_MS)).toBe('ok');
    expect(await promoted.command('HGET', `test:{${key}}`, 'state')).toBe('completed');
  });

  it('is found although one of the sentinels does not answer', async () => {
    sentinels.signalSentinel(0, 'SIGSTOP');

    const store = await open();

    expect((await claimOf(store, newRecordKey())).kind).toBe('claimed');
    sentinels.signalSentinel(0, 'SIGCONT');
  });

  it('says which name no sentinel knows', async () => {
    const sentinel = { name: 'mian', username: null, password: null };

    const opening = open({ topology: { kind: 'sentinel', nodes: sentinels.nodes, sentinel } });

    await expect(opening).rejects.toThrow(
      /no sentinel \(.*\) knows a primary named mian: check store.sentinel.name/,
    );
  });

  it('says which sentinels could not be asked', async () => {
    const gone = redisOptions('redis://127.0.0.1:1', {
      topology: { kind: 'sentinel', nodes: [], sentinel: { name: 'main', username: null, password: null } },
    });

    await expect(opener.open(gone.url, gone)).rejects.toThrow(
      /no sentinel \(127.0.0.1:1\) could be asked for the primary main .*ECONNREFUSED/,
    );
  });
});
