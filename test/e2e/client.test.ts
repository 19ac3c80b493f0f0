import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createOncewardClient as createFromJavaScript } from '../../client/onceward-client.js';
import { createOncewardClient, type OncewardResult } from '../../client/onceward-client.ts';
import {
  baseConfig,
  type ChildProxy,
  type Folder,
  startChildProxy,
  temporaryFolder,
} from '../support/child-proxy.ts';
import { type CountingBackend, executeAndAnswer, startCountingBackend } from '../support/counting-backend.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { startTcpRelay, type TcpRelay } from '../support/tcp-relay.ts';

/** The client of client/ with the fetch of Node, behind a hop that loses answers and changes servers. */

// Two proxies start for each test, and a lease has to end in some.
vi.setConfig({ testTimeout: 60_000 });

const FAST = { backoff: { firstMs: 20, maxMs: 200 }, totalMs: 30_000, attemptsMax: 200 };
const onceward = createOncewardClient({ ...FAST, server: 'honours-key' });
const careful = createOncewardClient(FAST);
const CHARGE = {
  method: 'POST',
  body: '{"amount":4200}',
  headers: { Authorization: 'Bearer shop' },
} as const;

const closers: (() => Promise<void> | void)[] = [];
let backend: CountingBackend;
let folder: Folder;

beforeEach(async () => {
  backend = await startCountingBackend();
  closers.push(() => backend.close());
  folder = temporaryFolder();
  closers.push(() => folder.remove());
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Stage = {
  readonly one: ChildProxy;
  readonly other: ChildProxy;
  readonly relay: TcpRelay;
  readonly url: string;
};

/** Two proxies on one store, and a hop in front that leads to the first of them. */
async function twoProxies(kind: 'lmdb' | 'redis'): Promise<Stage> {
  const extra = { defaults: { lease: '2s', inFlight: 'reject' } };
  let config: Record<string, unknown>;
  if (kind === 'redis') {
    const redis = await startRedisServer();
    closers.push(redis.remove);
    const store = { url: redis.url, deadline: '500ms' };
    config = { ...baseConfig(backend.origin, store), secrets: ['a secret of forty characters for testing'] };
  } else {
    config = baseConfig(backend.origin, { url: `lmdb:${folder.path}/data`, deadline: '500ms' });
  }
  const file = folder.config({ ...config, ...extra });
  const [one, other] = await Promise.all([
    startChildProxy(['--config', file]),
    startChildProxy(['--config', file]),
  ]);
  closers.push(
    () => one.kill(),
    () => other.kill(),
  );
  const relay = await startTcpRelay(one.port);
  closers.push(() => relay.close());
  return { one, other, relay, url: `http://127.0.0.1:${relay.port}/charges` };
}

function keyOf(result: OncewardResult): string {
  return (result.key ?? '').replaceAll('"', '');
}

describe.each(['lmdb', 'redis'] as const)('two proxies on %s', (kind) => {
  it('a lost answer is asked for again, of the other proxy: one execution, the first answer', async () => {
    const { relay, other, url } = await twoProxies(kind);
    const lost = relay.loseNextAnswer();
    void lost.then(() => relay.moveTo(other.port));

    const result = await onceward.send(url, CHARGE);

    expect(result).toMatchObject({ kind: 'answered', response: { status: 201 }, attempts: 2 });
    if (result.kind !== 'answered') return;
    expect(await result.response.json()).toMatchObject({ execution: 1, body: CHARGE.body });
    expect(result.response.headers.get('idempotency-status')).toBe('replayed');
    expect(backend.executions(keyOf(result))).toBe(1);
  });

  it('a proxy killed in the middle: the other is asked until the outcome is known to be unknown', async () => {
    const { one, other, relay, url } = await twoProxies(kind);
    const codes: (string | null)[] = [];
    const client = createOncewardClient({
      ...FAST,
      server: 'honours-key',
      onRetry: ({ code }) => void codes.push(code),
    });
    backend.behave((arrival) => void arrival.execute());
    const arrived = backend.nextArrival();
    const sent = client.send(url, CHARGE);
    await arrived;

    await one.kill();
    relay.moveTo(other.port);
    const result = await sent;

    expect(result).toMatchObject({
      ...{ kind: 'unknown', why: 'server-says' },
      problem: { code: 'outcome-unknown', executed: 'unknown' },
    });
    expect(codes[0]).toBeNull();
    expect(codes).toContain('in-flight');
    expect(backend.executions(keyOf(result))).toBe(1);
    expect(backend.arrivals()).toBe(1);
  });

  it('a proxy that ends in order: what it refuses goes to the other', async () => {
    const { one, other, relay, url } = await twoProxies(kind);
    const ended = one.stop();
    void ended.then(() => relay.moveTo(other.port));

    const results = await Promise.all(Array.from({ length: 10 }, () => onceward.send(url, CHARGE)));

    expect(results.map(({ kind }) => kind)).toEqual(Array.from({ length: 10 }, () => 'answered'));
    expect(new Set(results.map(keyOf)).size).toBe(10);
    expect(results.map((result) => backend.executions(keyOf(result)))).toEqual(
      Array.from({ length: 10 }, () => 1),
    );
  });

  it('a backend that says "not executed" is asked again under the same key', async () => {
    const { url } = await twoProxies(kind);
    backend.behave((arrival) => {
      if (arrival.arrival < 3) arrival.answer(503, '{}', { 'Retry-After': '0' });
      else executeAndAnswer(arrival);
    });

    const result = await onceward.send(url, CHARGE);

    expect(result).toMatchObject({ kind: 'answered', response: { status: 201 }, attempts: 3 });
    expect(backend.executions(keyOf(result))).toBe(1);
  });

  it('a backend that breaks off: nothing is known, and nothing is sent again', async () => {
    const { url } = await twoProxies(kind);
    backend.behave((arrival) => {
      arrival.execute();
      arrival.reset();
    });

    // What Onceward says of the key shows that it is held: no word of the caller is needed.
    const result = await careful.send(url, CHARGE);

    expect(result).toMatchObject({ kind: 'unknown', problem: { code: 'outcome-unknown' }, attempts: 2 });
    expect(backend.arrivals()).toBe(1);
  });
});

describe('a proxy that only observes', () => {
  it('does not pass for one that holds keys: a POST whose answer is lost is sent once', async () => {
    const config = { ...baseConfig(backend.origin, 'memory:'), defaults: { mode: 'observe' } };
    const proxy = await startChildProxy(['--config', folder.config(config)]);
    closers.push(() => proxy.kill());
    backend.behave((arrival) => {
      arrival.execute();
      arrival.truncate('{"charged":true}');
    });

    const result = await careful.send(`http://127.0.0.1:${proxy.port}/charges`, CHARGE);

    expect(result).toMatchObject({ kind: 'unknown', why: 'unprotected', attempts: 1 });
    expect(backend.executions(keyOf(result))).toBe(1);
  });
});

describe('a backend without Onceward', () => {
  const url = (): string => `${backend.origin}/charges`;

  it('gets a POST once when its answer is lost, and the caller is told that the outcome is not known', async () => {
    backend.behave((arrival) => {
      arrival.execute();
      arrival.reset();
    });

    const result = await careful.send(url(), CHARGE);

    expect(result).toMatchObject({ kind: 'unknown', why: 'unprotected', problem: null, attempts: 1 });
    expect(backend.arrivals()).toBe(1);
  });

  it.each([429, 500, 502, 503])('gets a POST once when it answers %d', async (status) => {
    backend.behave((arrival) => arrival.answer(status, '{}', { 'Retry-After': '0' }));

    const result = await careful.send(url(), CHARGE);

    expect(result).toMatchObject({ kind: 'answered', response: { status }, attempts: 1 });
    expect(backend.arrivals()).toBe(1);
  });

  it('gets a POST again where the caller says that it executes a key once', async () => {
    backend.behave((arrival) => {
      // As a backend with keys of its own.
      if (arrival.arrival === 1) {
        arrival.execute();
        arrival.truncate('{"charged":true}');
      } else arrival.answer(201, '{"charged":true}');
    });

    const result = await careful.send(url(), { ...CHARGE, server: 'honours-key' });

    expect(result).toMatchObject({ kind: 'answered', attempts: 2 });
    expect(backend.executions(keyOf(result))).toBe(1);
  });

  it.each(['GET', 'PUT', 'DELETE'])('gets %s again, without a key', async (method) => {
    const keys: unknown[] = [];
    backend.behave((arrival) => {
      keys.push(arrival.request.headers['idempotency-key']);
      if (keys.length === 1) arrival.reset();
      else if (keys.length === 2) arrival.answer(503, '{}');
      else arrival.answer(200, '{}');
    });

    const result = await careful.send(url(), { method });

    expect(result).toMatchObject({ kind: 'answered', key: null, attempts: 3 });
    expect(keys).toEqual([undefined, undefined, undefined]);
  });

  it('that is not there is told as such', async () => {
    const gone = url();
    await backend.close();

    const result = await createFromJavaScript({ ...FAST, attemptsMax: 3 }).send(gone, {
      method: 'PUT',
      body: 'x',
    });

    expect(result).toMatchObject({ kind: 'unknown', why: 'attempts', attempts: 3 });
  });
});
