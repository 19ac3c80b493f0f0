import { afterAll, beforeAll } from 'vitest';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { openRedisHarness } from './redis-harness.ts';
import { storeContract } from './store-contract.ts';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedisServer({ appendonly: 'yes', appendfsync: 'always' });
});

afterAll(async () => {
  await server.remove();
});

storeContract('redis', () =>
  openRedisHarness({
    url: server.url,
    async restart() {
      await server.kill();
      await server.restart();
    },
  }),
);
