import { afterEach, expect, it } from 'vitest';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/until.ts';
import { keyedPost, requestText } from './request-text.ts';
import { answerLarge, codeOf, createStage, says } from './stage.ts';

/** What a drain waits for, and what it no longer lets through. */

const stage = createStage();
afterEach(() => stage.close());

/** More than the kernel takes in for a client that does not read. */
const LARGE_BYTES = 12 * 1024 * 1024;

it.for([
  ['a keyed answer', keyedPost('/large'), 'executed'],
  ['an unkeyed answer', requestText('GET', '/large'), 'bypassed'],
] as const)('a drain waits for %s that its client still reads', async ([, request, outcome]) => {
  const port = await stage.sink((socket) => socket.on('data', () => answerLarge(socket, LARGE_BYTES)));
  const proxy = await stage.proxyTo(port, { defaults: 'limits: { response: 64MiB }', top: '' });
  const client = await stage.client(proxy);
  client.send(request);
  await client.receives('\r\n\r\n');
  client.pauseReading();
  if (outcome === 'executed') await proxy.ended(1);

  const drained = proxy.app.drain();
  // It no longer listens, so the drain has looked for what is in flight.
  await until('a closed port', async () => {
    try {
      (await connectRaw(proxy.port)).socket.destroy();
      return null;
    } catch {
      return 'closed';
    }
  });
  client.resumeReading();
  const answer = await client.answer();
  await drained;

  expect([answer.status, answer.end, answer.body.length]).toEqual([200, 'proven', LARGE_BYTES]);
  expect((await proxy.ended(1))[0]).toMatchObject({ outcome });
});

it('a replay that its client still reads is not cut by a drain', async () => {
  const port = await stage.sink((socket) => socket.on('data', () => answerLarge(socket, LARGE_BYTES)));
  const proxy = await stage.proxyTo(port, { defaults: 'limits: { response: 64MiB }', top: '' });
  const first = await stage.client(proxy);
  first.send(keyedPost('/large'));
  await first.answer();
  const client = await stage.client(proxy);
  client.pauseReading();
  client.send(keyedPost('/large'));
  await proxy.ended(2);

  const drained = proxy.app.drain();
  await proxy.logged(({ msg }) => msg === 'draining');
  client.resumeReading();
  const answer = await client.answer();
  await drained;

  expect([answer.status, answer.end, answer.body.length]).toEqual([200, 'proven', LARGE_BYTES]);
});

it('a keyed upload that ends after the drain time is not executed, and claims nothing', async () => {
  const upstream = await stage.scripted();
  upstream.script('late', [says('never')]);
  const proxy = await stage.proxyTo(upstream.port, { top: 'drain: { timeout: 100ms }' });
  const client = await stage.client(proxy);
  client.send(
    'POST /conf/late/x HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n',
  );
  // Its body is waited for from here on.
  await client.receives('100 Continue');
  client.send('ha');

  const drained = proxy.app.drain();
  await proxy.logged(({ level, msg }) => level === 'warn' && String(msg).startsWith('drain time is over'));
  client.send('lf');
  const answer = await client.answer();
  await drained;
  const [line] = await proxy.ended(1);

  expect([answer.status, codeOf(answer.body)]).toEqual([503, 'draining']);
  expect(line).toMatchObject({ outcome: 'overloaded', problem: 'draining' });
  expect([line?.recordKey, line?.attempt, upstream.seen('late').length]).toEqual([undefined, undefined, 0]);
});
