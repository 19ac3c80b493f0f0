import { once } from 'node:events';
import { constants } from 'node:http2';
import { describe, expect, it } from 'vitest';
import type { Arrival } from '../support/counting-backend.ts';
import {
  connectFrames,
  FLAG,
  FRAME,
  frame,
  headerBlock,
  requestFields,
  uint32,
} from '../support/h2-frames.ts';
import { answerOf, post, stageH2 } from './h2-stage.ts';

describe.each(['tls', 'clear'] as const)('over HTTP/2, %s', (how) => {
  it('a keyed request is executed once and replayed', async () => {
    const { backend, session } = await stageH2(how);

    const first = await post(session, 'k-1');
    const second = await post(session, 'k-1');

    expect([first.status, second.status, second.body]).toEqual([201, 201, first.body]);
    expect(second.fields['idempotency-status']).toBe('replayed');
    expect(backend.executions('k-1')).toBe(1);
  });

  it('a hundred streams with one key are one execution and a hundred answers', async () => {
    const { backend, session } = await stageH2(how);

    const answers = await Promise.all(Array.from({ length: 100 }, () => post(session, 'k-1')));

    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`)).size).toBe(1);
    expect(backend.executionsOfAll()).toBe(1);
  });

  it('HTTP/1.1 is spoken on the same port, and a key is the same key', async () => {
    const { proxy, backend, session } = await stageH2(how);
    const first = await post(session, 'k-1', { 'content-type': 'text/plain' });
    const response = await (how === 'clear'
      ? fetch(`http://127.0.0.1:${proxy.port}/orders`, {
          method: 'POST',
          headers: { 'Idempotency-Key': 'k-1', 'Content-Type': 'text/plain' },
          body: '{}',
        }).then((answer) => answer.text())
      : post(session, 'k-1', { 'content-type': 'text/plain' }).then(({ body }) => body));

    expect(response).toBe(first.body);
    expect(backend.executionsOfAll()).toBe(1);
  });
});

describe('a request of HTTP/2', () => {
  it('comes to the backend with its authority as Host, its cookies as one field, and the word of how it came', async () => {
    const { backend, session } = await stageH2('tls');
    const arrived = backend.nextArrival();

    await post(session, 'k-1', {
      ':authority': 'shop.example:8443',
      cookie: ['a=1', 'b=2'],
      'x-mixed': 'kept',
    });
    const { request } = await arrived;

    expect(request.headers).toMatchObject({
      host: 'shop.example:8443',
      cookie: 'a=1; b=2',
      'x-mixed': 'kept',
      'x-forwarded-proto': 'https',
      via: '2.0 onceward',
    });
  });

  it('whose Host is not its authority is refused', async () => {
    const { backend, session } = await stageH2('clear');

    const answer = await post(session, 'k-1', { ':authority': 'a.example', host: 'b.example' });

    expect([answer.status, JSON.parse(answer.body).code]).toEqual([400, 'bad-request']);
    expect(backend.arrivals()).toBe(0);
  });

  it('is answered 100 before its body is awaited', async () => {
    const { session } = await stageH2('clear');
    const stream = session.request({
      ':method': 'POST',
      ':path': '/orders',
      'idempotency-key': 'k-1',
      expect: '100-continue',
    });
    await once(stream, 'continue');

    const answer = answerOf(stream);
    stream.end('{}');

    expect((await answer).status).toBe(201);
  });

  it.each([
    ['reset without an error', constants.NGHTTP2_NO_ERROR],
    ['cancelled', constants.NGHTTP2_CANCEL],
  ])('whose body is %s burns no key and reaches no backend', async (_what, code) => {
    const { proxy, backend, session } = await stageH2('clear');
    const peer = await connectFrames(proxy.port);
    const fields = headerBlock(requestFields('/orders', ['idempotency-key', 'k-1']));
    peer.send(
      frame(FRAME.headers, FLAG.endHeaders, 1, fields),
      frame(FRAME.data, 0, 1, Buffer.from('{"half":')),
    );
    peer.send(frame(FRAME.rstStream, 0, 1, uint32(code)));
    await proxy.ended(1);

    const again = await post(session, 'k-1', {}, '{"other":1}');

    expect(again.status).toBe(201);
    expect(backend.arrivals()).toBe(1);
  });

  it.each([
    ['longer than it said', '1', '{}'],
    ['shorter than it said', '3', '{}'],
  ])('whose body is %s is no request', async (_what, length, body) => {
    const { proxy, backend } = await stageH2('clear');
    const peer = await connectFrames(proxy.port);
    const fields = headerBlock(
      requestFields('/orders', ['idempotency-key', 'k-1'], ['content-length', length]),
    );
    peer.send(
      frame(FRAME.headers, FLAG.endHeaders, 1, fields),
      frame(FRAME.data, FLAG.endStream, 1, Buffer.from(body)),
    );

    await peer.next(({ type }) => type === FRAME.rstStream || type === FRAME.goaway);

    expect(peer.frames.filter(({ type }) => type === FRAME.headers)).toEqual([]);
    expect(backend.arrivals()).toBe(0);
    peer.socket.destroy();
  });

  it('with more fields than the limit is refused with the same problem as in HTTP/1.1', async () => {
    const { session } = await stageH2('clear', 'limits: { headers: 8 }');
    const many = Object.fromEntries(Array.from({ length: 9 }, (_none, at) => [`x-${at}`, '1']));

    const answer = await post(session, 'k-1', many);

    expect([answer.status, JSON.parse(answer.body).code]).toEqual([431, 'head-too-large']);
  });
});

describe('an answer over HTTP/2', () => {
  it.each([
    ['of known length', (arrival: Arrival) => arrival.truncate('0123456789')],
    [
      'of unknown length',
      (arrival: Arrival) => {
        const { socket } = arrival.request;
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n', () =>
          socket.destroy(),
        );
      },
    ],
  ])('%s that breaks off is reset, and never ends', async (_what, behaviour) => {
    const { proxy, backend } = await stageH2('clear');
    backend.behave(behaviour);
    const peer = await connectFrames(proxy.port);
    peer.send(
      frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, headerBlock(requestFields('/orders'))),
    );

    const reset = await peer.next(({ type }) => type === FRAME.rstStream);

    expect(reset.payload.readUInt32BE()).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    expect(peer.frames.some(({ type }) => type === FRAME.data)).toBe(true);
    expect(
      peer.frames.filter(({ type, flags }) => type <= FRAME.headers && (flags & FLAG.endStream) !== 0),
    ).toEqual([]);
    peer.socket.destroy();
  });

  it.each([
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['304', 'HTTP/1.1 304 Not Modified\r\n\r\n'],
    ['200 of no length', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ])('%s ends with its head', async (what, text) => {
    const { backend, session } = await stageH2('clear');
    backend.behave(({ request }) => void request.socket.write(text));

    const answer = await answerOf(session.request({ ':path': '/thing' }, { endStream: true }));

    expect([String(answer.status), answer.body]).toEqual([what.slice(0, 3), '']);
  });

  it('to a HEAD has the length and no body', async () => {
    const { session } = await stageH2('clear');

    const answer = await answerOf(
      session.request({ ':method': 'HEAD', ':path': '/thing' }, { endStream: true }),
    );

    expect([answer.status, answer.body]).toEqual([201, '']);
    expect(Number(answer.fields['content-length'])).toBeGreaterThan(0);
  });

  it('of a mebibyte comes whole to a client that reads slowly', async () => {
    const { backend, session } = await stageH2('clear');
    const large = 'x'.repeat(1024 * 1024);
    backend.behave((arrival) => arrival.answer(200, large));

    const answer = await answerOf(session.request({ ':path': '/thing' }, { endStream: true }));

    expect(answer.body.length).toBe(large.length);
  });

  it('goes on to its end while the proxy drains, and no new stream begins', async () => {
    const { proxy, backend, session } = await stageH2('clear');
    const finish = Promise.withResolvers<() => void>();
    backend.behave((arrival) => finish.resolve(() => arrival.answer(200, 'late')));
    const stream = session.request({ ':path': '/thing' }, { endStream: true });
    const answer = answerOf(stream);
    const end = await finish.promise;
    const goaway = once(session, 'goaway');

    const drained = proxy.app.drain();
    await goaway;
    end();

    expect((await answer).body).toBe('late');
    await drained;
    expect(session.closed || session.destroyed).toBe(true);
  });
});
