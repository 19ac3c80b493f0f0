// tidy: one backend, played frame by frame, for all its cases.
import { once } from 'node:events';
import { createServer as createH2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { FLAG, FRAME, type FramePeer, frame, headerBlock, uint32 } from '../support/h2-frames.ts';
import { type PlayedBackend, playH2Backend } from '../support/played-h2-backend.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';

/** A backend that is spoken to over HTTP/2: node's own server, and one that is played frame by frame. */

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function proxyTo(port: number, upstream = '', top = ''): Promise<TestProxy> {
  const proxy = await startProxy({
    upstreamPort: port,
    upstream: `protocol: http2${upstream}`,
    top: `drain: { timeout: 0s }\n${top}`,
  });
  closers.push(() => proxy.close());
  return proxy;
}

type Backend = {
  readonly port: number;
  readonly streams: readonly ServerHttp2Stream[];
  readonly sessions: readonly ServerHttp2Session[];
  executions(): number;
};

async function h2Backend(
  answer: (stream: ServerHttp2Stream, body: string, execution: number) => void = (
    stream,
    body,
    execution,
  ) => {
    stream.respond({ ':status': 201, 'x-execution': String(execution), 'set-cookie': ['a=1', 'b=2'] });
    stream.end(`${execution} ${body}`);
  },
  settings: { readonly maxConcurrentStreams?: number } = {},
): Promise<Backend> {
  const streams: ServerHttp2Stream[] = [];
  const sessions: ServerHttp2Session[] = [];
  let executions = 0;
  const server = createH2Server({ settings });
  server.on('session', (session) => {
    sessions.push(session);
    session.on('stream', (stream) => {
      streams.push(stream);
      stream.on('error', () => undefined);
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        if (stream.aborted) return;
        executions += 1;
        answer(stream, Buffer.concat(chunks).toString(), executions);
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => server.close());
  return { port: portOf(server.address()), streams, sessions, executions: () => executions };
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number {
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const played = (play: PlayedBackend): Promise<number> => playH2Backend(play, closers);

function post(proxy: TestProxy, key: string | null, body = '{}'): Promise<Response> {
  return fetch(`http://127.0.0.1:${proxy.port}/orders?a=1`, {
    method: 'POST',
    headers: key === null ? {} : { 'Idempotency-Key': key },
    body,
  });
}

async function codeOf(response: Response): Promise<unknown> {
  return JSON.parse(await response.text()).code;
}

const isRequest = ({ type }: { readonly type: number }): boolean => type === FRAME.headers;
const head = (stream: number, flags: number, ...fields: [string, string][]): Buffer =>
  frame(FRAME.headers, FLAG.endHeaders | flags, stream, headerBlock([[':status', '200'], ...fields]));

describe('a backend over HTTP/2', () => {
  it('executes a keyed request once, and gets it as it is', async () => {
    const backend = await h2Backend();
    const proxy = await proxyTo(backend.port);

    const first = await post(proxy, 'k-1', '{"a":1}');
    const second = await post(proxy, 'k-1', '{"a":1}');

    expect([first.status, await first.text()]).toEqual([201, '1 {"a":1}']);
    expect([second.status, await second.text()]).toEqual([201, '1 {"a":1}']);
    expect(second.headers.get('idempotency-status')).toBe('replayed');
    expect(backend.executions()).toBe(1);
    expect(backend.streams[0]?.sentHeaders?.[':status']).toBe(201);
  });

  it('gets many requests at once over one connection, and no more than it allows', async () => {
    let now = 0;
    let most = 0;
    const backend = await h2Backend(
      (stream) => {
        now += 1;
        most = Math.max(most, now);
        setImmediate(() => {
          now -= 1;
          stream.respond({ ':status': 200 });
          stream.end('done');
        });
      },
      { maxConcurrentStreams: 5 },
    );
    const proxy = await proxyTo(backend.port, ', connections: 1');

    const answers = await Promise.all(Array.from({ length: 40 }, (_none, at) => post(proxy, `k-${at}`)));

    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(backend.executions()).toBe(40);
    expect(most).toBeLessThanOrEqual(5);
    expect(backend.sessions.length).toBe(1);
  });

  it('gets many large bodies at once over one connection', async () => {
    const backend = await h2Backend((stream, body) => {
      stream.respond({ ':status': 200 });
      stream.end(String(body.length));
    });
    const proxy = await proxyTo(backend.port, ', connections: 1');
    const large = 'x'.repeat(900_000);

    const answers = await Promise.all(
      Array.from({ length: 40 }, (_none, at) => post(proxy, `k-${at}`, large)),
    );

    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  });

  it('streams both ways without a key', async () => {
    const backend = await h2Backend((stream, body) => {
      stream.respond({ ':status': 200 });
      stream.end(body);
    });
    const proxy = await proxyTo(backend.port);
    const large = 'x'.repeat(3 * 1024 * 1024);

    const answer = await post(proxy, null, large);

    expect((await answer.text()).length).toBe(large.length);
  });

  it('that speaks HTTP/1.1 is told from one that does not before anything is sent: the key is free', async () => {
    const server = createServer((socket) =>
      socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(async () => server.close());
    const proxy = await proxyTo(portOf(server.address()), ', connectTimeout: 300ms');

    const answer = await post(proxy, 'k-1');

    expect([answer.status, await codeOf(answer)]).toEqual([502, 'upstream-unreachable']);
    const again = await post(proxy, 'k-1');
    expect(await codeOf(again)).toBe('upstream-unreachable');
  });

  it.each([
    [
      'goes away before the stream',
      (peer: FramePeer) => peer.send(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(0), uint32(0)]))),
    ],
    [
      'goes away in anger before the stream',
      (peer: FramePeer) => peer.send(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(0), uint32(11)]))),
    ],
  ])('that %s has not executed: the key is free, and the next try is executed', async (_what, refuse) => {
    const port = await played(async (peer, connection) => {
      if (connection === 1) {
        await peer.next(isRequest);
        refuse(peer);
        return;
      }
      const { stream } = await peer.next(isRequest);
      peer.send(head(stream, FLAG.endStream));
    });
    const proxy = await proxyTo(port);

    const first = await post(proxy, 'k-1');
    const code = await codeOf(first);
    // A stream that was refused leaves its connection in use.
    const second = code === 'upstream-unreachable' ? await proxy.ended(1).then(() => first) : first;

    expect([second.status, code]).toEqual([502, 'upstream-unreachable']);
    const lines = await proxy.ended(1);
    expect(lines.find(({ msg }) => msg === 'request')?.outcome).toBe('upstream_unreachable');
  });

  it.each([
    [
      'goes away after it began with the stream',
      (peer: FramePeer) => {
        peer.send(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(1), uint32(0)])));
        peer.socket.end();
      },
    ],
    [
      'goes away with the code of a refused stream after it began with the stream',
      (peer: FramePeer) => peer.send(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(1), uint32(7)]))),
    ],
    [
      'refuses the stream after an informational head',
      (peer: FramePeer) =>
        peer.send(
          frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock([[':status', '103']])),
          frame(FRAME.rstStream, 0, 1, uint32(7)),
        ),
    ],
    [
      'answers with a status that is none',
      (peer: FramePeer) =>
        peer.send(
          frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock([[':status', '099']])),
          frame(FRAME.data, FLAG.endStream, 1, Buffer.from('x')),
        ),
    ],
    // HAProxy says so of requests that were executed.
    ['refuses the stream', (peer: FramePeer) => peer.send(frame(FRAME.rstStream, 0, 1, uint32(7)))],
    ['resets the stream', (peer: FramePeer) => peer.send(frame(FRAME.rstStream, 0, 1, uint32(8)))],
    [
      'resets the stream without an error',
      (peer: FramePeer) => peer.send(frame(FRAME.rstStream, 0, 1, uint32(0))),
    ],
    ['dies', (peer: FramePeer) => void peer.socket.resetAndDestroy()],
    ['closes', (peer: FramePeer) => void peer.socket.end()],
    [
      'breaks off a body of known length',
      (peer: FramePeer) =>
        peer.send(
          head(1, 0, ['content-length', '9']),
          frame(FRAME.data, 0, 1, Buffer.from('half')),
          frame(FRAME.rstStream, 0, 1, uint32(0)),
        ),
    ],
    [
      'breaks off a body without an error',
      (peer: FramePeer) =>
        peer.send(
          head(1, 0),
          frame(FRAME.data, 0, 1, Buffer.from('half')),
          frame(FRAME.rstStream, 0, 1, uint32(0)),
        ),
    ],
    [
      'ends a body that is shorter than it said',
      (peer: FramePeer) =>
        peer.send(
          head(1, 0, ['content-length', '9']),
          frame(FRAME.data, FLAG.endStream, 1, Buffer.from('half')),
        ),
    ],
    [
      'ends a body that is longer than it said',
      (peer: FramePeer) =>
        peer.send(
          head(1, 0, ['content-length', '1']),
          frame(FRAME.data, FLAG.endStream, 1, Buffer.from('half')),
        ),
    ],
    [
      'sends a body before a head',
      (peer: FramePeer) => peer.send(frame(FRAME.data, FLAG.endStream, 1, Buffer.from('half'))),
    ],
    [
      'sends a head with a field of a connection',
      (peer: FramePeer) => peer.send(head(1, FLAG.endStream, ['connection', 'close'])),
    ],
    [
      'refuses after its head',
      (peer: FramePeer) => peer.send(head(1, 0), frame(FRAME.rstStream, 0, 1, uint32(7))),
    ],
    [
      'sends informational heads without end',
      (peer: FramePeer) => {
        for (let at = 0; at < 200; at++)
          peer.send(frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock([[':status', '103']])));
      },
    ],
  ])('that %s may have executed: the key is parked', async (_what, act) => {
    const port = await played(async (peer) => {
      await peer.next(isRequest);
      act(peer);
    });
    const proxy = await proxyTo(port);

    await post(proxy, 'k-1')
      .then((response) => response.text())
      .catch(() => '');
    const again = await post(proxy, 'k-1');

    expect([again.status, await codeOf(again)]).toEqual([409, 'outcome-unknown']);
  });

  it('that refuses the stream of a GET is asked again, and that of a POST without a key is not', async () => {
    const asked: number[] = [];
    const port = await played(async (peer) => {
      while (asked.length < 3) {
        const { stream } = await peer.next((seen) => isRequest(seen) && !asked.includes(seen.stream));
        asked.push(stream);
        peer.send(
          asked.length === 2 ? head(stream, FLAG.endStream) : frame(FRAME.rstStream, 0, stream, uint32(7)),
        );
      }
    });
    const proxy = await proxyTo(port);

    const got = await fetch(`http://127.0.0.1:${proxy.port}/x`);
    const sent = await fetch(`http://127.0.0.1:${proxy.port}/x`, { method: 'POST' });

    expect([got.status, sent.status, await codeOf(sent)]).toEqual([200, 502, 'upstream-failed']);
    expect(asked).toHaveLength(3);
  });

  it('whose answer is whole may reset the rest of the request without an error (RFC 9113 section 8.1)', async () => {
    const port = await played(async (peer) => {
      await peer.next(isRequest);
      peer.send(
        head(1, 0),
        frame(FRAME.data, FLAG.endStream, 1, Buffer.from('early')),
        frame(FRAME.rstStream, 0, 1, uint32(0)),
      );
    });
    const proxy = await proxyTo(port);

    const first = await post(proxy, 'k-1', 'x'.repeat(200_000));

    expect([first.status, await first.text()]).toEqual([200, 'early']);
    expect((await post(proxy, 'k-1', 'x'.repeat(200_000))).headers.get('idempotency-status')).toBe(
      'replayed',
    );
  });

  it('never sees the end of an upload that broke off', async () => {
    const port = await played(async (peer) => {
      await peer.next(({ type }) => type === FRAME.data);
      // Only now does the client go.
      broken.resolve();
      const reset = await peer.next(({ type }) => type === FRAME.rstStream);
      const ends = peer.frames.filter(
        ({ type, flags }) => type <= FRAME.headers && (flags & FLAG.endStream) !== 0,
      );
      seen.resolve([reset.payload.readUInt32BE(), ends.length]);
    });
    const broken = Promise.withResolvers<void>();
    const seen = Promise.withResolvers<readonly number[]>();
    const proxy = await proxyTo(port);
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(Buffer.from('half'));
        void broken.promise.then(() => controller.error(new Error('the client breaks off')));
      },
    });

    await fetch(`http://127.0.0.1:${proxy.port}/upload`, {
      method: 'POST',
      body,
      duplex: 'half',
    } as RequestInit).catch(() => null);

    expect(await seen.promise).toEqual([8, 0]);
  });

  it('is connected to anew for a keyed request after a second of silence, and closed after four', async () => {
    const backend = await h2Backend();
    const proxy = await proxyTo(backend.port);
    await post(proxy, 'k-1');
    const [first] = backend.sessions;

    await new Promise((resolve) => first?.once('close', resolve));
    const after = await post(proxy, 'k-2');

    expect(after.status).toBe(201);
    expect(backend.sessions.length).toBe(2);
  });
});
