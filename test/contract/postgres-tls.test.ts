import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createPostgresOpener } from '../support/postgres-opener.ts';
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts';
import { newRecordKey, requestOf } from './harness.ts';

const opener = createPostgresOpener();
const folder = mkdtempSync(join(tmpdir(), 'onceward-tls-'));
const certificate = join(folder, 'certificate.pem');
const key = join(folder, 'key.pem');
let server: PostgresServer;

beforeAll(async () => {
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate],
    ],
    { stdio: 'ignore' },
  );
  server = await startPostgresServer({
    tls: { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') },
  });
});

afterEach(async () => {
  await opener.closeAll();
});

afterAll(async () => {
  await server.remove();
  rmSync(folder, { recursive: true, force: true });
});

const at = (host: string, query: string): string => `${server.url.replace('127.0.0.1', host)}?${query}`;

it.each([
  ['require', '127.0.0.1', () => 'sslmode=require'],
  ['verify-ca under another name', '127.0.0.1', () => `sslmode=verify-ca&sslrootcert=${certificate}`],
  ['verify-full', 'localhost', () => `sslmode=verify-full&sslrootcert=${certificate}`],
])('sslmode %s speaks TLS', async (_name, host, query) => {
  const store = await opener.open(at(host, query()), { schema: 'tls' });

  expect((await store.claim(newRecordKey(), requestOf(1000))).kind).toBe('claimed');
  const rows = await server.command(
    "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'onceward'",
  );
  expect(rows).toEqual([{ ssl: true }]);
});

it.each([
  ['verify-full without a root of trust', 'localhost', () => 'sslmode=verify-full', /self-signed/],
  ['verify-ca without a root of trust', 'localhost', () => 'sslmode=verify-ca', /self-signed/],
  [
    'verify-full under another name',
    '127.0.0.1',
    () => `sslmode=verify-full&sslrootcert=${certificate}`,
    /not in the cert|does not match/,
  ],
])('sslmode %s refuses the server', async (_name, host, query, why) => {
  await expect(opener.open(at(host, query()), { schema: 'tls' })).rejects.toThrow(why);
});
