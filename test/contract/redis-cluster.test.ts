import { afterAll, beforeAll } from 'vitest';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import { openRedisHarness } from './redis-harness.ts';
import { storeContract } from './store-contract.ts';

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster();
});

afterAll(async () => {
  await cluster.remove();
});

storeContract('redis cluster', () =>
  openRedisHarness({
    url: cluster.url,
    change: { topology: { kind: 'cluster', nodes: cluster.addresses.slice(1) } },
    // A cluster that was ended needs longer to be whole again than a record of the suite lives: redis-moving does it.
    restart: async () => undefined,
    // The witnesses of every prefix would make a page of a listing end early.
    async clear() {
      await Promise.all(cluster.nodes.map((node) => node.command('FLUSHALL')));
    },
  }),
);
