import { connect } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { rawExchange } from '../support/raw-client.ts';
import type { Act, ScriptedUpstream } from '../support/scripted-upstream.ts';
import { keyedPost, requestText } from './request-text.ts';
import { codeOf, createStage, says } from './stage.ts';

/** Requests that come before the ones ahead of them are answered: served in turn, or not at all. */

const stage = createStage();
afterEach(() => stage.close());

const GATE: Act = { kind: 'gate', gate: 'go' };

async function staged(options: Parameters<typeof stage.proxyTo>[1] = {}) {
  const upstream = await stage.scripted();
  const proxy = await stage.proxyTo(upstream.port, options);
  return { upstream, proxy, client: await stage.client(proxy) };
}

/** Another connection's whole way through the proxy: what was sent before it has been read. */
async function readByNow({ port }: { readonly port: number }): Promise<void> {
  await rawExchange(port, requestText('GET', '/a/../b'), 'GET');
}

function slowAnd(upstream: ScriptedUpstream, other: string): void {
  upstream.script('slow', [says('slow', GATE)]);
  upstream.script(other, [says(other)]);
}

it('they are served one after the other', async () => {
  const { upstream, proxy, client } = await staged();
  slowAnd(upstream, 'fast');

  client.send(
    keyedPost('/conf/slow/x', 'k1') +
      keyedPost('/conf/fast/x', 'k2') +
      requestText('GET', '/conf/fast/y/../z'),
  );
  await upstream.hit('slow', 1);
  await readByNow(proxy);
  const early = upstream.seen('fast').length;
  upstream.open('slow', 'go');
  const [first, second, third] = [await client.answer(), await client.answer(), await client.answer()];

  expect(early).toBe(0);
  expect([first.body.toString(), second.body.toString(), third.status]).toEqual(['slow', 'fast', 400]);
});

it('a repeat of the request in flight gets the same answer after it', async () => {
  const { upstream, client } = await staged();
  upstream.script('twice', [says('once', GATE)]);

  client.send(keyedPost('/conf/twice/x') + keyedPost('/conf/twice/x'));
  await upstream.hit('twice', 1);
  upstream.open('twice', 'go');
  const [first, second] = [await client.answer(), await client.answer()];

  expect([first.body.toString(), second.body.toString()]).toEqual(['once', 'once']);
  expect(upstream.seen('twice').length).toBe(1);
});

it('what waits is not counted as served beside what is', async () => {
  const { upstream, client } = await staged({ top: 'limits: { inFlight: 1, client: { inFlight: 1 } }' });
  slowAnd(upstream, 'fast');

  client.send(keyedPost('/conf/slow/x', 'k1') + keyedPost('/conf/fast/x', 'k2'));
  await upstream.hit('slow', 1);
  upstream.open('slow', 'go');

  expect([(await client.answer()).status, (await client.answer()).status]).toEqual([200, 200]);
});

it('more than a hundred that wait are cut off, and those before them are served', async () => {
  const { upstream, client } = await staged();
  upstream.script('slow', [says('slow', GATE)]);
  upstream.script(
    'next',
    Array.from({ length: 150 }, () => says('next')),
  );

  client.send(
    keyedPost('/conf/slow/x') +
      Array.from({ length: 150 }, (_none, nth) => requestText('GET', `/conf/next/${nth}`)).join(''),
  );
  await upstream.hit('slow', 1);
  upstream.open('slow', 'go');
  await client.closed();

  expect(client.received().split('HTTP/1.1 200').length - 1).toBe(101);
  expect(upstream.seen('next').length).toBe(100);
});

it.each([
  ['with bodies', requestText('POST', '/x', [], 'z'.repeat(60_000))],
  ['that are small', 'GET / HTTP/1.1\r\n\r\n'],
])('requests %s are not read on while one is served', async (_what, text) => {
  const { upstream, proxy } = await staged();
  upstream.script('slow', [says('slow', GATE)]);
  const socket = connect(proxy.port, '127.0.0.1');
  stage.atEnd(async () => socket.destroy());
  socket.on('error', () => undefined);
  const flood = Buffer.from(text.repeat(Math.ceil((64 * 1024 * 1024) / text.length)));

  socket.write(requestText('GET', '/conf/slow/x'));
  await upstream.hit('slow', 1);
  for (let at = 0; at < flood.length; at += 64 * 1024) socket.write(flood.subarray(at, at + 64 * 1024));
  for (let turn = 0; turn < 50; turn += 1) await readByNow(proxy);

  // What is gone is in the buffers of the kernel.
  expect(socket.writableLength).toBeGreaterThan(48 * 1024 * 1024);
});

it('a client that is gone when its first answer leaves has none of its waiting requests executed', async () => {
  const { upstream, proxy, client } = await staged();
  slowAnd(upstream, 'behind');
  client.send(keyedPost('/conf/slow/x', 'k1') + keyedPost('/conf/behind/x', 'k2'));
  await upstream.hit('slow', 1);

  client.reset();
  await client.closed();
  upstream.open('slow', 'go');
  await proxy.ended(1);
  await readByNow(proxy);

  expect(upstream.seen('behind').length).toBe(0);
});

const UP = 1024 * 1024 + 1;
it.each([
  [
    'an expectation that was answered without a 100',
    [says('last')],
    requestText('GET', '/conf/last/x', [['Expect', '100-continue']]),
  ],
  [
    'an answer of HTTP/1.0 whose length is not known',
    [
      [
        {
          kind: 'bytes',
          bytes: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
        },
      ],
    ],
    'GET /conf/last/x HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n',
  ],
  [
    'an upload that was refused and is too long to read away',
    [],
    requestText('POST', '/required', [], 'z'.repeat(UP)),
  ],
] as const)('behind %s nothing is executed', async (_what, plays, request) => {
  const { upstream, proxy, client } = await staged({
    defaults: 'key: { required: true }',
  });
  upstream.script('last', plays);
  upstream.script('behind', [says('never')]);

  client.send(request + keyedPost('/conf/behind/x'));
  await client.answer('GET');
  await client.closed();
  await readByNow(proxy);

  expect([client.received(), upstream.seen('behind').length]).toEqual(['', 0]);
});

it('behind an upload that was answered early and is too long to read away nothing is executed', async () => {
  let executed = 0;
  const port = await stage.sink((socket) => {
    socket.once('data', (chunk: Buffer) => {
      if (chunk.includes('POST /behind')) executed += 1;
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly', () => socket.pause());
    });
  });
  const proxy = await stage.proxyTo(port);
  const client = await stage.client(proxy);

  client.send(`POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: ${10_000 + UP}\r\n\r\n${'z'.repeat(10_000)}`);
  const answer = await client.answer();
  client.send('z'.repeat(UP) + keyedPost('/behind'));
  await client.closed();
  await readByNow(proxy);

  expect([answer.status, answer.body.toString(), executed]).toEqual([200, 'early', 0]);
});

it.each([
  [
    'an upgrade',
    'GET',
    [
      ['Connection', 'upgrade'],
      ['Upgrade', 'websocket'],
      ['Transfer-Encoding', 'chunked'],
    ],
  ],
  [
    'an upgrade',
    'POST',
    [
      ['Connection', 'upgrade'],
      ['Upgrade', 'websocket'],
      ['Content-Length', '5'],
    ],
  ],
  ['a CONNECT', 'CONNECT', [['Content-Length', '5']]],
] as const)(
  '%s by %s whose body is still to come says nothing into the answer before it',
  async (_what, method, fields) => {
    const { upstream, proxy, client } = await staged();
    upstream.script('owed', [says('true answer', GATE)]);
    client.send(keyedPost('/conf/owed/x'));
    await upstream.hit('owed', 1);

    client.send(requestText(method, method === 'CONNECT' ? 'a:1' : '/ws', fields));
    await readByNow(proxy);
    upstream.open('owed', 'go');
    const answer = await client.answer();
    await client.closed();

    expect([answer.status, answer.body.toString(), client.received()]).toEqual([200, 'true answer', '']);
  },
);

it('a bad chunk behind a refusal that has left is not answered again', async () => {
  const { proxy, client } = await staged({ defaults: 'limits: { request: 1KiB }' });

  client.send(
    `POST /x HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k1\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n${'a'.repeat(4096)}`,
  );
  const refused = await client.answer();
  client.send('ZZ\r\n');
  await client.closed();

  expect([refused.status, codeOf(refused.body), client.received()]).toEqual([413, 'request-too-large', '']);
  expect(proxy.lines.filter(({ msg }) => msg === 'request').length).toBe(1);
});
