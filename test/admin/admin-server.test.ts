import { afterEach, describe, expect, it } from 'vitest';
import { type AdminStatus, startAdminServer } from '../../src/admin/admin-server.ts';
import { createHealth } from '../../src/admin/health.ts';
import { guardAdmin } from '../../src/admin/host-guard.ts';
import { sampleMetrics } from '../observe/sample-metrics.ts';
import { plainRequest } from '../support/plain-http.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const STATUS: AdminStatus = {
  version: '1.2.3',
  uptimeSeconds: 60,
  store: 'lmdb',
  inFlight: 3,
  workers: [{ worker: 0, pid: 4711, state: 'listening', inFlight: 3 }],
  state: 'serving',
  config: { file: '/etc/onceward/onceward.yaml', loadedAt: '2026-11-23T20:00:00.000Z' },
};

async function start(observe: 'with-observe' | 'alone' = 'alone') {
  const drained: string[] = [];
  const server = await startAdminServer({
    listen: { host: '127.0.0.1', port: 0 },
    actions: { drain: () => drained.push('drain') },
    status: () => STATUS,
    routes: [],
    observe: observe === 'alone' ? null : { health: createHealth({ checks: [] }), metrics: sampleMetrics() },
    onError: (error) => {
      throw error;
    },
  });
  cleanups.push(() => server.close());
  return { port: server.address.port, drained };
}

describe('the admin port', () => {
  it('drains on POST', async () => {
    const { port, drained } = await start();

    const answer = await plainRequest(port, 'POST', '/drain');

    expect(answer.status).toBe(202);
    expect(JSON.parse(answer.body)).toEqual({ status: 'draining' });
    expect(drained).toEqual(['drain']);
  });

  it.each(['GET', 'HEAD', 'PUT'])('does not drain on %s', async (method) => {
    const { port, drained } = await start();

    const answer = await plainRequest(port, method, '/drain');

    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('POST');
    expect(drained).toEqual([]);
  });

  it('tells its status', async () => {
    const { port } = await start();

    const answer = await plainRequest(port, 'GET', '/status');

    expect([answer.status, JSON.parse(answer.body)]).toEqual([200, STATUS]);
  });

  it('refuses what a web page sends', async () => {
    const { port, drained } = await start();

    for (const Origin of ['http://evil.example', 'null', `http://127.0.0.1:${port}`]) {
      expect((await plainRequest(port, 'POST', '/drain', { Origin })).status).toBe(403);
    }

    expect(drained).toEqual([]);
  });

  it('refuses a name that was made to point here', async () => {
    const { port, drained } = await start();

    const answer = await plainRequest(port, 'POST', '/drain', { Host: `evil.example:${port}` });

    expect(answer.status).toBe(421);
    expect(drained).toEqual([]);
  });

  it('serves health and metrics where it is the only port', async () => {
    const { port } = await start('with-observe');

    expect((await plainRequest(port, 'GET', '/livez')).status).toBe(200);
    expect((await plainRequest(port, 'GET', '/readyz')).status).toBe(200);
    expect((await plainRequest(port, 'GET', '/metrics')).body).toContain('onceward_build_info');
  });

  it('does not serve them where they have a port of their own', async () => {
    const { port } = await start('alone');

    expect((await plainRequest(port, 'GET', '/metrics')).status).toBe(404);
  });

  it('a body that nobody reads ends the connection', async () => {
    const { port } = await start();

    const url = `http://127.0.0.1:${port}/drain`;
    const without = await fetch(url, { method: 'POST' });
    const withBody = await fetch(url, { method: 'POST', body: 'x'.repeat(100) });

    expect([without.status, without.headers.get('connection')]).toEqual([202, 'keep-alive']);
    expect([withBody.status, withBody.headers.get('connection')]).toEqual([202, 'close']);
  });
});

describe('the guard of the admin port', () => {
  it.each([
    ['127.0.0.1', 'localhost:9465', 'let-in'],
    ['127.0.0.1', 'LOCALHOST', 'let-in'],
    ['127.0.0.1', 'localhost.:9465', 'let-in'],
    ['127.0.0.1', '127.0.0.1:9465', 'let-in'],
    ['127.0.0.1', '127.8.8.8', 'let-in'],
    ['127.0.0.1', '[::1]:9465', 'let-in'],
    ['127.0.0.1', '10.0.0.7:9465', 'host'],
    ['10.0.0.7', '10.0.0.7:9465', 'let-in'],
    ['admin.internal', 'admin.internal:9465', 'let-in'],
    ['0.0.0.0', '10.0.0.7:9465', 'let-in'],
    ['::', '[fd00::7]:9465', 'let-in'],
    ['0.0.0.0', 'pod.example:9465', 'host'],
    ['127.0.0.1', 'evil.example', 'host'],
    ['127.0.0.1', '127.evil.example', 'host'],
    ['127.0.0.1', 'localhost.evil.example', 'host'],
    ['127.0.0.1', '127.0.0.1.evil.example', 'host'],
    ['127.0.0.1', 'user@localhost', 'host'],
    ['127.0.0.1', 'localhost:9465:1', 'host'],
    ['127.0.0.1', '', 'host'],
    ['127.0.0.1', undefined, 'host'],
  ] as const)('listening on %s, Host %s: %s', (listenHost, host, result) => {
    expect(guardAdmin(listenHost, { host, origin: undefined })).toBe(result);
  });
});
