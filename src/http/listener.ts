import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { RequestHead } from '../core/wire.ts';
import { awaitTurn, createDebts, type Debt, holdReading, refuseBytes, settleDebt } from './debts.ts';
import { createFront, divert, type FrontOptions } from './front.ts';
import { describeListenError } from './listen-error.ts';
import { NodeBody } from './node-body.ts';
import { NodeReply } from './node-reply.ts';
import type { Incoming, Peer } from './seam.ts';
import { type ServerTls, tlsPeerOf } from './tls-server.ts';

/** The downstream side over node:http. */

export type ListenerOptions = FrontOptions & {
  readonly host: string;
  readonly port: number;
  readonly connectionsMax: number;
  /** For every connection, before anything of it is read. */
  readonly onConnection?: () => void;
  /** Null: every address may have as many as there are. Else whether one more is welcome, and what is called when it closes. */
  readonly admit: ((address: string) => (() => void) | null) | null;
};

/** Why a request never became one: answered here, reported to the pipeline's counters. */
export type MalformedReason = 'bad-request' | 'head-too-large' | 'request-timeout' | 'method-not-supported';

export type ListenerHandler = {
  handle(incoming: Incoming): void;
  /** A request to change the protocol; the handler owns the socket from here on. */
  upgrade(head: RequestHead, peer: Peer, socket: Duplex, firstBytes: Buffer): void;
  /** The raw answer to bytes that are not a request; the socket is closed after it. */
  malformed(reason: MalformedReason, detail: string): Uint8Array;
};

export type Listener = {
  /** host:port actually bound. */
  readonly address: { readonly host: string; readonly port: number };
  /** Stops accepting; open connections close after the answer they are at. */
  stopAccepting(): void;
  destroyConnections(): void;
  closeIdle(): void;
  /** `none`: a new connection is closed as soon as it comes; those that are there go on. */
  accept(which: 'all' | 'none'): void;
  /** For connections to come; those that are open keep what they have. Throws where it cannot be used. */
  renewTls(tls: ServerTls): void;
  connections(): number;
  /** Connections closed as soon as they came, since the start. */
  refused(): number;
  room(): 'full' | 'has-room';
  /** Since the start; 0 without TLS, as is the end of the certificate. */
  handshakesFailed(): number;
  certificateNotAfterMs(): number;
};

/** Rejects with a one-line error when the address cannot be bound. */
export function startListener(options: ListenerOptions, handler: ListenerHandler): Promise<Listener> {
  const front = createFront(options, { peerOf, handle: (incoming) => handler.handle(incoming) });
  const { server, h2 } = front;
  const counted = countConnections(server, options);
  // node:http would drop the fields above a count without a word; the guard counts them.
  server.maxHeadersCount = 0;
  // A client that half-closes after its request still gets its answer.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.timeout = 0;
  // node:http takes an answer that has ended for one that has left, also in its own close().
  Object.assign(server, { closeIdleConnections: wire(server, options, handler) });
  return new Promise((resolve, reject) => {
    // Also later: an accept that fails for want of file descriptors is tried again by node, and must not end the process.
    server.on('error', (error) =>
      reject(describeListenError(error, 'listen', `${options.host}:${options.port}`)),
    );
    server.listen(options.port, options.host, () => {
      const bound = server.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : options.port;
      resolve({
        address: { host: options.host, port },
        stopAccepting: () => {
          server.close();
          server.closeIdleConnections();
          h2?.retire();
        },
        destroyConnections: () => {
          h2?.destroyAll();
          counted.destroyAll();
        },
        closeIdle: () => {
          server.closeIdleConnections();
          h2?.closeIdle();
        },
        renewTls: front.renewTls,
        handshakesFailed: front.handshakesFailed,
        certificateNotAfterMs: front.certificateNotAfterMs,
        ...counted,
      });
    });
  });
}

/** Beyond the most, node closes a connection before it reads of it: to its client it is as if nobody listened. */
function countConnections(
  server: Server,
  { connectionsMax, onConnection, admit }: ListenerOptions,
): Pick<Listener, 'accept' | 'connections' | 'refused' | 'room'> & { destroyAll(): void } {
  /** Also those that have not said yet what they speak, or are in their handshake. */
  const open = new Set<Duplex>();
  let refused = 0;
  server.maxConnections = connectionsMax;
  server.on('connection', (socket) => {
    open.add(socket);
    onConnection?.();
    socket.once('close', () => open.delete(socket));
  });
  if (admit !== null)
    divert<Socket>(server, 'connection', (socket, goOn) => {
      const leave = admit(socket.remoteAddress ?? '');
      if (leave === null) {
        refused += 1;
        socket.destroy();
      } else {
        socket.once('close', leave);
        goOn();
      }
    });
  server.on('drop', () => {
    refused += 1;
  });
  return {
    accept(which) {
      server.maxConnections = which === 'all' ? connectionsMax : 0;
    },
    connections: () => open.size,
    refused: () => refused,
    destroyAll() {
      for (const socket of open) socket.destroy();
    },
    room: () => (open.size >= server.maxConnections ? 'full' : 'has-room'),
  };
}

/** Returns what closes the connections that were of use and are owed nothing. */
function wire(server: Server, options: ListenerOptions, handler: ListenerHandler): () => void {
  const debts = createDebts(peerOf);
  const begin = (debt: Debt, request: IncomingMessage, response: ServerResponse, body: NodeBody): void => {
    const { socket } = request;
    const reply = new NodeReply(request, response, options.bodyTimeoutMs, debt);
    debt.owed = 'answer';
    debt.reply = reply;
    reply.onClosed(() => settleDebt(debt, socket, reply.closes()));
    handler.handle({
      head: headOf(request),
      peer: debt.peer,
      body,
      reply,
      startedMs: performance.now(),
    });
    if (reply.closes() === 'yes') debt.reading = 'over';
  };
  const accept = (
    request: IncomingMessage,
    response: ServerResponse,
    expects: 'continue' | 'nothing',
  ): void => {
    const { socket } = request;
    const debt = debts.of(socket);
    // Behind a request that was refused nobody knows where the next one begins.
    if (debt.reading === 'over' || !socket.writable) {
      holdReading(debt, socket);
      return;
    }
    const body = new NodeBody(request, response, expects, options.bodyTimeoutMs);
    if (debt.owed === 'nothing') {
      debt.newest = body;
      begin(debt, request, response, body);
      return;
    }
    awaitTurn(debt, socket, { body, begin: () => begin(debt, request, response, body) });
  };
  const refuse = (socket: Duplex, reason: MalformedReason, detail: string): void =>
    refuseBytes(debts.of(socket), socket, () => handler.malformed(reason, detail));
  server.on('request', (request, response) => accept(request, response, 'nothing'));
  server.on('checkContinue', (request, response) => accept(request, response, 'continue'));
  // The guard answers 417: an expectation we do not know must not be passed on.
  server.on('checkExpectation', (request, response) => accept(request, response, 'nothing'));
  server.on('upgrade', (request, socket, firstBytes) => {
    socket.on('error', () => socket.destroy());
    // Not of what node hands over: while a body is still to come, that is another object.
    const debt = debts.of(request.socket);
    if (debt.owed === 'answer') {
      debt.reading = 'over';
      keepStallLimit(request.socket);
      return;
    }
    debts.forget(request.socket);
    handler.upgrade(headOf(request), debt.peer, socket, firstBytes);
  });
  server.on('connect', (request, socket) => {
    socket.on('error', () => socket.destroy());
    keepStallLimit(request.socket);
    refuse(request.socket, 'method-not-supported', 'Onceward is not a forward proxy: CONNECT is not served.');
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else refuse(socket, ...malformedReason(error));
  });
  return debts.closeIdle;
}

/** node takes its own listeners off a socket before it hands it over, also while an answer is owed on it. */
function keepStallLimit(socket: Socket): void {
  socket.on('timeout', () => socket.destroy());
}

function malformedReason(error: NodeJS.ErrnoException): [MalformedReason, string] {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return ['head-too-large', 'The request head is larger than the configured limit.'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['request-timeout', 'The request head did not arrive in time.'];
    default:
      return ['bad-request', 'The bytes received are not a well-formed HTTP/1.1 request.'];
  }
}

function headOf(request: IncomingMessage): RequestHead {
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    rawHeaders: request.rawHeaders,
    httpVersion: request.httpVersion,
  };
}

function peerOf(socket: Duplex): Peer {
  if (socket instanceof TLSSocket) return tlsPeerOf(socket);
  const address = socket instanceof Socket ? (socket.remoteAddress ?? '') : '';
  return { address, protocol: 'http', certificate: null };
}
