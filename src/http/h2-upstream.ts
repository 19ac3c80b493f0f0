import { connect } from 'node:http2';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ExchangeEnd } from '../core/settle.ts';
import { H2Exchange, type H2Line } from './h2-exchange.ts';
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
/**
 * node counts the bodies that wait to be sent, and refuses answers once it is used up: bodies have a budget of their
 * own, and heads are bounded by their size and by STREAMS_MAX.
 */
const SESSION_MEMORY_MIB_MAX = 4_096;
/** A connection without streams is closed after it. */
const IDLE_MS = 4_000;
/**
 * A connection that was silent for longer may be half closed. No PING asks it: servers of gRPC take more than two of
 * them without data in between for an attack, and break off every stream.
 */
const SILENT_MS = 1_000;

type Line = H2Line & {
  /** Held, since a session that ends in good order waits for a peer that may never close its side. */
  readonly socket: Socket;
  streams: number;
  heardMs: number;
  /** connecting: the settings of the backend have not come. leaving: takes no more streams. */
  state: 'connecting' | 'open' | 'leaving';
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
  #state: 'open' | 'closed' = 'open';

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  enter(exchange: H2Exchange): void {
    const line = this.#waiting.size === 0 ? this.#lineFor(exchange, 'heard') : null;
    if (line !== null) {
      this.#run(exchange, line);
      return;
    }
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
    if (line.state === 'leaving') this.#retire(line);
    this.#serve();
  }

  close(): void {
    this.#state = 'closed';
    for (const exchange of [...this.#waiting.keys()])
      exchange.end({ kind: 'never-dispatched', cause: 'stopped', message: 'the proxy ends' });
    for (const line of [...this.#lines]) drop(line);
  }

  #serve(): void {
    if (this.#state === 'closed') return;
    this.#place('heard');
    this.#grow();
  }

  #place(on: 'heard' | 'any'): void {
    for (const [exchange, timer] of this.#waiting) {
      const line = this.#lineFor(exchange, on);
      if (line === null) break;
      clearTimeout(timer);
      this.#waiting.delete(exchange);
      this.#run(exchange, line);
    }
  }

  #run(exchange: H2Exchange, line: Line): void {
    this.#lineOf.set(exchange, line);
    line.streams += 1;
    exchange.run(line);
  }

  /** Null: wait for one. A silent connection only where no other can be had: its backend may be gone. */
  #lineFor(exchange: H2Exchange, on: 'heard' | 'any'): Line | null {
    const nowMs = performance.now();
    let silent: Line | null = null;
    for (const line of this.#lines) {
      const { session, streams } = line;
      if (line.state !== 'open' || session.closed || session.destroyed || streams >= this.#room(line))
        continue;
      if (nowMs - line.heardMs < SILENT_MS) return line;
      if (streams > 0 || exchange.sockets === 'shared') silent = line;
      else this.#retire(line);
    }
    if (silent === null) return null;
    const isLast = this.#lines.size >= this.#options.connectionsMax;
    return on === 'any' || isLast || silent.streams === 0 ? silent : null;
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
    const socket = this.#socket();
    const session = connect(origin, {
      createConnection: () => socket,
      settings: { enablePush: false, maxHeaderListSize: 64 * 1024 },
      maxHeaderListPairs: 512,
      maxSessionMemory: SESSION_MEMORY_MIB_MAX,
      maxOutstandingPings: 10,
      maxSettings: 16,
    });
    const line: Line = {
      ...{ session, socket, streams: 0, heardMs: performance.now(), lastStreamId: null },
      ...{ state: 'connecting', error: null },
      heard: () => {
        line.heardMs = performance.now();
      },
    };
    this.#lines.add(line);
    const timer = setTimeout(() => {
      line.error = Object.assign(new Error(`no connection within ${connectMs} ms`), { code: 'ETIMEDOUT' });
      session.destroy();
    }, connectMs);
    // The first frame of a backend: until it has come, whoever listens there may speak another protocol.
    // Not in the handshake: a session that is set up over a destroyed socket ends the whole process.
    session.once('connect', () => {
      if (!origin.startsWith('https:') || session.alpnProtocol === 'h2') return;
      line.error = Object.assign(new Error('the backend does not speak HTTP/2'), { code: 'ERR_TLS_ALPN' });
      session.destroy();
    });
    session.on('remoteSettings', () => {
      clearTimeout(timer);
      if (line.state === 'connecting') line.state = 'open';
      line.heard();
      this.#serve();
    });
    session.setTimeout(IDLE_MS, () => {
      if (line.streams === 0) this.#retire(line);
    });
    session.on('goaway', (_code, lastStreamId) => {
      line.lastStreamId = lastStreamId;
      line.state = 'leaving';
      setImmediate(() => this.#retire(line));
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
    if (wasConnecting && this.#state === 'open') {
      this.#place('any');
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
    if (line.streams === 0) drop(line);
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
    return socket;
  }
}

function drop({ session, socket }: Line): void {
  session.destroy();
  socket.destroy();
}
