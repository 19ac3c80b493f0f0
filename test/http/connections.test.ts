import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type ProxyOptions, startProxy, type TestProxy } from '../support/proxy.ts';
import { connectRaw, type RawClient, rawExchange } from '../support/raw-client.ts';
import { type Play, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { keyedPost, requestText } from './request-text.ts';

/** Connections on both sides: order, reuse, refusal, drain. */

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Stage = { readonly upstream: ScriptedUpstream; readonly proxy: TestProxy; readonly client: RawClient };

async function stage(options: Omit<ProxyOptions, 'upstreamPort'> = {}): Promise<Stage> {
  const upstream = await startScriptedUpstream();
  closers.push(() => upstream.close());
  const proxy = await startProxy({ upstreamPort: upstream.port, ...options });
  closers.push(() => proxy.close());
  const client = await connectRaw(proxy.port);
  closers.push(async () => void client.socket.destroy());
  return { upstream, proxy, client };
}

function says(body: string, ...before: Play): Play {
  return [
    ...before,
    { kind: 'bytes', bytes: `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}` },
  ];
}

const codeOf = (body: Buffer): unknown => JSON.parse(body.toString()).code;

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  server.close();
  await once(server, 'close');
  return address.port;
}

it.for([
  ['PUT', '/conf/refused/x'],
  ['DELETE', '/conf/refused/x'],
  ['GET', '/conf/refused/x'],
] as const)(
  '%s to a closed port is tried once more, told as unreachable, and works when the backend is back',
  async ([method, target]) => {
    const port = await unusedPort();
    const proxy = await startProxy({ upstreamPort: port });
    closers.push(() => proxy.close());

    const down = await rawExchange(proxy.port, requestText(method, target), method);
    const upstream = await startScriptedUpstream({ host: '127.0.0.1', port });
    closers.push(() => upstream.close());
    upstream.script('refused', [says('back')]);
    const up = await rawExchange(proxy.port, requestText(method, target), method);

    expect([down.status, codeOf(down.body)]).toEqual([502, 'upstream-unreachable']);
    expect([up.status, up.body.toString(), upstream.seen('refused').length]).toEqual([200, 'back', 1]);
  },
);

it('a keyed request to a closed port releases its key, and the retry is an execution', async () => {
  const port = await unusedPort();
  const proxy = await startProxy({ upstreamPort: port });
  closers.push(() => proxy.close());

  const down = await rawExchange(proxy.port, keyedPost('/conf/refused/x'));
  const upstream = await startScriptedUpstream({ host: '127.0.0.1', port });
  closers.push(() => upstream.close());
  upstream.script('refused', [says('back')]);
  const up = await rawExchange(proxy.port, keyedPost('/conf/refused/x'));

  expect([down.status, codeOf(down.body)]).toEqual([502, 'upstream-unreachable']);
  expect(JSON.parse(down.body.toString())).toMatchObject({ executed: 'no', retryable: true, sameKey: true });
  expect([up.status, up.headers.find(([name]) => name === 'Idempotency-Status')?.[1]]).toEqual([
    200,
    'executed',
  ]);
});

it('a PUT that reached the backend is not tried again', async () => {
  const { upstream, client } = await stage();
  upstream.script('reset', [[{ kind: 'reset' }], says('second')]);

  client.send(requestText('PUT', '/conf/reset/x', [], 'body'));
  const answer = await client.answer();

  expect([answer.status, codeOf(answer.body), upstream.seen('reset').length]).toEqual([
    502,
    'upstream-failed',
    1,
  ]);
});

it('a request that is refused by its head is answered without a 100', async () => {
  const { client } = await stage({ defaults: 'key: { required: true }' });

  client.send('POST /x HTTP/1.1\r\nHost: proxy.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
  const answer = await client.answer();

  expect([answer.status, codeOf(answer.body), answer.informational]).toEqual([400, 'key-missing', []]);
});

it('a client that waits for a 100 gets it, and then its answer', async () => {
  const { upstream, client } = await stage();
  upstream.script('continue', [says('done')]);

  client.send(
    'POST /conf/continue/x HTTP/1.1\r\nHost: proxy.test\r\nIdempotency-Key: k1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
  );
  await client.receives('HTTP/1.1 100 Continue\r\n\r\n');
  const hitsBefore = upstream.seen('continue').length;
  client.send('hello');
  const answer = await client.answer();

  expect(hitsBefore).toBe(0);
  expect([answer.status, answer.body.toString(), upstream.seen('continue')[0]?.body().toString()]).toEqual([
    200,
    'done',
    'hello',
  ]);
});

it('a drain lets what is in flight finish, then closes its keep-alive connection', async () => {
  const { upstream, proxy, client } = await stage();
  upstream.script('drain', [says('done', { kind: 'gate', gate: 'go' })]);
  client.send(keyedPost('/conf/drain/x'));
  await upstream.hit('drain', 1);

  const drained = proxy.app.drain();
  upstream.open('drain', 'go');
  const answer = await client.answer();
  const end = await client.closed();
  await drained;

  expect([answer.status, answer.body.toString(), answer.end, end]).toEqual([200, 'done', 'proven', 'fin']);
});

it('a request that comes on an open connection during a drain is told to go elsewhere', async () => {
  const { upstream, proxy, client } = await stage();
  upstream.script('drain', [says('done', { kind: 'gate', gate: 'go' })]);
  client.send(keyedPost('/conf/drain/x'));
  await upstream.hit('drain', 1);

  const drained = proxy.app.drain();
  client.send(keyedPost('/conf/drain/y', 'k2'));
  upstream.open('drain', 'go');
  const [first, second] = [await client.answer(), await client.answer()];
  await drained;

  expect([first.status, first.body.toString()]).toEqual([200, 'done']);
  expect([second.status, codeOf(second.body)]).toEqual([503, 'draining']);
  expect(second.headers).toContainEqual(['Connection', 'close']);
});

it('an execution that outlives the drain time is broken off and parked, not forgotten', async () => {
  const { upstream, proxy, client } = await stage({ top: 'drain: { timeout: 100ms }' });
  upstream.script('long', [says('never', { kind: 'gate', gate: 'never' })]);
  client.send(keyedPost('/conf/long/x'));
  await upstream.hit('long', 1);

  await proxy.app.drain();
  const line = await proxy.logged((found) => found.outcome === 'parked');

  expect(line).toMatchObject({ outcome: 'parked', problem: 'upstream-failed' });
});

it('an idle keep-alive connection is closed by a drain', async () => {
  const { upstream, proxy, client } = await stage();
  upstream.script('idle', [says('done')]);
  client.send(keyedPost('/conf/idle/x'));
  await client.answer();

  const drained = proxy.app.drain();

  expect(await client.closed()).toBe('fin');
  await drained;
});

it('a planted answer on an idle connection of the backend is never delivered', async () => {
  const { upstream, client } = await stage();
  upstream.script('planted', [[...says('first'), ...says('PLANTED')], says('second')]);

  client.send(keyedPost('/conf/planted/x', 'k1'));
  const first = await client.answer();
  client.send(keyedPost('/conf/planted/x', 'k2'));
  const second = await client.answer();

  expect(first.body.toString()).toBe('first');
  expect(second.body.toString()).not.toContain('PLANTED');
});
