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
    async restart() {
      await Promise.all(cluster.nodes.map((node) => node.kill()));
      await Promise.all(cluster.nodes.map((node) => node.restart()));
      await cluster.untilWhole();
    },
  }),
);
