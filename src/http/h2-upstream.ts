import { type ClientHttp2Session, connect } from 'node:http2';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ExchangeEnd } from '../core/settle.ts';
import { H2Exchange } from './h2-exchange.ts';
import type { Upstream } from './seam.ts';
import type { UpstreamOptions } from './upstream.ts';
import { messageOf, neverDispatchedCause } from './upstream-errors.ts';
import { connectionOptions, serverNameOf } from './upstream-tls.ts';

/**
 * The upstream over HTTP/2, on node:http2 alone: a request goes out once, on one stream. A stream that the backend
 * refuses, or that its GOAWAY leaves out, was provably not looked at.
 */

/** Of one connection; the backend may allow fewer. */
const STREAMS_MAX = 100;
/** A connection without streams is closed after it, and is too old for a keyed request after a quarter of it. */
const IDLE_MS = 4_000;
const KEYED_IDLE_MS = 1_000;

type Line = {
  readonly session: ClientHttp2Session;
  streams: number;
  idleSinceMs: number;
  /** connecting: the settings of the backend have not come. leaving: takes no more streams. */
  state: 'connecting' | 'open' | 'leaving';
  /** The last stream that the backend says it may have begun with; null before a GOAWAY. */
  lastStreamId: number | null;
  error: unknown;
};

export function createH2Upstream(options: UpstreamOptions): Upstream {
  const pool = new Pool(options);
  const { origin } = options;
  const url = new URL(origin);
  const scheme = url.protocol === 'https:' ? 'https' : 'http';
  return {
    origin,
    authority: url.host,
    start(request, sink) {
      const exchange = new H2Exchange({
        ...{ request, sink, scheme, authority: url.host },
        isUnprocessed: (session, stream) => pool.isUnprocessed(session, stream.id ?? 0),
        onOver: (over) => pool.leave(over),
      });
      pool.enter(exchange);
      return exchange;
    },
    async close() {
      pool.close();
    },
  };
}

class Pool {
  readonly #options: UpstreamOptions;
  readonly #lines = new Set<Line>();
  readonly #lineOf = new Map<H2Exchange, Line>();
  /** With the timer that gives them up. First come, first served. */
  readonly #waiting = new Map<H2Exchange, NodeJS.Timeout>();

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  enter(exchange: H2Exchange): void {
    const { queueMs } = this.#options;
    const timer = setTimeout(() => {
      const message = `no connection free within ${queueMs} ms`;
      exchange.end({ kind: 'never-dispatched', cause: 'queue-timeout', message });
    }, queueMs);
    this.#waiting.set(exchange, timer);
    this.#serve();
  }

  leave(exchange: H2Exchange): void {
    clearTimeout(this.#waiting.get(exchange));
    this.#waiting.delete(exchange);
    const line = this.#lineOf.get(exchange);
    if (line === undefined) return;
    this.#lineOf.delete(exchange);
    line.streams -= 1;
    line.idleSinceMs = performance.now();
    this.#serve();
  }

  isUnprocessed(session: ClientHttp2Session, streamId: number): boolean {
    for (const line of this.#lines)
      if (line.session === session) return line.lastStreamId !== null && streamId > line.lastStreamId;
    return false;
  }

  close(): void {
    for (const line of [...this.#lines]) line.session.destroy();
  }

  #serve(): void {
    for (const [exchange, timer] of this.#waiting) {
      const line = this.#lineFor(exchange);
      if (line === null) break;
      clearTimeout(timer);
      this.#waiting.delete(exchange);
      this.#lineOf.set(exchange, line);
      line.streams += 1;
      exchange.run(line.session);
    }
    this.#grow();
  }

  #lineFor(exchange: H2Exchange): Line | null {
    const nowMs = performance.now();
    for (const line of this.#lines) {
      if (line.state !== 'open' || line.streams >= this.#room(line)) continue;
      if (line.streams > 0 || exchange.sockets === 'shared' || nowMs - line.idleSinceMs < KEYED_IDLE_MS)
        return line;
      // It may be half closed: a request that is sent into it would have an outcome that nobody knows.
      this.#retire(line);
    }
    return null;
  }

  #room({ session }: Line): number {
    return Math.min(STREAMS_MAX, session.remoteSettings.maxConcurrentStreams ?? STREAMS_MAX);
  }

  /** One connection more, where what waits has none to wait for. */
  #grow(): void {
    let coming = 0;
    for (const { state } of this.#lines) if (state === 'connecting') coming += STREAMS_MAX;
    if (this.#waiting.size > coming && this.#lines.size < this.#options.connectionsMax) this.#connect();
  }

  #connect(): void {
    const { origin, connectMs } = this.#options;
    const session = connect(origin, {
      createConnection: () => this.#socket(),
      settings: { enablePush: false, maxHeaderListSize: 64 * 1024 },
      maxHeaderListPairs: 512,
      maxSessionMemory: 10,
      maxOutstandingPings: 10,
      maxSettings: 16,
    });
    const line: Line = {
      ...{ session, streams: 0, idleSinceMs: performance.now(), lastStreamId: null },
      ...{ state: 'connecting', error: null },
    };
    this.#lines.add(line);
    const timer = setTimeout(() => {
      line.error = Object.assign(new Error(`no connection within ${connectMs} ms`), { code: 'ETIMEDOUT' });
      session.destroy();
    }, connectMs);
    // The first frame of a backend: until it has come, whoever listens there may speak another protocol.
    session.once('remoteSettings', () => {
      clearTimeout(timer);
      line.state = 'open';
      line.idleSinceMs = performance.now();
      this.#serve();
    });
    session.setTimeout(IDLE_MS, () => {
      if (line.streams === 0) this.#retire(line);
    });
    session.on('goaway', (_code, lastStreamId) => {
      line.lastStreamId = lastStreamId;
      line.state = 'leaving';
    });
    session.on('error', (error) => {
      line.error ??= error;
    });
    session.on('close', () => {
      clearTimeout(timer);
      const wasConnecting = line.state === 'connecting';
      line.state = 'leaving';
      // After its streams have told their ends, which ask for its GOAWAY.
      setImmediate(() => {
        setImmediate(() => this.#gone(line, wasConnecting));
      });
    });
  }

  #gone(line: Line, wasConnecting: boolean): void {
    this.#lines.delete(line);
    if (wasConnecting) {
      const end: ExchangeEnd = {
        kind: 'never-dispatched',
        cause: neverDispatchedCause(line.error),
        message: messageOf(line.error ?? new Error('the connection was closed before its first frame')),
      };
      // Who waits longer than a connection can take would only wait for the next that fails.
      for (const exchange of [...this.#waiting.keys()]) exchange.end(end);
    }
    this.#serve();
  }

  #retire(line: Line): void {
    line.state = 'leaving';
    line.session.close();
  }

  #socket(): Socket {
    const { origin, tls } = this.#options;
    const url = new URL(origin);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (url.protocol !== 'https:') return connectPlain({ host, port: Number(url.port || 80), noDelay: true });
    const current = tls();
    const socket = connectTls({
      ...connectionOptions(current),
      host,
      port: Number(url.port || 443),
      servername: serverNameOf(origin, current),
      ALPNProtocols: ['h2'],
    });
    socket.setNoDelay(true);
    socket.once('secureConnect', () => {
      if (socket.alpnProtocol === 'h2') return;
      const error = Object.assign(new Error('the backend does not speak HTTP/2'), { code: 'ERR_TLS_ALPN' });
      socket.destroy(error);
    });
    return socket;
  }
}
