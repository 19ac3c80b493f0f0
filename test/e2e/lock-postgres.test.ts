import { afterAll, beforeAll } from 'vitest';
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts';
import { locksOn } from './lock-cases.ts';

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgresServer();
});

afterAll(async () => {
  await server.remove();
});

locksOn('postgres', () => ({ url: server.url }));
