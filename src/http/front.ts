import { createServer, type IncomingMessage, type Server, type ServerOptions } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { createH2Server, type H2Server } from './h2-server.ts';
import type { Incoming, Peer } from './seam.ts';
import { createTlsServer, mayServe, type ServerTls, secureContextOf } from './tls-server.ts';

export type FrontOptions = {
  readonly headBytesMax: number;
  readonly headersMax: number;
  readonly headTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly idleMs: number;
  /** Null: in the clear. */
  readonly tls: ServerTls | null;
  /** alpn: with TLS, where the client offers it. prior-knowledge: also with clients that begin with its preface. */
  readonly http2: 'off' | 'alpn' | 'prior-knowledge';
};

/** Where connections come in: in the clear or with TLS, and on to HTTP/1 or HTTP/2. */
export type Front = {
  readonly server: Server | HttpsServer;
  /** Null: HTTP/2 is not spoken. */
  readonly h2: H2Server | null;
  renewTls(tls: ServerTls): void;
  /** Since the start. */
  handshakesFailed(): number;
  certificateNotAfterMs(): number;
};

export type FrontHandlers = {
  readonly peerOf: (socket: Duplex) => Peer;
  readonly handle: (incoming: Incoming) => void;
};

/** What a client that knows beforehand begins with (RFC 9113 section 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export function createFront(options: FrontOptions, handlers: FrontHandlers): Front {
  const { tls, http2 } = options;
  const isSpoken = http2 === 'prior-knowledge' || (http2 === 'alpn' && tls !== null);
  const h2 = isSpoken ? createH2Server({ ...options, ...handlers }) : null;
  let handshakesFailed = 0;
  let notAfterMs = tls?.notAfterMs ?? 0;
  const figures = { handshakesFailed: () => handshakesFailed, certificateNotAfterMs: () => notAfterMs };
  if (tls === null) {
    const server = createServer(serverOptions(options));
    if (h2 !== null) divert(server, 'connection', (socket, toHttp1) => sniff(socket, options, h2, toHttp1));
    return { server, h2, renewTls: () => undefined, ...figures };
  }
  const server = createTlsServer({
    tls,
    http: serverOptions(options),
    protocols: h2 === null ? ['http/1.1'] : ['h2', 'http/1.1'],
    handshakeTimeoutMs: options.headTimeoutMs,
    onHandshakeFailed: () => {
      handshakesFailed += 1;
    },
  });
  divert<TLSSocket>(server, 'secureConnection', (socket, toHttp1) => {
    if (mayServe(socket) === 'no') {
      handshakesFailed += 1;
      socket.destroy();
    } else if (h2 !== null && socket.alpnProtocol === 'h2') h2.take(socket);
    // Nobody knows HTTP/2 beforehand here: over TLS it takes ALPN (RFC 9113 section 3.2).
    else toHttp1();
  });
  return {
    server,
    h2,
    renewTls(next) {
      server.setSecureContext(secureContextOf(next));
      notAfterMs = next.notAfterMs;
    },
    ...figures,
  };
}

function serverOptions(options: FrontOptions): ServerOptions {
  return {
    maxHeaderSize: options.headBytesMax,
    headersTimeout: options.headTimeoutMs,
    // Whole requests are not timed here: an upload that is passed on may take long; bodies that are read have their own limit.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(2_000, Math.max(100, options.headTimeoutMs / 4)),
    keepAliveTimeout: options.idleMs,
    keepAlive: true,
    noDelay: true,
    requireHostHeader: false,
    joinDuplicateHeaders: false,
    shouldUpgradeCallback: isTunnel,
  };
}

/** WebSocket and other upgrades but h2c, which the guard refuses as an ordinary request. */
function isTunnel(request: IncomingMessage): boolean {
  const upgrade = request.headers.upgrade ?? '';
  return upgrade !== '' && !/\bh2c\b/i.test(upgrade);
}

/** Puts a decision before the listeners that are there, such as node's own, which makes every connection one of HTTP/1. */
export function divert<S extends Duplex>(
  server: Server | HttpsServer,
  event: 'connection' | 'secureConnection',
  decide: (socket: S, toHttp1: () => void) => void,
): void {
  const listeners = server.listeners(event);
  server.removeAllListeners(event);
  server.on(event, (socket: S) =>
    decide(socket, () => {
      for (const listener of listeners) listener.call(server, socket);
    }),
  );
}

/** The first bytes decide, and are put back. As long as they may become the preface, it is waited for. */
function sniff(socket: Duplex, { headTimeoutMs }: FrontOptions, h2: H2Server, toHttp1: () => void): void {
  const chunks: Buffer[] = [];
  const forget = (): void => {
    clearTimeout(timer);
    socket.off('data', onData);
    socket.off('error', forget);
    socket.off('close', forget);
  };
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    const bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    const seen = Math.min(bytes.length, PREFACE.length);
    const isPreface = bytes.subarray(0, seen).equals(PREFACE.subarray(0, seen));
    if (isPreface && seen < PREFACE.length) return;
    forget();
    socket.pause();
    socket.unshift(bytes);
    if (isPreface) h2.take(socket);
    else toHttp1();
    process.nextTick(() => socket.resume());
  };
  const timer = setTimeout(() => socket.destroy(), headTimeoutMs);
  socket.on('data', onData);
  socket.once('error', forget);
  socket.once('close', forget);
}
