import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { keyedPost, requestText } from './request-text.ts';
import { createStage } from './stage.ts';

/** Bodies flow as they come, held back by the slower side and by nothing else. */

const CHUNK = Buffer.alloc(64 * 1024, 'b');
const LARGE_BYTES = 64 * 1024 * 1024;
/** Far more than may be in memory at once, with what the collector has not looked at yet. */
const BOTH_WAYS_BYTES = 192 * 1024 * 1024;
const MEMORY_BYTES_MAX = 128 * 1024 * 1024;
/** What kernel buffers, both sockets' and the streams' own may take in, with room. */
const IN_BETWEEN_BYTES_MAX = 24 * 1024 * 1024;

const stage = createStage();
afterEach(() => stage.close());

/**
 * Writes until the other side takes no more: nothing drained for a while, although more is offered. That something
 * never happens has no event to wait for; a slow machine can only make the figure smaller.
 */
async function writeUntilStalled(socket: Socket, bytesMax: number): Promise<number> {
  let written = 0;
  while (written < bytesMax) {
    written += CHUNK.length;
    if (socket.write(CHUNK)) continue;
    const stalled = Symbol('stalled');
    const drained = once(socket, 'drain');
    const timer = Promise.withResolvers<symbol>();
    const handle = setTimeout(() => timer.resolve(stalled), 700);
    const which = await Promise.race([drained, timer.promise]);
    clearTimeout(handle);
    if (which === stalled) return written - socket.writableLength;
  }
  return written;
}

it('a client that does not read holds the backend back', async () => {
  const accepted = Promise.withResolvers<Socket>();
  const port = await stage.sink((socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE_BYTES}\r\n\r\n`);
      accepted.resolve(socket);
    });
  });
  const proxy = await stage.proxyTo(port);
  const raw = await stage.client(proxy);

  raw.pauseReading();
  raw.send(requestText('GET', '/large'));
  const taken = await writeUntilStalled(await accepted.promise, LARGE_BYTES);

  expect(taken).toBeLessThan(IN_BETWEEN_BYTES_MAX);
});

it('a client that does not read a keyed response over the limit holds the backend back', async () => {
  const accepted = Promise.withResolvers<Socket>();
  const port = await stage.sink((socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE_BYTES}\r\n\r\n`);
      accepted.resolve(socket);
    });
  });
  const proxy = await stage.proxyTo(port);
  const raw = await stage.client(proxy);

  raw.pauseReading();
  raw.send(keyedPost('/large'));
  const taken = await writeUntilStalled(await accepted.promise, LARGE_BYTES);

  expect(taken).toBeLessThan(IN_BETWEEN_BYTES_MAX);
});

it('a backend that does not read holds the client back', async () => {
  const port = await stage.sink((socket) => socket.pause());
  const proxy = await stage.proxyTo(port);
  const raw = await stage.client(proxy);

  raw.send(`POST /up HTTP/1.1\r\nHost: proxy.test\r\nContent-Length: ${LARGE_BYTES}\r\n\r\n`);
  const taken = await writeUntilStalled(raw.socket, LARGE_BYTES);

  expect(taken).toBeLessThan(IN_BETWEEN_BYTES_MAX);
});

it('a large body passes both ways in constant memory', async () => {
  let seenBytes = 0;
  const port = await stage.sink((socket) => {
    let headDone = false;
    socket.on('data', (chunk: Buffer) => {
      if (!headDone) {
        headDone = true;
        seenBytes -= chunk.indexOf('\r\n\r\n') + 4;
      }
      seenBytes += chunk.length;
      if (seenBytes < BOTH_WAYS_BYTES) return;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BOTH_WAYS_BYTES}\r\n\r\n`);
      for (let sent = 0; sent < BOTH_WAYS_BYTES; sent += CHUNK.length) socket.write(CHUNK);
    });
  });
  const proxy = await stage.proxyTo(port);
  const raw = await stage.client(proxy);
  raw.socket.removeAllListeners('data');
  let received = 0;
  let peakBytes = 0;
  const done = Promise.withResolvers<void>();
  raw.socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received > BOTH_WAYS_BYTES) done.resolve();
  });
  // The chunks that this test writes are one buffer, so that what grows is the proxy's.
  const before = process.memoryUsage().arrayBuffers;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers - before);
  }, 5);

  raw.send(`POST /both HTTP/1.1\r\nHost: proxy.test\r\nContent-Length: ${BOTH_WAYS_BYTES}\r\n\r\n`);
  for (let sent = 0; sent < BOTH_WAYS_BYTES; sent += CHUNK.length)
    if (!raw.socket.write(CHUNK)) await once(raw.socket, 'drain');
  await done.promise;
  clearInterval(watch);

  expect(seenBytes).toBe(BOTH_WAYS_BYTES);
  expect(peakBytes).toBeLessThan(MEMORY_BYTES_MAX);
});

it.for([
  ['unkeyed', requestText('GET', '/conf/sse/events')],
  ['keyed', keyedPost('/conf/sse/events')],
] as const)('events of an %s stream arrive one by one, before its end', async ([, request]) => {
  const upstream = await stage.scripted();
  const event = (n: number): string => `9\r\ndata: ${n}\n\n\r\n`;
  upstream.script('sse', [
    [
      {
        kind: 'bytes',
        bytes: 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n',
      },
      { kind: 'gate', gate: 'head seen' },
      { kind: 'bytes', bytes: event(1) },
      { kind: 'gate', gate: 'first seen' },
      { kind: 'bytes', bytes: event(2) },
      { kind: 'gate', gate: 'second seen' },
      { kind: 'bytes', bytes: '0\r\n\r\n' },
    ],
  ]);
  const proxy = await stage.proxyTo(upstream.port);
  const raw = await stage.client(proxy);

  raw.send(request);
  await raw.receives('\r\n\r\n');
  upstream.open('sse', 'head seen');
  await raw.receives('data: 1\n\n');
  const early = raw.received();
  upstream.open('sse', 'first seen');
  await raw.receives('data: 2\n\n');
  upstream.open('sse', 'second seen');
  const answer = await raw.answer();

  expect(early).not.toContain('data: 2');
  expect(answer.end).toBe('proven');
  expect(answer.body.toString()).toBe('data: 1\n\ndata: 2\n\n');
});

it('an informational answer arrives before the final one is there', async () => {
  const upstream = await stage.scripted();
  upstream.script('hints', [
    [
      { kind: 'bytes', bytes: 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n' },
      { kind: 'gate', gate: 'seen' },
      { kind: 'bytes', bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok' },
    ],
  ]);
  const proxy = await stage.proxyTo(upstream.port);
  const raw = await stage.client(proxy);

  raw.send(keyedPost('/conf/hints/x'));
  await raw.receives('103 Early Hints');
  upstream.open('hints', 'seen');
  const first = await raw.answer();
  raw.send(keyedPost('/conf/hints/x'));
  const second = await raw.answer();

  expect(first.informational.map(({ status, headers }) => [status, headers])).toEqual([
    [103, [['Link', '</a.css>; rel=preload']]],
  ]);
  expect([second.informational, second.body.toString()]).toEqual([[], 'ok']);
});

it('a keyed response over the limit reaches its client whole, and is not executed again', async () => {
  const upstream = await stage.scripted();
  const body = 'r'.repeat(3_000_000);
  upstream.script('over', [
    [{ kind: 'bytes', bytes: `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}` }],
  ]);
  const proxy = await stage.proxyTo(upstream.port);
  const raw = await stage.client(proxy);

  raw.send(keyedPost('/conf/over/x'));
  const first = await raw.answer();
  raw.send(keyedPost('/conf/over/x'));
  const second = await raw.answer();

  expect([first.status, first.end, first.body.length]).toEqual([200, 'proven', body.length]);
  expect([second.status, JSON.parse(second.body.toString()).code, upstream.seen('over').length]).toEqual([
    409,
    'response-not-stored',
    1,
  ]);
});
