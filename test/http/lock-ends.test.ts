import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { until } from '../support/until.ts';

/** When a lock is given back: by what is known of the exchange, not by what the client was told. */

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Scene = {
  readonly backend: CountingBackend;
  readonly proxy: TestProxy;
  charge(key: string, account?: string): Promise<Answer>;
  put(): Promise<Answer>;
};

async function scene(route: string, top = ''): Promise<Scene> {
  const backend = await startCountingBackend();
  closers.push(() => backend.close());
  const proxy = await startProxyWith(`
listen: 127.0.0.1:0
observe: off
admin: off
upstream: { url: "${backend.origin}" }
${top}
store: { url: "memory:", deadline: 300ms }
defaults: { scope: { anonymous: allow }, lease: 1s, inFlight: { wait: 50ms } }
routes:
  - name: accounts
    match: { path: "/accounts/{id}/**" }
${route
  .split('\n')
  .map((line) => `    ${line}`)
  .join('\n')}
`);
  closers.push(() => proxy.close());
  return {
    backend,
    proxy,
    charge: (key, account = 'a') =>
      sendRequest(proxy.port, { path: `/accounts/${account}/charges`, headers: keyed(key) }),
    put: () => sendRequest(proxy.port, { method: 'PUT', path: '/accounts/a/limit' }),
  };
}

/** The next arrival is not answered until the test does it. */
function holdNext({ backend }: Scene): Promise<Arrival> {
  backend.behave(() => backend.behave((later) => later.answer(201, '{}')));
  return backend.nextArrival();
}

/** From a client that can break its connection: one that only closes its side would still get its answer. */
async function sendRaw(port: number, method: string, fields: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(
    `${method} /accounts/a/charges HTTP/1.1\r\nHost: a\r\n${fields}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
  );
  return socket;
}

const statusOf = ({ status }: Answer): number => status;

describe('a lock', () => {
  test('outlasts the time-out its client was told of, until the late answer has come', async () => {
    const played = await scene(
      'lock: { resources: "/a/{id}", wait: 10s }\ntimeouts: { head: 100ms, lateAnswer: 10s }',
    );
    const arrived = holdNext(played);
    const first = played.charge('k1');
    const late = await arrived;
    expect(problemCode(await first)).toBe('upstream-timeout');

    const second = played.charge('k2');
    // Another account's request went through meanwhile: this one would have, too.
    expect(statusOf(await played.charge('k3', 'b'))).toBe(201);
    expect(played.backend.arrivals()).toBe(2);
    late.answer(201, '{}');

    expect(statusOf(await second)).toBe(201);
    expect((await played.charge('k1')).headers['idempotency-status']).toBe('replayed');
  });

  test('is given back once the window for a late answer is over', async () => {
    const played = await scene(
      'lock: { resources: "/a/{id}", wait: 10s }\ntimeouts: { head: 50ms, lateAnswer: 100ms }',
    );
    const arrived = holdNext(played);
    const first = played.charge('k1');
    await arrived;

    expect(problemCode(await first)).toBe('upstream-timeout');
    expect(statusOf(await played.charge('k2'))).toBe(201);
  });

  test('of a request without a key that its client gave up is left to its lease', async () => {
    const played = await scene('lock: { resources: "/a/{id}", wait: 0s, lease: 1s }');
    const arrived = holdNext(played);
    const client = await sendRaw(played.proxy.port, 'PUT', '');
    await arrived;
    client.resetAndDestroy();
    await played.proxy.ended(1);

    const next = await played.put();

    expect([next.status, problemCode(next)]).toEqual([423, 'locked']);
    await until('the lease is over', async () => ((await played.put()).status === 201 ? 'over' : null));
  });

  test.each<readonly [string, (arrival: Arrival) => void]>([
    ['broke the connection', (arrival) => arrival.reset()],
    ['answered through a gateway that it did not answer', (arrival) => arrival.answer(504, '')],
  ])('is left to its lease where the backend may be at work: it %s', async (_, behave) => {
    const played = await scene('lock: { resources: "/a/{id}", wait: 0s, lease: 1s }');
    for (const send of [() => played.put(), () => played.charge('k1')]) {
      played.backend.behave(behave);
      await send();
      played.backend.behave((arrival) => arrival.answer(201, '{}'));

      const next = await played.put();

      expect([next.status, problemCode(next)]).toEqual([423, 'locked']);
      await until('the lease is over', async () => ((await played.put()).status === 201 ? 'over' : null));
    }
  });

  test('is given back with the answer, whatever it says, and where nothing was sent', async () => {
    const played = await scene('lock: { resources: "/a/{id}", wait: 10s }');
    const statuses: number[] = [];
    for (const status of [500, 503, 404, 204]) {
      played.backend.behave((arrival) => arrival.answer(status, ''));
      statuses.push(statusOf(await played.put()), statusOf(await played.charge(`k${status}`)));
    }
    await played.backend.close();
    statuses.push(statusOf(await played.put()), statusOf(await played.charge('k2')));

    expect(statuses).toEqual([500, 500, 503, 503, 404, 404, 204, 204, 502, 502]);
  });

  test('is not waited for by a replay, and a repeat joins who waits for it', async () => {
    const played = await scene('lock: { resources: "/a/{id}", wait: 10s }\ninFlight: { wait: 10s }');
    expect(statusOf(await played.charge('k1'))).toBe(201);
    const arrived = holdNext(played);
    const holder = played.charge('k2');
    const late = await arrived;

    const replayed = await played.charge('k1');
    const waiting = played.charge('k3');
    const repeat = played.charge('k3');
    expect(replayed.headers['idempotency-status']).toBe('replayed');
    late.answer(201, '{}');

    expect(statusOf(await holder)).toBe(201);
    expect([await waiting, await repeat].map(({ headers }) => headers['idempotency-status']).sort()).toEqual([
      'executed',
      'joined',
    ]);
  });

  test('is waited for no longer than its client waits', async () => {
    const played = await scene('lock: { resources: "/a/{id}", wait: 10s }');
    const arrived = holdNext(played);
    const holder = played.charge('k1').catch(() => 'broken');
    await arrived;
    const client = await sendRaw(
      played.proxy.port,
      'POST',
      'Authorization: Bearer one\r\nIdempotency-Key: k2\r\n',
    );
    await until('it waits', async () => ((await played.charge('k2')).status === 409 ? 'waits' : null));
    client.resetAndDestroy();

    const line = await played.proxy.logged(({ outcome }) => outcome === 'locked');

    expect(line.status).toBe(0);
    await played.backend.close();
    await holder;
  });

  test('is waited for until the process ends, and then the key is given back', async () => {
    const played = await scene('lock: { resources: "/a/{id}", wait: 60s }', 'drain: { timeout: 300ms }');
    const arrived = holdNext(played);
    const holder = played.charge('k1');
    await arrived;
    const waiting = [played.charge('k2'), played.put()];
    await until('it waits', async () => ((await played.charge('k2')).status === 409 ? 'waits' : null));

    const drained = played.proxy.app.drain();
    const answers = await Promise.all(waiting);

    expect(answers.map((answer) => [answer.status, problemCode(answer)])).toEqual([
      [503, 'draining'],
      [503, 'draining'],
    ]);
    expect(answers[0]?.body.toString()).toContain('"executed":"unknown"');
    // Its exchange was cut off: nobody knows.
    expect(problemCode(await holder)).toBe('upstream-failed');
    await drained;
    expect(played.backend.arrivals()).toBe(1);
  });
});
