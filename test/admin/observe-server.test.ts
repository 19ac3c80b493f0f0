import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createHealth, drainCheck } from '../../src/admin/health.ts';
import { type ObserveServer, startObserveServer } from '../../src/admin/observe-server.ts';
import type { Metrics } from '../../src/observe/metrics.ts';
import { sampleMetrics } from '../observe/sample-metrics.ts';
import { plainRequest } from '../support/plain-http.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Started = {
  readonly server: ObserveServer;
  readonly port: number;
  drain(): void;
  readonly errors: unknown[];
};

async function start(metrics: Pick<Metrics, 'render'> = sampleMetrics()): Promise<Started> {
  let state: 'serving' | 'draining' = 'serving';
  const errors: unknown[] = [];
  const server = await startObserveServer({
    listen: { host: '127.0.0.1', port: 0 },
    health: createHealth({ checks: [drainCheck(() => state)] }),
    metrics,
    onError: (error) => errors.push(error),
  });
  cleanups.push(() => server.close());
  const drain = (): void => {
    state = 'draining';
  };
  return { server, port: server.address.port, drain, errors };
}

describe('the observe port', () => {
  it('says that it lives', async () => {
    const { port } = await start();

    const answer = await plainRequest(port, 'GET', '/livez');

    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toEqual({ status: 'alive' });
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it('says that it is ready', async () => {
    const { port } = await start();

    const answer = await plainRequest(port, 'GET', '/readyz');

    expect([answer.status, JSON.parse(answer.body)]).toEqual([200, { status: 'ready', reasons: [] }]);
  });

  it('says why it is not ready, and lives all the same', async () => {
    const { port, drain } = await start();
    drain();

    const ready = await plainRequest(port, 'GET', '/readyz');
    const live = await plainRequest(port, 'GET', '/livez');

    expect(ready.status).toBe(503);
    expect(ready.headers['content-type']).toBe('application/json; charset=utf-8');
    const reasons = [{ check: 'draining', reason: 'draining' }];
    expect(JSON.parse(ready.body)).toEqual({ status: 'not-ready', reasons });
    expect(live.status).toBe(200);
  });

  it('serves metrics as text, and as OpenMetrics where that is asked for', async () => {
    const { port } = await start();

    const text = await plainRequest(port, 'GET', '/metrics');
    const open = await plainRequest(port, 'GET', '/metrics?any=query', {
      Accept: 'application/openmetrics-text',
    });

    expect(text.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text.body).toContain('\nonceward_in_flight 0\n');
    expect(open.headers['content-type']).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(open.body.endsWith('# EOF\n')).toBe(true);
  });

  it('answers HEAD with the length and no body', async () => {
    const { port } = await start();

    const answer = await plainRequest(port, 'HEAD', '/livez');

    expect(answer.status).toBe(200);
    expect(answer.headers['content-length']).toBe('19');
    expect(answer.body).toBe('');
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'])('refuses %s', async (method) => {
    const { port } = await start();

    const answer = await plainRequest(port, method, '/metrics');

    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('GET, HEAD');
    expect(JSON.parse(answer.body)).toMatchObject({ status: 405, title: 'Method not allowed' });
  });

  it.each(['/', '/metrics/', '/livez/../metrics', '/drain', '/status'])('has nothing at %s', async (path) => {
    const { port } = await start();

    const answer = await plainRequest(port, 'GET', path);

    expect(answer.status).toBe(404);
    expect(answer.headers['content-type']).toBe('application/problem+json');
  });

  it('a defect is answered 500, reported, and the next request is served', async () => {
    const { port, errors } = await start({ render: () => Promise.reject(new Error('SECRET')) });

    const broken = await plainRequest(port, 'GET', '/metrics');
    const next = await plainRequest(port, 'GET', '/livez');

    expect(broken.status).toBe(500);
    expect(broken.body).not.toContain('SECRET');
    expect(errors).toHaveLength(1);
    expect(next.status).toBe(200);
  });

  it('holds at most a hundred connections', async () => {
    const { port } = await start();
    const sockets = Array.from({ length: 110 }, () =>
      connect(port, '127.0.0.1').on('error', () => undefined),
    );
    const closed = sockets.map(
      (socket) => new Promise<'closed'>((resolve) => socket.once('close', () => resolve('closed'))),
    );

    // The ten above the limit are closed by the server; which ones is the kernel's choice.
    const gone = await new Promise<number>((resolve) => {
      let count = 0;
      for (const one of closed) {
        void one.then(() => {
          count += 1;
          if (count === 10) resolve(count);
        });
      }
    });

    expect(gone).toBe(10);
    expect(sockets.filter((socket) => !socket.destroyed)).toHaveLength(100);
    for (const socket of sockets) socket.destroy();
  });

  it('closes although a client keeps its connection open', async () => {
    const { server, port } = await start();
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    const gone = new Promise<'gone'>((resolve) => socket.once('close', () => resolve('gone')));

    await server.close();

    expect(await gone).toBe('gone');
  });

  it('a port in use rejects with one line that says what to do', async () => {
    const { port } = await start();
    const second = startObserveServer({
      listen: { host: '127.0.0.1', port },
      health: createHealth({ checks: [] }),
      metrics: sampleMetrics(),
      onError: () => undefined,
    });

    await expect(second).rejects.toThrow(
      `observe: cannot listen on 127.0.0.1:${port}: the port is in use. Stop the process that has it, or set another address in observe.listen.`,
    );
  });
});
