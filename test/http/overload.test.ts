import { afterEach, expect, it } from 'vitest';
import {
  type Arrival,
  type CountingBackend,
  executeAndAnswer,
  startCountingBackend,
} from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { untilMetrics } from '../support/until.ts';

/** What clients can take is bounded, for one of them and for all: beyond it 429, and nothing is executed. */

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function stage(
  limits: string,
  defaults = '',
): Promise<{ readonly backend: CountingBackend; readonly proxy: TestProxy }> {
  const backend = await startCountingBackend();
  closers.push(() => backend.close());
  const proxy = await startProxyWith(
    [
      'listen: 127.0.0.1:0',
      'observe: { listen: 127.0.0.1:0 }',
      'admin: off',
      `upstream: { url: "${backend.origin}" }`,
      'store: { url: "memory:" }',
      'drain: { timeout: 0s }',
      `limits: { ${limits} }`,
      `defaults: { scope: { anonymous: allow } ${defaults} }`,
    ].join('\n'),
  );
  closers.push(() => proxy.close());
  return { backend, proxy };
}

const ask = (proxy: TestProxy, key: string, caller: string, body = '{}'): Promise<Answer> =>
  sendRequest(proxy.port, { headers: keyed(key, caller), body });

/** Requests that the backend has and does not answer, until `finish`. */
async function occupy(backend: CountingBackend, proxy: TestProxy, keys: readonly string[], caller: string) {
  const arrived: Arrival[] = [];
  const answers: Promise<Answer>[] = [];
  backend.behave((arrival) => arrived.push(arrival));
  for (const key of keys) {
    const next = backend.nextArrival();
    answers.push(ask(proxy, key, caller));
    await next;
  }
  backend.behave(executeAndAnswer);
  return async (): Promise<void> => {
    for (const arrival of arrived) executeAndAnswer(arrival);
    await Promise.all(answers);
  };
}

it('a principal that has its places gets 429, and the others go on', async () => {
  const { backend, proxy } = await stage('principal: { inFlight: 2 }');
  const finish = await occupy(backend, proxy, ['a', 'b'], 'Bearer greedy');

  const over = await ask(proxy, 'c', 'Bearer greedy');
  const other = await ask(proxy, 'c', 'Bearer modest');
  await finish();
  await proxy.ended(4);
  const later = await ask(proxy, 'c', 'Bearer greedy');

  expect([over.status, problemCode(over), over.headers['retry-after']]).toEqual([429, 'overloaded', '1']);
  expect([other.status, later.status, backend.executions('c')]).toEqual([201, 201, 2]);
  const metrics = await untilMetrics(proxy, 'the refusal', (text) =>
    text.includes('onceward_overloads_total{of="principal_in_flight"} 1'),
  );
  expect(metrics).toContain('onceward_problems_total{code="overloaded"} 1');
});

it('a client that leaves does not give its place away while its request is executed', async () => {
  const { backend, proxy } = await stage('principal: { inFlight: 1 }');
  backend.behave(() => undefined);
  const arrived = backend.nextArrival();
  const gone = new AbortController();
  const left = sendRequest(proxy.port, { headers: keyed('a', 'Bearer one'), signal: gone.signal });
  const arrival = await arrived;
  gone.abort();
  await left.catch(() => undefined);

  const over = await ask(proxy, 'b', 'Bearer one');
  executeAndAnswer(arrival);
  await proxy.ended(2);

  expect([over.status, problemCode(over), backend.executions('b')]).toEqual([429, 'overloaded', 0]);
});

it('a principal without new keys left gets 429 for a new one, and is answered for those that are known', async () => {
  const { backend, proxy } = await stage('principal: { newKeys: { burst: 2, perHour: 60 } }');
  await ask(proxy, 'a', 'Bearer one');
  await ask(proxy, 'b', 'Bearer one');

  const fresh = await ask(proxy, 'c', 'Bearer one');
  const replayed = await ask(proxy, 'a', 'Bearer one');
  const mismatch = await ask(proxy, 'b', 'Bearer one', '{"other":true}');
  const other = await ask(proxy, 'c', 'Bearer two');

  expect([fresh.status, problemCode(fresh), fresh.headers['retry-after']]).toEqual([429, 'overloaded', '60']);
  expect([replayed.status, replayed.headers['idempotent-replayed']]).toEqual([201, 'true']);
  expect([mismatch.status, problemCode(mismatch)]).toEqual([422, 'key-reused']);
  expect([other.status, backend.executions('c')]).toEqual([201, 1]);
});

it('repeats cost a principal no new key, also while the first is in flight', async () => {
  const { backend, proxy } = await stage(
    'principal: { newKeys: { burst: 2, perHour: 1 } }',
    ', inFlight: reject',
  );
  const finish = await occupy(backend, proxy, ['a'], 'Bearer one');
  const inFlight = await ask(proxy, 'a', 'Bearer one');
  await finish();
  for (let n = 0; n < 5; n += 1) await ask(proxy, 'a', 'Bearer one');

  const second = await ask(proxy, 'b', 'Bearer one');
  const third = await ask(proxy, 'c', 'Bearer one');

  expect([problemCode(inFlight), second.status, third.status]).toEqual(['in-flight', 201, 429]);
});

it('many new keys at once never make more records than are left', async () => {
  const { backend, proxy } = await stage('principal: { newKeys: { burst: 5, perHour: 1 } }');

  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, n) => ask(proxy, `key-${n}`, 'Bearer one')),
  );

  expect(answers.filter(({ status }) => status === 201).length).toBe(5);
  expect(answers.filter(({ status }) => status === 429).length).toBe(35);
  expect(backend.executionsOfAll()).toBe(5);
});

it('joiners are bounded over all keys', async () => {
  const { backend, proxy } = await stage('joiners: 2');
  const finish = await occupy(backend, proxy, ['a', 'b'], 'Bearer one');
  const joined = [ask(proxy, 'a', 'Bearer one'), ask(proxy, 'b', 'Bearer one')];
  await untilMetrics(proxy, 'two joiners', (text) => text.includes('onceward_joined_waiters 2'));

  const over = await ask(proxy, 'a', 'Bearer one');
  await finish();

  expect([over.status, problemCode(over)]).toEqual([429, 'overloaded']);
  expect((await Promise.all(joined)).map(({ headers }) => headers['idempotency-status'])).toEqual([
    'joined',
    'joined',
  ]);
  await untilMetrics(proxy, 'the refusal', (text) =>
    text.includes('onceward_overloads_total{of="joiners"} 1'),
  );
});

it('a full buffer refuses keyed requests, and what is passed on flows by', async () => {
  const { backend, proxy } = await stage('buffer: 1MiB');
  const half = 'x'.repeat(500 * 1024);
  backend.behave(() => undefined);
  const waiting: Promise<Answer>[] = [];
  for (const key of ['a', 'b']) {
    const next = backend.nextArrival();
    waiting.push(ask(proxy, key, 'Bearer one', half));
    await next;
  }
  backend.behave(executeAndAnswer);

  const refused = await ask(proxy, 'c', 'Bearer one');
  const passed = await sendRequest(proxy.port, { method: 'GET', path: '/x' });

  expect([refused.status, problemCode(refused), passed.status]).toEqual([429, 'overloaded', 201]);
  expect(backend.executions('c')).toBe(0);
  for (const answer of waiting) answer.catch(() => undefined);
});

it('counts its connections, and says when there are as many as it takes', async () => {
  const { proxy } = await stage('connections: 1');
  const blocked = await fetch(`http://127.0.0.1:${proxy.app.observeAddress?.port}/readyz`);
  const first = await connectRaw(proxy.port);
  await untilMetrics(proxy, 'one connection', (text) => text.includes('onceward_connections 1'));

  const full = await fetch(`http://127.0.0.1:${proxy.app.observeAddress?.port}/readyz`);
  const second = await connectRaw(proxy.port);
  const ended = await second.closed();
  first.socket.destroy();
  await untilMetrics(proxy, 'no connection', (text) => text.includes('onceward_connections 0'));
  const again = await fetch(`http://127.0.0.1:${proxy.app.observeAddress?.port}/readyz`);

  expect([blocked.status, full.status, again.status]).toEqual([200, 503, 200]);
  expect(await full.text()).toContain('connections');
  expect(['fin', 'reset']).toContain(ended);
  await untilMetrics(proxy, 'the refusal', (text) => text.includes('onceward_connections_refused_total 1'));
});
