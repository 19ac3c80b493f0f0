import { afterEach, describe, expect, it } from 'vitest';
import {
  baseConfig,
  type ChildProxy,
  type Folder,
  startChildProxy,
  temporaryFolder,
} from '../support/child-proxy.ts';
import { type CountingBackend, executeAndAnswer, startCountingBackend } from '../support/counting-backend.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { startCrowd, type Tally } from '../support/stampede.ts';

/**
 * 1,000 requests with one key at once (edge case 28, fault 42), round after round with a new key each.
 * ONCEWARD_ROUNDS sets the rounds.
 */

const REQUESTS = 1_000;
/** Two workers are what two proxies are to the store; this is about their common port. */
const WORKER_ROUNDS = 10;
const ROUNDS = Number(process.env.ONCEWARD_ROUNDS ?? 50);
/** Long enough for the crowd to arrive while the first request is still in flight. */
const WORK_MS = 20;
const SECRET = 'a secret of forty characters for testing';

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe('a thousand requests with one key at the same moment', () => {
  it('are dispatched once a round by one proxy on the memory store', async () => {
    const { backend, folder } = await setUp();
    const proxy = await startOne(folder, backend, 'memory:', 'a');

    await expectOneDispatchEach('memory, 1 proxy', backend, [proxy]);
  }, 180_000);

  it('are dispatched once a round by two proxies on one LMDB environment', async () => {
    const { backend, folder } = await setUp();
    const store = `lmdb:${folder.path}/data`;
    const proxies = [
      await startOne(folder, backend, store, 'a'),
      await startOne(folder, backend, store, 'b'),
    ];

    await expectOneDispatchEach('lmdb, 2 proxies', backend, proxies);
  }, 180_000);

  it('are dispatched once a round by two proxies on one Redis', async () => {
    const { backend, folder } = await setUp();
    const redis = await startRedisServer();
    closers.push(() => redis.remove());
    const proxies = [
      await startOne(folder, backend, redis.url, 'a'),
      await startOne(folder, backend, redis.url, 'b'),
    ];

    await expectOneDispatchEach('redis, 2 proxies', backend, proxies);
  }, 180_000);

  it('are dispatched once a round by two proxies on one PostgreSQL', async () => {
    const { backend, folder } = await setUp();
    const postgres = await startPostgresServer();
    closers.push(() => postgres.remove());
    const proxies = [
      await startOne(folder, backend, postgres.url, 'a'),
      await startOne(folder, backend, postgres.url, 'b'),
    ];

    await expectOneDispatchEach('postgres, 2 proxies', backend, proxies);
  }, 180_000);
});

describe('a thousand requests with one key at the same moment, behind one port with two workers', () => {
  it('are dispatched once a round on LMDB', async () => {
    const { backend, folder } = await setUp();

    await expectOneDispatchOfWorkers('lmdb', backend, folder, `lmdb:${folder.path}/data`);
  }, 180_000);

  it('are dispatched once a round on Redis', async () => {
    const { backend, folder } = await setUp();
    const redis = await startRedisServer();
    closers.push(() => redis.remove());

    await expectOneDispatchOfWorkers('redis', backend, folder, redis.url);
  }, 180_000);

  it('are dispatched once a round on PostgreSQL', async () => {
    const { backend, folder } = await setUp();
    const postgres = await startPostgresServer();
    closers.push(() => postgres.remove());

    await expectOneDispatchOfWorkers('postgres', backend, folder, postgres.url);
  }, 180_000);
});

async function expectOneDispatchOfWorkers(
  store: string,
  backend: CountingBackend,
  folder: Folder,
  url: string,
): Promise<void> {
  const proxy = await startOne(folder, backend, url, 'workers', 2);

  await expectOneDispatchEach(`${store}, 2 workers`, backend, [proxy], Math.min(ROUNDS, WORKER_ROUNDS));
}

async function setUp(): Promise<{ readonly backend: CountingBackend; readonly folder: Folder }> {
  const backend = await startCountingBackend((arrival) => setTimeout(executeAndAnswer, WORK_MS, arrival));
  closers.push(() => backend.close());
  const folder = temporaryFolder();
  closers.push(() => folder.remove());
  return { backend, folder };
}

async function startOne(
  folder: Folder,
  backend: CountingBackend,
  url: string,
  name: string,
  workers = 1,
): Promise<ChildProxy> {
  const secrets = /^(?:redis|postgres)/.test(url) ? [SECRET] : [];
  const file = folder.config(
    { ...baseConfig(backend.origin, { url, deadline: '5s' }), secrets, workers },
    `${name}.yaml`,
  );
  const proxy = await startChildProxy(['--config', file]);
  closers.push(() => proxy.kill());
  return proxy;
}

async function expectOneDispatchEach(
  what: string,
  backend: CountingBackend,
  proxies: readonly ChildProxy[],
  rounds = ROUNDS,
): Promise<void> {
  const crowd = startCrowd(
    proxies.map((proxy) => proxy.port),
    REQUESTS,
  );
  closers.push(() => crowd.close());
  const sum: Tally = { executed: 0, replayed: 0, joined: 0, inFlight: 0 };
  const startedMs = performance.now();
  for (let round = 1; round <= rounds; round++) {
    const key = `round-${round}`;

    const counted = await crowd.rush(key);

    expect(backend.executions(key), `executions in round ${round}`).toBe(1);
    expect(counted.executed, `answers marked executed in round ${round}`).toBe(1);
    for (const kind of ['executed', 'replayed', 'joined', 'inFlight'] as const) sum[kind] += counted[kind];
  }
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  process.stdout.write(
    `stampede, ${what}: ${rounds} rounds of ${REQUESTS} in ${seconds} s; ${backend.executionsOfAll()} dispatches, ${sum.executed} executed, ${sum.replayed} replayed, ${sum.joined} joined, ${sum.inFlight} in-flight (409)\n`,
  );
  expect(backend.arrivals()).toBe(rounds);
  expect(sum.executed + sum.replayed + sum.joined + sum.inFlight).toBe(rounds * REQUESTS);
}
