import { expect, it } from 'vitest';
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

/** Frames that are cheap to send and dear to obey: the connection ends, and others do not notice. */

const PRIORITY = 2;
const UNKNOWN = 77;

function opened(stream: number, flags: number, ...fields: readonly (readonly [string, string])[]): Buffer {
  return frame(
    FRAME.headers,
    FLAG.endHeaders + flags,
    stream,
    headerBlock(requestFields('/thing', ...fields)),
  );
}

function many(count: number, of: (stream: number) => readonly Buffer[]): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_none, nth) => of(nth * 2 + 1)).flat());
}

it.each([
  ['pings', () => many(20_000, () => [frame(FRAME.ping, 0, 0, Buffer.alloc(8))])],
  ['priorities', () => many(20_000, () => [frame(PRIORITY, 0, 1, Buffer.alloc(5, 1))])],
  ['frames of no known type', () => many(20_000, () => [frame(UNKNOWN, 0, 0, Buffer.alloc(5))])],
  [
    'empty pieces of a body',
    () => Buffer.concat([opened(1, 0), many(20_000, () => [frame(FRAME.data, 0, 1)])]),
  ],
  [
    'streams that it makes the proxy reset, by their window',
    () =>
      many(2_000, (stream) => [
        opened(stream, FLAG.endStream),
        frame(FRAME.windowUpdate, 0, stream, uint32(0x7fff_ffff)),
      ]),
  ],
  [
    'streams that it makes the proxy reset, by their length',
    () =>
      many(2_000, (stream) => [
        opened(stream, 0, ['content-length', '1']),
        frame(FRAME.data, FLAG.endStream, stream, Buffer.alloc(2)),
      ]),
  ],
])('a client that floods with %s is closed, and reaches no backend with it', async (_what, bytes) => {
  const { proxy, backend, session } = await stageH2('clear');
  const peer = await connectFrames(proxy.port);

  peer.send(bytes());
  await peer.closed();

  expect((await post(session, 'k-1')).status).toBe(201);
  expect(backend.arrivals()).toBe(1);
});

it('fields that unpack to fifty megabytes are refused before they are unpacked', async () => {
  const { proxy, backend, session } = await stageH2('clear');
  const peer = await connectFrames(proxy.port);
  // RFC 7541: one literal of 4,000 bytes that is kept, and 12,000 times one byte that says "that one".
  const kept = Buffer.concat([Buffer.from([0x40, 1, 0x78, 127, 0xa1, 0x1e]), Buffer.alloc(4000, 'a')]);
  const block = Buffer.concat([headerBlock(requestFields('/thing')), kept, Buffer.alloc(12_000, 0xbe)]);

  peer.send(frame(FRAME.headers, FLAG.endHeaders + FLAG.endStream, 1, block));
  const { payload } = await peer.next(({ type }) => type === FRAME.rstStream);

  const enhanceYourCalm = 0xb;
  expect(payload.readUInt32BE(0)).toBe(enhanceYourCalm);
  expect((await post(session, 'k-1')).status).toBe(201);
  expect(backend.arrivals()).toBe(1);
  peer.socket.destroy();
});
