import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { type PostgresClock, takeClock } from '../support/postgres-clock.ts';
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts';
import { storeContract } from './store-contract.ts';

let server: PostgresServer | null = null;
let clock: PostgresClock | null = null;

beforeAll(async () => {
  server = await startPostgresServer();
  clock = await takeClock(server);
});

afterAll(async () => {
  await server?.remove();
});

/** Short against the minute for which a release stays visible. */
const UNIT_MS = 1000;

storeContract('postgres', async () => {
  if (server === null || clock === null) throw new Error('the server is not there');
  const { advance } = clock;
  const { url, kill, restart } = server;
  // One server for all: every harness has a schema of its own.
  const schema = `test_${randomBytes(6).toString('hex')}`;
  const opened: Store[] = [];

  async function open(): Promise<Store> {
    const { store } = await openPostgresStore({
      url,
      schema,
      connectionsMax: 8,
      acceptLoss: 'refuse',
      secretIds: ['secret-1'],
      commandTimeoutMs: 5000,
      connectTimeoutMs: 5000,
    });
    opened.push(store);
    return store;
  }

  return {
    store: await open(),
    unitMs: UNIT_MS,
    advance,
    async reopen() {
      await kill();
      await restart();
      return open();
    },
    second: open,
    expiry: 'by-sweep',
    async cleanup() {
      await Promise.all(opened.map((store) => store.close()));
    },
  };
});
