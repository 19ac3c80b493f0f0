import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { RequestHead } from '../core/wire.ts';
import { H2Body } from './h2-body.ts';
import { H2Reply } from './h2-reply.ts';
import type { Incoming, Peer } from './seam.ts';

/** HTTP/2 with the clients, over connections that a listener hands on (RFC 9113). */

export type H2ServerOptions = {
  readonly headBytesMax: number;
  readonly headersMax: number;
  readonly headTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly idleMs: number;
  readonly peerOf: (socket: Duplex) => Peer;
  readonly handle: (incoming: Incoming) => void;
};

export type H2Server = {
  /** Takes the connection over; nothing of it has been read, or what was read has been put back. */
  take(socket: Duplex): void;
  /** GOAWAY: streams that are open end, no new ones begin. */
  retire(): void;
  closeIdle(): void;
  destroyAll(): void;
};

/** At once, of one connection; a client opens another where it needs more. */
const STREAMS_MAX = 128;
/** Streams that a client may open only to reset them: so many at once, and so many more a second (CVE-2023-44487). */
const RESET_BURST = 200;
const RESET_RATE = 33;

export function createH2Server(options: H2ServerOptions): H2Server {
  /** The streams that are open of each. */
  const open = new Map<ServerHttp2Session, number>();
  let taking: 'all' | 'none' = 'all';
  const server: Http2Server = createServer({
    settings: {
      maxConcurrentStreams: STREAMS_MAX,
      maxHeaderListSize: options.headBytesMax,
      enableConnectProtocol: false,
      enablePush: false,
    },
    // Four pseudo-header fields, and two more than the guard counts: it is the guard who says what is wrong.
    maxHeaderListPairs: options.headersMax + 6,
    maxSessionMemory: 10,
    maxSessionInvalidFrames: 50,
    maxSessionRejectedStreams: 50,
    maxOutstandingPings: 10,
    maxSettings: 16,
    streamResetBurst: RESET_BURST,
    streamResetRate: RESET_RATE,
    // What a backend says twice is passed on twice, as in HTTP/1.1.
    strictSingleValueFields: false,
  });
  server.on('session', (session) => {
    const peer = options.peerOf(session.socket);
    open.set(session, 0);
    session.setTimeout(options.headTimeoutMs);
    // Every time: it also fires while an answer takes long, and must fire again after it.
    session.on('timeout', () => {
      if (open.get(session) === 0) session.close(() => session.destroy());
    });
    session.on('error', () => session.destroy());
    const stopWatching = watchStuck(session, options.bodyTimeoutMs);
    session.on('close', () => {
      stopWatching();
      open.delete(session);
    });
    if (taking === 'none') session.close();
    session.on('stream', (stream, _headers, _flags, rawHeaders) => {
      const before = open.get(session) ?? 0;
      if (before === 0) session.setTimeout(options.idleMs);
      open.set(session, before + 1);
      stream.on('close', () => {
        const left = open.get(session);
        if (left !== undefined) open.set(session, left - 1);
      });
      options.handle(incomingOf(stream, rawHeaders, peer, options));
    });
  });
  server.on('sessionError', () => undefined);
  return {
    take: (socket) => void server.emit('connection', socket),
    retire() {
      taking = 'none';
      for (const session of open.keys()) session.close();
    },
    closeIdle() {
      for (const [session, streams] of open) if (streams === 0) session.destroy();
    },
    destroyAll() {
      for (const session of open.keys()) session.destroy();
    },
  };
}

/**
 * A client that reads nothing of its connection: what its streams are reset with waits behind what it does not take, and
 * they would hold their answers for ever.
 */
function watchStuck(session: ServerHttp2Session, stallMs: number): () => void {
  let before = 0;
  const timer = setInterval(() => {
    const { bytesWritten } = session.socket;
    if ((session.state.outboundQueueSize ?? 0) > 0 && bytesWritten === before) session.destroy();
    before = bytesWritten;
  }, stallMs);
  timer.unref();
  return () => clearInterval(timer);
}

function incomingOf(
  stream: ServerHttp2Stream,
  received: readonly string[],
  peer: Peer,
  { bodyTimeoutMs }: H2ServerOptions,
): Incoming {
  const { head, lengthBytes, expects, trailers } = readHead(received);
  return {
    head,
    peer,
    body: new H2Body(stream, { lengthBytes, expects, timeoutMs: bodyTimeoutMs }),
    reply: new H2Reply(stream, { stallMs: bodyTimeoutMs, trailers }),
    startedMs: performance.now(),
  };
}

type ReadHead = {
  readonly head: RequestHead;
  readonly lengthBytes: number | null;
  readonly expects: 'continue' | 'nothing';
  readonly trailers: 'accepted' | 'dropped';
};

/**
 * nghttp2 has judged the fields by RFC 9113 section 8.2 and 8.3: pseudo-header fields are there once, names in lower case,
 * none of a connection. An authority that is not that of Host stands beside it, and the guard refuses the two.
 */
function readHead(received: readonly string[]): ReadHead {
  let method = '';
  let target = '';
  let authority: string | null = null;
  let cookie: string | null = null;
  let lengthBytes: number | null = null;
  let expects: ReadHead['expects'] = 'nothing';
  let trailers: ReadHead['trailers'] = 'dropped';
  const rawHeaders: string[] = [];
  for (let i = 0; i < received.length; i += 2) {
    const name = received[i] ?? '';
    const value = received[i + 1] ?? '';
    switch (name) {
      case ':method':
        method = value;
        continue;
      case ':path':
        target = value;
        continue;
      case ':authority':
        authority = value;
        rawHeaders.push('Host', value);
        continue;
      case ':scheme':
        continue;
      case 'host':
        if (value === authority) continue;
        break;
      case 'cookie':
        // RFC 9113 section 8.2.3: crumbs of one field.
        cookie = cookie === null ? value : `${cookie}; ${value}`;
        continue;
      case 'content-length':
        lengthBytes = Number(value);
        break;
      case 'expect':
        if (value.toLowerCase() === '100-continue') expects = 'continue';
        break;
      case 'te':
        trailers = 'accepted';
        break;
      default:
    }
    rawHeaders.push(name, value);
  }
  if (cookie !== null) rawHeaders.push('cookie', cookie);
  return { head: { method, target, rawHeaders, httpVersion: '2.0' }, lengthBytes, expects, trailers };
}
