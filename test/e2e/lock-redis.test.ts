import { afterAll, beforeAll } from 'vitest';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { locksOn } from './lock-cases.ts';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedisServer();
});

afterAll(async () => {
  await server.remove();
});

locksOn('redis', () => ({ url: server.url }));
