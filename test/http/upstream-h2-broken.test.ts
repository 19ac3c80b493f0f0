import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ExchangeEnd } from '../../src/core/settle.ts';
import { createH2Upstream } from '../../src/http/h2-upstream.ts';
import type { Exchange, Upstream } from '../../src/http/seam.ts';
import { FLAG, FRAME, frame, headerBlock } from '../support/h2-frames.ts';
import { type PlayedBackend, playH2Backend } from '../support/played-h2-backend.ts';
import { startProxyWith } from '../support/proxy.ts';

/** Answers over HTTP/2 that break off, and connections that fell silent. */

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const close of closers.splice(0).reverse()) await close();
});

const played = (play: PlayedBackend): Promise<number> => playH2Backend(play, closers);

function upstreamTo(port: number): Upstream {
  const upstream = createH2Upstream({
    origin: `http://127.0.0.1:${port}`,
    ...{ connectMs: 5_000, connectionsMax: 4, queueMs: 5_000, tls: () => null },
  });
  closers.push(() => upstream.close());
  return upstream;
}

type Asked = {
  readonly exchange: Exchange;
  readonly calls: string[];
  readonly head: Promise<void>;
  readonly ended: Promise<ExchangeEnd>;
};

/** With `paused` the sink takes no chunk until it is resumed. */
function ask(upstream: Upstream, reading: 'flowing' | 'paused' = 'flowing'): Asked {
  const calls: string[] = [];
  const head = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<ExchangeEnd>();
  const exchange = upstream.start(
    {
      ...{ method: 'POST', target: '/orders', rawHeaders: ['Host', 'a'], sockets: 'keyed' },
      body: { kind: 'bytes', bytes: Buffer.from('{}') },
    },
    {
      dispatching: () => 'go',
      uploaded: () => undefined,
      sent: () => void calls.push('sent'),
      informational: () => undefined,
      head: () => {
        calls.push('head');
        if (reading === 'paused') exchange.pause();
        head.resolve();
      },
      chunk: (bytes) => void calls.push(`chunk ${bytes.byteLength}`),
      trailers: (raw) => void calls.push(`trailers ${raw.join('=')}`),
      end: (end) => ended.resolve(end),
    },
  );
  return { exchange, calls, head: head.promise, ended: ended.promise };
}

const isRequest = ({ type }: { readonly type: number }): boolean => type === FRAME.headers;
const head = frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock([[':status', '200']]));
const half = frame(FRAME.data, 0, 1, Buffer.from('half'));
const rest = frame(FRAME.data, FLAG.endStream, 1, Buffer.from('rest'));
const trailers = frame(
  FRAME.headers,
  FLAG.endHeaders | FLAG.endStream,
  1,
  headerBlock([['grpc-status', '0']]),
);

describe('an answer over HTTP/2', () => {
  it.each([
    ['closes', (socket: Socket) => void socket.end()],
    ['dies', (socket: Socket) => void socket.resetAndDestroy()],
  ])(
    'is never stored when its connection %s after any of its bytes',
    { timeout: 60_000 },
    async (_how, cut) => {
      for (const whole of [Buffer.concat([head, half, rest]), Buffer.concat([head, half, trailers])]) {
        const port = await played(async (peer, connection) => {
          await peer.next(({ type, flags }) => type === FRAME.data && (flags & FLAG.endStream) !== 0);
          peer.socket.write(whole.subarray(0, connection), () => {
            if (connection < whole.length) cut(peer.socket);
          });
        });
        const proxy = await startProxyWith(
          [
            ...['listen: 127.0.0.1:0', 'observe: off', 'admin: off', 'store: { url: "memory:" }'],
            `upstream: { url: "http://127.0.0.1:${port}", protocol: http2 }`,
            ...['defaults: { scope: { anonymous: allow } }', 'drain: { timeout: 0s }'],
          ].join('\n'),
        );
        closers.push(() => proxy.close());
        const post = async (key: string): Promise<readonly unknown[]> => {
          const response = await fetch(`http://127.0.0.1:${proxy.port}/orders`, {
            ...{ method: 'POST', headers: { 'Idempotency-Key': key }, body: '{}' },
          });
          return [response.status, await response.text().catch(() => 'broken')];
        };

        for (let cutAt = 1; cutAt < whole.length; cutAt++) {
          const [status, text] = await post(`k-${cutAt}`);
          expect([cutAt, status === 502 || text === 'broken']).toEqual([cutAt, true]);
          expect([cutAt, (await post(`k-${cutAt}`))[0]]).toEqual([cutAt, 409]);
        }
        expect((await post('k-whole'))[0]).toBe(200);
      }
    },
  );

  it('is not whole when its connection dies before a slow client has taken it', async () => {
    const port = await played(async (peer) => {
      await peer.next(isRequest);
      peer.send(head, half, rest);
      await asked.promise;
      peer.socket.resetAndDestroy();
    });
    const asked = Promise.withResolvers<void>();
    const { exchange, head: came, ended, calls } = ask(upstreamTo(port), 'paused');
    await came;
    asked.resolve();

    const end = await Promise.race([ended, once(process, 'never')]);

    expect(end).toMatchObject({ kind: 'failed' });
    exchange.resume();
    expect(calls).not.toContain('trailers');
  });

  it('tells its trailers after its last chunk, however late that is taken', async () => {
    const seen = Promise.withResolvers<void>();
    const port = await played(async (peer) => {
      await peer.next(isRequest);
      peer.send(head, half, trailers, frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
      await peer.next(({ type, flags }) => type === FRAME.ping && (flags & FLAG.ack) !== 0);
      seen.resolve();
    });
    const { exchange, ended, calls } = ask(upstreamTo(port), 'paused');
    await seen.promise;
    exchange.resume();

    expect(await ended).toEqual({ kind: 'complete', status: 200, end: 'proven' });
    expect(calls).toEqual(['sent', 'head', 'chunk 4', 'trailers grpc-status=0']);
  });
});

describe('a connection over HTTP/2 that fell silent', () => {
  it('gets no further request, though a stream is open on it', async () => {
    const connections: number[] = [];
    const first = Promise.withResolvers<void>();
    const port = await played(async (peer, connection) => {
      await peer.next(isRequest);
      connections.push(connection);
      if (connection === 1) first.resolve();
      else peer.send(head, rest);
    });
    const upstream = upstreamTo(port);
    const stuck = ask(upstream);
    await first.promise;
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 1_500);

    expect(await ask(upstream).ended).toMatchObject({ kind: 'complete' });

    expect(connections).toEqual([1, 2]);
    stuck.exchange.destroy({ kind: 'timed-out' });
    expect(await stuck.ended).toEqual({ kind: 'timed-out' });
  });

  it('ends what waits when the proxy ends', async () => {
    const port = await played(async () => undefined);
    const upstream = upstreamTo(port);
    const waiting = ask(upstream);
    await upstream.close();

    expect(await waiting.ended).toMatchObject({ kind: 'never-dispatched', cause: 'stopped' });
  });
});
