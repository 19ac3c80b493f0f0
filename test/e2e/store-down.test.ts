import { afterEach, describe, expect, it } from 'vitest';
import { baseConfig, type ChildProxy, startChildProxy, temporaryFolder } from '../support/child-proxy.ts';
import { type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { freePort } from '../support/free-port.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { type Answer, keyed, problemCode, sendRequest, until } from '../support/send-request.ts';

/** The store goes and comes back under a running proxy (edge case 72, faults 21 and 24). */

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const ROUTES = [
  { name: 'safe', match: { path: '/charges' } },
  { name: 'open', match: { path: '/views' }, onStoreDown: 'forward' },
];

type Stage = {
  readonly backend: CountingBackend;
  readonly redis: RedisServer;
  readonly proxy: ChildProxy;
  readonly observePort: number;
};

async function stage(): Promise<Stage> {
  const backend = await startCountingBackend();
  closers.push(() => backend.close());
  const folder = temporaryFolder();
  closers.push(() => folder.remove());
  const redis = await startRedisServer();
  closers.push(() => redis.remove());
  const observePort = await freePort();
  const file = folder.config({
    ...baseConfig(backend.origin, { url: redis.url, deadline: '500ms' }),
    observe: { listen: `127.0.0.1:${observePort}` },
    secrets: ['a secret of forty characters for testing'],
    routes: ROUTES,
  });
  const proxy = await startChildProxy(['--config', file]);
  closers.push(() => proxy.kill());
  return { backend, redis, proxy, observePort };
}

function ask(proxy: ChildProxy, path: string, key: string): Promise<Answer> {
  return sendRequest(proxy.port, { path, headers: keyed(key) });
}

describe('while the store is down', () => {
  it('a keyed request gets 503 store-unavailable, and nothing is executed', async () => {
    const { backend, redis, proxy } = await stage();
    await redis.kill();

    const answer = await ask(proxy, '/charges', 'refused');

    expect(answer.status).toBe(503);
    expect(problemCode(answer)).toBe('store-unavailable');
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(backend.executions('refused')).toBe(0);
  });

  it('onStoreDown: forward passes it on and says that it is unprotected', async () => {
    const { backend, redis, proxy } = await stage();
    await redis.kill();

    const answer = await ask(proxy, '/views', 'forwarded');

    expect(answer.status).toBe(201);
    expect(answer.headers['idempotency-status']).toBe('unprotected');
    expect(backend.executions('forwarded')).toBe(1);
  });

  it('a request without a key is passed on as ever', async () => {
    const { redis, proxy } = await stage();
    await redis.kill();

    const answer = await sendRequest(proxy.port, { path: '/charges' });

    expect(answer.status).toBe(201);
  });

  it('the process is not ready, and is ready again when the store is back', async () => {
    const { redis, observePort } = await stage();
    const readiness = (): Promise<Answer> => sendRequest(observePort, { method: 'GET', path: '/readyz' });
    await redis.kill();

    const down = await until(readiness, (answer) => answer.status === 503);
    await redis.restart();
    const up = await until(readiness, (answer) => answer.status === 200);

    expect(down.body.toString()).toContain('"check":"store"');
    expect(up.status).toBe(200);
  });

  it('what was executed before is replayed afterwards, and new keys are taken again', async () => {
    const { backend, redis, proxy } = await stage();
    const first = await ask(proxy, '/charges', 'kept');
    await redis.kill();
    const during = await ask(proxy, '/charges', 'kept');
    await redis.restart();

    const after = await until(
      () => ask(proxy, '/charges', 'kept'),
      (answer) => answer.status !== 503,
    );
    const fresh = await until(
      () => ask(proxy, '/charges', 'fresh'),
      (answer) => answer.status !== 503,
    );

    expect(problemCode(during)).toBe('store-unavailable');
    expect(after.headers['idempotency-status']).toBe('replayed');
    expect(after.body.equals(first.body)).toBe(true);
    expect(fresh.headers['idempotency-status']).toBe('executed');
    expect(backend.executions('kept')).toBe(1);
    expect(backend.executions('fresh')).toBe(1);
  });

  it('an answer whose record cannot be written still reaches the client, and the key is never executed again', async () => {
    const { backend, redis, proxy } = await stage();
    backend.behave((arrival) => {
      arrival.execute();
      // The store dies between the claim and the record.
      void redis.kill().then(() => arrival.answer(201, '{"true":"answer"}'));
    });

    const first = await ask(proxy, '/charges', 'unrecorded');
    await redis.restart();
    const repeat = await until(
      () => ask(proxy, '/charges', 'unrecorded'),
      (answer) => answer.status !== 503,
    );

    expect(first.status).toBe(201);
    expect(first.body.toString()).toBe('{"true":"answer"}');
    expect(backend.executions('unrecorded')).toBe(1);
    expect([201, 409]).toContain(repeat.status);
  });
});
