import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import { openRedisStore } from '../../src/store/redis/redis-store.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { storeContract } from './store-contract.ts';

let server: RedisServer | null = null;

beforeAll(async () => {
  server = await startRedisServer({ appendonly: 'yes', appendfsync: 'always' });
});

afterAll(async () => {
  await server?.remove();
});

/** Redis has the only clock: the suite really waits, in short units. */
const UNIT_MS = 60;

storeContract('redis', async () => {
  if (server === null) throw new Error('the server is not there');
  const { url, kill, restart } = server;
  // One server for all: every harness has a prefix of its own.
  const keyPrefix = `test-${randomBytes(6).toString('hex')}:`;
  const opened: Store[] = [];

  async function open(): Promise<Store> {
    const { store } = await openRedisStore({
      url,
      keyPrefix,
      acceptLoss: 'refuse',
      secretIds: ['secret-1'],
      commandTimeoutMs: 5000,
      connectTimeoutMs: 5000,
      warn: () => undefined,
    });
    opened.push(store);
    return store;
  }

  return {
    store: await open(),
    unitMs: UNIT_MS,
    advance: (ms) => wait(ms),
    async reopen() {
      await kill();
      await restart();
      return open();
    },
    second: open,
    expiry: 'by-itself',
    async cleanup() {
      await Promise.all(opened.map((store) => store.close()));
    },
  };
});
