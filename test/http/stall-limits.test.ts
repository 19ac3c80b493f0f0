import { connect as connectH2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { keyedPost, requestText } from './request-text.ts';
import { answerLarge, createStage } from './stage.ts';

/** How long a client may take nothing: a limit of what waits for it, and of nothing else. */

const stage = createStage();
afterEach(() => stage.close());

const LIMIT_MS = 300;
const LIMITED = { top: `drain: { timeout: 0s }\nlimits: { bodyTimeout: ${LIMIT_MS}ms }` };
const LARGE_BYTES = 16 * 1024 * 1024;

/** Resolves once what was read ends in the text, or the connection is over; `slowly`: with a pause at each piece. */
function readUntil(socket: Socket, text: string, pace: 'at-once' | 'slowly'): Promise<'read' | 'closed'> {
  let tail = '';
  let read = 0;
  return new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.on('close', () => resolve('closed'));
    socket.on('data', (chunk: Buffer) => {
      read += chunk.length;
      tail = (tail + chunk.subarray(-text.length).toString('latin1')).slice(-text.length);
      if (tail === text) resolve('read');
      else if (pace === 'slowly' && read < LARGE_BYTES) {
        socket.pause();
        setTimeout(() => socket.resume(), 2);
      }
    });
  });
}

/** Sends so much at once, pauses for longer than the limit, and says a last word. */
function burstAndPause(): Promise<number> {
  const bytes = 300_000;
  return stage.sink((socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes + 6}\r\n\r\n${'a'.repeat(bytes)}`);
      setTimeout(() => socket.write('second'), LIMIT_MS * 3);
    });
  });
}

async function clientOf(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  stage.atEnd(async () => socket.destroy());
  return socket;
}

/** A client that reads nothing of an answer that no kernel holds; `gone`: the backend is let go. */
async function takesNothing() {
  const gone = Promise.withResolvers<void>();
  const port = await stage.sink((socket) => {
    socket.once('data', () => answerLarge(socket, LARGE_BYTES * 4));
    socket.once('close', () => gone.resolve());
  });
  const proxy = await stage.proxyTo(port, LIMITED);
  const socket = await clientOf(proxy.port);
  socket.on('error', () => undefined);
  socket.pause();
  return { gone: gone.promise, proxy, socket };
}

it.each([
  ['unkeyed', requestText('POST', '/p', [], 'x')],
  ['keyed', keyedPost('/p')],
])(
  'a backend that pauses for longer, behind what its %s client has taken, is waited for',
  async (_what, text) => {
    const port = await burstAndPause();
    const proxy = await stage.proxyTo(port, LIMITED);
    const socket = await clientOf(proxy.port);

    socket.write(text);

    expect(await readUntil(socket, 'second', 'at-once')).toBe('read');
  },
);

it.each(['unkeyed', 'keyed'] as const)(
  'a backend that pauses for longer, behind what its %s client of HTTP/2 has taken, is waited for',
  async (how) => {
    const port = await burstAndPause();
    const proxy = await stage.proxyTo(port, { top: `${LIMITED.top}\nhttp2: prior-knowledge` });
    const session = connectH2(`http://127.0.0.1:${proxy.port}`);
    stage.atEnd(async () => session.destroy());
    session.on('error', () => undefined);

    const stream = session.request({
      ':method': 'POST',
      ':path': '/p',
      ...(how === 'keyed' ? { 'idempotency-key': 'k1' } : {}),
    });
    stream.end('x');

    expect(
      Buffer.concat(await stream.toArray())
        .toString()
        .slice(-6),
    ).toBe('second');
  },
);

it('an answer that was taken late sets no limit to the next request on its connection', async () => {
  const port = await stage.sink((socket) => {
    socket.on('data', (chunk: Buffer) => {
      if (chunk.includes('GET /large')) answerLarge(socket, LARGE_BYTES);
      else if (chunk.includes('POST /kept')) answerLarge(socket, 900_000);
      else setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond'), LIMIT_MS * 3);
    });
  });
  const proxy = await stage.proxyTo(port, LIMITED);
  const socket = await clientOf(proxy.port);

  // The first fills what the kernel takes, so that the end of the second, which is kept, waits for the client.
  socket.write(requestText('GET', '/large') + keyedPost('/kept') + requestText('POST', '/slow', [], 'x'));

  expect(await readUntil(socket, 'second', 'slowly')).toBe('read');
});

it.each([
  [
    'an upgrade',
    requestText('GET', '/ws', [
      ['Connection', 'upgrade'],
      ['Upgrade', 'websocket'],
    ]),
  ],
  ['a CONNECT', requestText('CONNECT', 'a:1')],
])('%s behind an answer that is read late lets it come whole', async (_what, behind) => {
  const port = await stage.sink((socket) => {
    socket.once('data', () => answerLarge(socket, LARGE_BYTES, 'end.'));
  });
  const proxy = await stage.proxyTo(port, LIMITED);
  const socket = await clientOf(proxy.port);

  socket.write(requestText('GET', '/large') + behind);

  expect(await readUntil(socket, 'end.', 'slowly')).toBe('read');
});

it.each([
  [
    'an upgrade',
    requestText('GET', '/ws', [
      ['Connection', 'upgrade'],
      ['Upgrade', 'websocket'],
    ]),
  ],
  ['nothing', ''],
])('a client that takes nothing is let go, with %s behind its request', async (_what, behind) => {
  const { gone, proxy, socket } = await takesNothing();

  socket.write(requestText('GET', '/large') + behind);
  await gone;
  const [line] = await proxy.ended(1);

  expect(line).toMatchObject({ outcome: 'bypassed' });
});

it('a client that takes nothing is let go, though it goes on sending', async () => {
  const { gone, proxy, socket } = await takesNothing();

  socket.write(requestText('GET', '/large'));
  // Empty lines, which may stand before a request.
  const sending = setInterval(() => socket.write('\r\n'), LIMIT_MS / 6);
  stage.atEnd(async () => clearInterval(sending));

  await gone;
  expect(await proxy.ended(1)).toMatchObject([{ outcome: 'bypassed' }]);
});
