import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  connectFrames,
  FLAG,
  FRAME,
  frame,
  headerBlock,
  requestFields,
  uint32,
} from '../support/h2-frames.ts';
import { post, stageH2 } from './h2-stage.ts';

describe('a connection of HTTP/2', () => {
  const get = (stream: number): Buffer =>
    frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, stream, headerBlock([...requestFields('/thing')]));

  it.each([
    [
      'streams that are opened to be reset',
      () =>
        Buffer.concat(
          Array.from({ length: 400 }, (_none, at) => [
            get(at * 2 + 1),
            frame(FRAME.rstStream, 0, at * 2 + 1, uint32(8)),
          ]).flat(),
        ),
    ],
    [
      'a head that never ends',
      () =>
        Buffer.concat([
          frame(FRAME.headers, 0, 1, headerBlock(requestFields('/'))),
          ...Array.from({ length: 64 }, () =>
            frame(FRAME.continuation, 0, 1, headerBlock([['x-y', 'z'.repeat(1000)]])),
          ),
        ]),
    ],
    [
      'settings without end',
      () => Buffer.concat(Array.from({ length: 20_000 }, () => frame(FRAME.settings, 0, 0))),
    ],
    ['a frame that is larger than was agreed', () => frame(FRAME.data, 0, 1, Buffer.alloc(32 * 1024))],
    ['a stream of an even number', () => get(2)],
    ['a continuation of nothing', () => frame(FRAME.continuation, FLAG.endHeaders, 1, Buffer.alloc(0))],
  ])('with %s is closed, and others are served', async (_what, bytes) => {
    const { proxy, session } = await stageH2('clear');
    const peer = await connectFrames(proxy.port);
    peer.socket.resume();

    peer.send(bytes());
    await peer.closed();

    expect((await post(session, 'k-1')).status).toBe(201);
  });

  it.each([
    ['a name in upper case', ['X-Upper', '1']],
    ['a field of the connection', ['connection', 'close']],
    ['a transfer coding', ['transfer-encoding', 'chunked']],
    ['a TE other than trailers', ['te', 'gzip']],
    ['a pseudo-header field twice', [':path', '/other']],
    ['a pseudo-header field that is none', [':evil', '1']],
    ['two lengths', ['content-length', '0, 0']],
  ] as const)('refuses %s, and nothing of it reaches the backend', async (_what, field) => {
    const { proxy, backend } = await stageH2('clear');
    const peer = await connectFrames(proxy.port);

    peer.send(
      frame(
        FRAME.headers,
        FLAG.endHeaders | FLAG.endStream,
        1,
        headerBlock(requestFields('/orders', [field[0], field[1]])),
      ),
    );
    await peer.next(
      ({ type }) => type === FRAME.rstStream || type === FRAME.goaway || type === FRAME.headers,
    );

    expect(backend.arrivals()).toBe(0);
    peer.socket.destroy();
  });

  it.each([
    ['a line feed in a value', ['x-split', 'a\r\nevil: 1']],
    ['a NUL in a value', ['x-nul', 'a\0b']],
    ['a colon in a name', ['x:y', '1']],
    ['a space in a name', ['x y', '1']],
  ] as const)(
    'loses a field with %s before anything is decided: proxy and backend see the same request without it',
    async (_what, field) => {
      const { proxy, backend } = await stageH2('clear');
      const arrived = backend.nextArrival();
      const peer = await connectFrames(proxy.port);

      peer.send(
        frame(
          FRAME.headers,
          FLAG.endHeaders | FLAG.endStream,
          1,
          headerBlock(requestFields('/orders', [field[0], field[1]])),
        ),
      );
      const { request } = await arrived;

      expect(Object.keys(request.headers).filter((name) => /evil|^x.(?:split|nul|y)/.test(name))).toEqual([]);
      expect(request.url).toBe('/orders');
      peer.socket.destroy();
    },
  );

  it.each([
    ['a space in the path', [[':path', '/a b']]],
    ['a request line in the path', [[':path', '/ HTTP/1.1\r\nHost: evil']]],
    ['an absolute path of elsewhere', [[':path', 'http://evil.example/']]],
    ['a path that climbs', [[':path', '/a/../b']]],
    ['an authority with a user', [[':authority', 'user@host']]],
    ['a method that is a line', [[':method', 'GET / HTTP/1.1\r\nX: y']]],
    ['CONNECT', [[':method', 'CONNECT']]],
  ] as const)('refuses %s in a pseudo-header field', async (_what, changed) => {
    const { proxy, backend } = await stageH2('clear');
    const peer = await connectFrames(proxy.port);
    const fields = requestFields('/orders').map(([name, value]) => {
      const other = changed.find(([changedName]) => changedName === name);
      return other === undefined ? ([name, value] as const) : other;
    });

    peer.send(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, headerBlock(fields)));
    await peer.next(
      ({ type }) => type === FRAME.rstStream || type === FRAME.goaway || type === FRAME.headers,
    );

    expect(backend.arrivals()).toBe(0);
    peer.socket.destroy();
  });

  it('that says nothing is closed when a head would have had to be there', async () => {
    const { proxy } = await stageH2('clear', 'limits: { headTimeout: 100ms }');

    const peer = await connectFrames(proxy.port);

    await peer.closed();
  });

  it('that has been of use is closed when it is idle for as long as is allowed', async () => {
    const { proxy } = await stageH2('clear', 'limits: { idleTimeout: 200ms }');
    const peer = await connectFrames(proxy.port);
    peer.send(get(1));
    await peer.next(({ type, flags }) => type === FRAME.data && (flags & FLAG.endStream) !== 0);

    await peer.closed();
  });

  it('whose client reads nothing of many answers is closed, though they are reset one by one', async () => {
    const { proxy, backend } = await stageH2('clear', 'limits: { bodyTimeout: 200ms }');
    backend.behave((arrival) => arrival.answer(200, 'x'.repeat(1024 * 1024)));
    const peer = await connectFrames(proxy.port);
    peer.socket.pause();
    const window = Buffer.concat([Buffer.from([0, 4]), uint32(0x7fff_ffff)]);
    peer.send(frame(FRAME.settings, 0, 0, window), frame(FRAME.windowUpdate, 0, 0, uint32(0x7ffe_0000)));
    for (let at = 0; at < 40; at++) {
      const fields = requestFields('/orders', ['idempotency-key', `k-${at % 3}`]);
      peer.send(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, at * 2 + 1, headerBlock(fields)));
    }

    await proxy.ended(40);

    await proxy.app.drain();
    expect(proxy.lines.map(({ msg }) => msg)).not.toContain(
      'drain time is over, breaking off what is in flight',
    );
  });

  it('that has not said what it speaks does not outlive the proxy', async () => {
    const { proxy } = await stageH2('clear');
    const socket = connect(proxy.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('PRI * HT');
    const closed = once(socket, 'close');
    await post((await stageH2('clear')).session, 'k-1');

    await proxy.app.drain();

    await closed;
  });
});
