import { afterEach, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { keyedPost, requestText } from './request-text.ts';
import { answerLarge, codeOf, createStage } from './stage.ts';

/** Clients that do not read, and backends that do not: each is waited for in bounded time and memory. */

const stage = createStage();
afterEach(() => stage.close());

/** More than the kernel and the streams take in for a client that does not read. */
const LARGE_BYTES = 30 * 1024 * 1024;
const REPLAY_BYTES = 14 * 1024 * 1024;

it.for([
  ['an unkeyed', requestText('GET', '/large'), 'bypassed'],
  ['a keyed', keyedPost('/large'), 'unstored'],
] as const)(
  'a client that does not read %s answer over the limit has its connection broken',
  async ([, request, outcome]) => {
    const port = await stage.sink((socket) => socket.on('data', () => answerLarge(socket, LARGE_BYTES)));
    const proxy = await stage.proxyTo(port, { top: 'limits: { bodyTimeout: 200ms }' });
    const client = await stage.client(proxy);

    client.send(request);
    client.pauseReading();
    const [line] = await proxy.ended(1);
    client.resumeReading();
    const answer = await client.answer();

    expect(line).toMatchObject({ outcome });
    expect(answer.end).toBe('broken');
  },
);

it('an execution whose client did not read its answer is settled, and is not repeated', async () => {
  let hits = 0;
  const port = await stage.sink((socket) =>
    socket.on('data', () => {
      hits += 1;
      answerLarge(socket, LARGE_BYTES);
    }),
  );
  const proxy = await stage.proxyTo(port, { top: 'limits: { bodyTimeout: 200ms }' });
  const client = await stage.client(proxy);

  client.pauseReading();
  client.send(keyedPost('/large'));
  await proxy.ended(1);
  const repeat = await stage.client(proxy);
  repeat.send(keyedPost('/large'));
  const answer = await repeat.answer();

  expect([answer.status, codeOf(answer.body), hits]).toEqual([409, 'response-not-stored', 1]);
});

it('replays that nobody reads count against the buffer until their clients leave', async () => {
  const port = await stage.sink((socket) => socket.on('data', () => answerLarge(socket, REPLAY_BYTES)));
  const proxy = await stage.proxyTo(port, {
    defaults: 'limits: { response: 16MiB }',
    top: 'limits: { buffer: 36MiB }\ndrain: { timeout: 0s }',
  });
  const ask = async (): Promise<number> => {
    const client = await stage.client(proxy);
    client.send(keyedPost('/large'));
    const { status } = await client.answer();
    client.socket.destroy();
    return status;
  };
  const first = await ask();
  const slow = [await stage.client(proxy), await stage.client(proxy)];
  for (const [at, client] of slow.entries()) {
    client.pauseReading();
    client.send(keyedPost('/large'));
    await proxy.ended(2 + at);
  }

  const over = await stage.client(proxy);
  over.send(keyedPost('/large'));
  const refused = await over.answer();
  for (const client of slow) client.reset();
  const later = await until('room again', async () => ((await ask()) === 200 ? 'served' : null));

  expect([first, refused.status, codeOf(refused.body), later]).toEqual([200, 429, 'overloaded', 'served']);
  expect(proxy.lines.filter(({ outcome }) => outcome === 'replayed').length).toBeGreaterThanOrEqual(3);
});

it('a backend that stops reading an upload ends in 504, and its connection is free again', async () => {
  let connections = 0;
  const port = await stage.sink((socket) => {
    connections += 1;
    if (connections === 1) socket.pause();
    else socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  });
  const proxy = await stage.proxyTo(port, { upstream: 'headTimeout: 200ms, connections: 1' });
  const client = await stage.client(proxy);

  client.send(`POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: ${LARGE_BYTES}\r\n\r\n`);
  client.send(Buffer.alloc(LARGE_BYTES));
  const stuck = await client.answer();
  const next = await stage.client(proxy);
  next.send(requestText('GET', '/next'));
  const served = await next.answer('GET');

  expect([stuck.status, codeOf(stuck.body)]).toEqual([504, 'upstream-timeout']);
  expect([served.status, served.body.toString(), connections]).toEqual([200, 'ok', 2]);
});

it('a keyed upload that is silent for longer than the body timeout gets 408', async () => {
  const upstream = await stage.scripted();
  const proxy = await stage.proxyTo(upstream.port, { top: 'limits: { bodyTimeout: 100ms }' });
  const client = await stage.client(proxy);

  client.send(
    'POST /conf/silent/x HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k1\r\nContent-Length: 9\r\n\r\nhalf',
  );
  const answer = await client.answer();

  expect([answer.status, codeOf(answer.body), upstream.seen('silent').length]).toEqual([
    408,
    'request-timeout',
    0,
  ]);
});
