import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** HTTP/2 frame by frame (RFC 9113 section 4.1), for what no library would send. */

export const FRAME = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { endStream: 1, ack: 1, endHeaders: 4 } as const;

export type Frame = {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
};

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Literal fields without indexing and without Huffman (RFC 7541 section 6.2.2). */
export function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const rest: number[] = [];
  let left = bytes.length - 127;
  while (left >= 128) {
    rest.push((left % 128) + 128);
    left = Math.floor(left / 128);
  }
  return Buffer.concat([Buffer.from([127, ...rest, left]), bytes]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export type FramePeer = {
  readonly socket: Socket;
  /** Every frame received, in order. */
  readonly frames: readonly Frame[];
  send(...bytes: readonly Uint8Array[]): void;
  /** The first frame, past or to come, that fits; rejects when the connection closes before. */
  next(fits: (frame: Frame) => boolean): Promise<Frame>;
  closed(): Promise<void>;
};

/** Speaks frames over a socket; answers SETTINGS and PING as it must. */
export function framePeer(socket: Socket, peerIs: 'client' | 'server'): FramePeer {
  const frames: Frame[] = [];
  const watchers = new Set<() => void>();
  let rest = Buffer.alloc(0);
  let preface = peerIs === 'server' ? 0 : PREFACE.length;
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  let isClosed: 'no' | 'yes' = 'no';
  void closed.then(() => {
    isClosed = 'yes';
    for (const watcher of watchers) watcher();
  });
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    if (preface > 0) {
      const skipped = Math.min(preface, rest.length);
      rest = rest.subarray(skipped);
      preface -= skipped;
    }
    while (rest.length >= 9) {
      const length = rest.readUIntBE(0, 3);
      if (rest.length < 9 + length) break;
      const got: Frame = {
        type: rest[3] ?? 0,
        flags: rest[4] ?? 0,
        stream: rest.readUInt32BE(5) % 0x8000_0000,
        payload: Buffer.from(rest.subarray(9, 9 + length)),
      };
      rest = rest.subarray(9 + length);
      frames.push(got);
      if (got.type === FRAME.settings && (got.flags & FLAG.ack) === 0)
        socket.write(frame(FRAME.settings, FLAG.ack, 0));
      if (got.type === FRAME.ping && (got.flags & FLAG.ack) === 0)
        socket.write(frame(FRAME.ping, FLAG.ack, 0, got.payload));
    }
    for (const watcher of watchers) watcher();
  });
  if (peerIs === 'server') socket.write(PREFACE);
  socket.write(frame(FRAME.settings, 0, 0));
  return {
    socket,
    frames,
    send: (...bytes) => void socket.write(Buffer.concat(bytes)),
    next: (fits) =>
      new Promise((resolve, reject) => {
        const watch = (): void => {
          const found = frames.find(fits);
          if (found === undefined && isClosed === 'no') return;
          watchers.delete(watch);
          if (found !== undefined) resolve(found);
          else reject(new Error(`closed before that frame; had ${frames.map(describe).join(', ')}`));
        };
        watchers.add(watch);
        watch();
      }),
    closed: () => closed,
  };
}

function describe({ type, flags, stream }: Frame): string {
  return `${type}/${flags}@${stream}`;
}

/** A client that sends its preface and empty settings at once. */
export async function connectFrames(port: number): Promise<FramePeer> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return framePeer(socket, 'server');
}

export function requestFields(
  path: string,
  ...fields: readonly (readonly [string, string])[]
): readonly (readonly [string, string])[] {
  return [[':method', 'POST'], [':scheme', 'http'], [':path', path], [':authority', 'localhost'], ...fields];
}
