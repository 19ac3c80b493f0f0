import { afterEach, expect, it } from 'vitest';
import type { Act } from '../support/scripted-upstream.ts';
import { keyedPost, requestText } from './request-text.ts';
import { codeOf, createStage, says } from './stage.ts';

/** Bytes that are no request never reach into the answer of the request before them. */

const stage = createStage();
afterEach(() => stage.close());

const GATE: Act = { kind: 'gate', gate: 'go' };
const UPGRADE = requestText('POST', '/ws', [
  ['Connection', 'upgrade'],
  ['Upgrade', 'websocket'],
]);

it.for([
  ['bytes that are no request', 'a keyed request', keyedPost('/conf/owed/x'), '!!\r\n'],
  [
    'bytes that are no request',
    'an unkeyed request',
    requestText('POST', '/conf/owed/x', [], 'hi'),
    '!!\r\n',
  ],
  ['bytes that are no request', 'a GET', requestText('GET', '/conf/owed/x'), '\x00garbage\r\n\r\n'],
  [
    'bytes that are no request',
    'a GET with a body',
    requestText('GET', '/conf/owed/x', [], 'hello'),
    '!!\r\n',
  ],
  ['an upgrade', 'a keyed request', keyedPost('/conf/owed/x'), UPGRADE],
  ['an upgrade', 'a GET', requestText('GET', '/conf/owed/x'), UPGRADE],
  ['a CONNECT', 'a keyed request', keyedPost('/conf/owed/x'), 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'],
] as const)('%s after %s leave it its own answer, and end the connection', async ([, , request, rest]) => {
  const upstream = await stage.scripted();
  upstream.script('owed', [says('true answer', GATE)]);
  const proxy = await stage.proxyTo(upstream.port, { top: 'drain: { timeout: 0s }\nsafeBody: forward' });
  const client = await stage.client(proxy);

  client.send(request + rest);
  await upstream.hit('owed', 1);
  upstream.open('owed', 'go');
  const answer = await client.answer();
  await client.closed();

  expect([answer.status, answer.end, answer.body.toString()]).toEqual([200, 'proven', 'true answer']);
  expect([client.received(), upstream.seen('owed').length]).toEqual(['', 1]);
});

it('bytes that are no request are not answered into an answer that is half way out', async () => {
  const upstream = await stage.scripted();
  upstream.script('half', [
    [
      { kind: 'bytes', bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf' },
      GATE,
      { kind: 'bytes', bytes: 'rest' },
    ],
  ]);
  const proxy = await stage.proxyTo(upstream.port);
  const client = await stage.client(proxy);

  client.send(requestText('GET', '/conf/half/x'));
  await client.receives('half');
  client.send('\x00garbage\r\n\r\n');
  // Another connection's whole way through the proxy: the garbage was read before it was over.
  const other = await stage.client(proxy);
  other.send(requestText('GET', '/a/../b'));
  await other.answer('GET');
  upstream.open('half', 'go');
  const answer = await client.answer('GET');
  await client.closed();

  expect([answer.status, answer.end, answer.body.toString(), client.received()]).toEqual([
    200,
    'proven',
    'halfrest',
    '',
  ]);
});

it('bytes that are no request get their 400 when nothing is owed any more', async () => {
  const upstream = await stage.scripted();
  upstream.script('paid', [says('done')]);
  const proxy = await stage.proxyTo(upstream.port);
  const client = await stage.client(proxy);

  client.send(keyedPost('/conf/paid/x'));
  const first = await client.answer();
  client.send('!!\r\n');
  const second = await client.answer();

  expect([first.body.toString(), second.status, codeOf(second.body)]).toEqual(['done', 400, 'bad-request']);
  expect(await client.closed()).toBe('fin');
});

it('a bad chunk in an upload that is passed on ends the connection without a word', async () => {
  const seen = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const port = await stage.sink((socket) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.includes('hello')) seen.resolve();
    });
    socket.once('close', () => gone.resolve());
  });
  const proxy = await stage.proxyTo(port);
  const client = await stage.client(proxy);

  client.send('POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
  await seen.promise;
  client.send('ZZ\r\nxx');
  await client.closed();
  await gone.promise;
  const [line] = await proxy.ended(1);

  expect(client.received()).toBe('');
  expect(line).not.toMatchObject({ status: 400 });
});

it('a bad chunk in a keyed body gets 400, nothing is executed, and the key is free', async () => {
  const upstream = await stage.scripted();
  upstream.script('chunk', [says('done')]);
  const proxy = await stage.proxyTo(upstream.port);
  const client = await stage.client(proxy);

  client.send(
    'POST /conf/chunk/x HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  );
  client.send('ZZ\r\nxx');
  const refused = await client.answer();
  await client.closed();
  await proxy.ended(1);
  const hitsBefore = upstream.seen('chunk').length;
  const retry = await stage.client(proxy);
  retry.send(keyedPost('/conf/chunk/x'));
  const done = await retry.answer();

  expect([refused.status, codeOf(refused.body), hitsBefore]).toEqual([400, 'bad-request', 0]);
  expect([done.status, done.body.toString()]).toEqual([200, 'done']);
});

it('a bad chunk in a pipelined keyed body leaves the request before it its own answer', async () => {
  const upstream = await stage.scripted();
  upstream.script('first', [says('true answer', GATE)]);
  upstream.script('second', [says('never')]);
  const proxy = await stage.proxyTo(upstream.port);
  const client = await stage.client(proxy);

  client.send(keyedPost('/conf/first/x'));
  await upstream.hit('first', 1);
  client.send(
    'POST /conf/second/x HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\nxx',
  );
  // Another connection's whole way through the proxy: the bad chunk was read before it was over.
  const other = await stage.client(proxy);
  other.send(requestText('GET', '/a/../b'));
  await other.answer('GET');
  upstream.open('first', 'go');
  const answer = await client.answer();
  await client.closed();

  expect([answer.status, answer.end, answer.body.toString()]).toEqual([200, 'proven', 'true answer']);
  expect([client.received(), upstream.seen('second').length]).toEqual(['', 0]);
});
