import type { CallerCertificate } from '../core/caller.ts';
import type { ExchangeEnd } from '../core/settle.ts';
import type { RawHeaders, RequestHead, ResponseHead } from '../core/wire.ts';

/**
 * The seam between the pipeline and the wire: node:http and undici stay on the far side of it.
 * Callbacks instead of promises where a request would otherwise pay for each chunk.
 */

export type Peer = {
  readonly address: string;
  readonly protocol: 'http' | 'https';
  /** That the TLS handshake verified; null: none was asked for, or none was given. */
  readonly certificate: CallerCertificate | null;
};

export type BodyRead =
  | { readonly kind: 'complete'; readonly bytes: Uint8Array }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'timed-out' }
  /** The budget for bodies in memory is used up. */
  | { readonly kind: 'no-room' };

export type RequestBody = {
  readonly framing: 'none' | 'length' | 'chunked';
  /** Content-Length, or null when chunked or absent. */
  readonly lengthBytes: number | null;
  /** The whole body, bounded in bytes and time; answers `Expect: 100-continue` first. */
  read(bytesMax: number, budget: ByteBudget): Promise<BodyRead>;
  /** The body as it comes, for a request that is passed on; answers `Expect: 100-continue` first. */
  stream(onChunk: (chunk: Uint8Array) => void): AsyncIterable<Uint8Array>;
  /** Whether its last byte has come. */
  complete(): 'complete' | 'incomplete';
  /** Whether any of it was taken by read() or stream(). */
  taken(): 'taken' | 'untouched';
};

/** Where the answer goes. After `gone` every call is a no-op, so a caller need not look. */
export type Reply = {
  state(): 'open' | 'head-sent' | 'ended' | 'gone';
  informational(head: ResponseHead): void;
  /** The whole answer, in one write where the wire allows it. */
  send(head: ResponseHead, body: Uint8Array | null): void;
  begin(head: ResponseHead): void;
  /** Sends the head without waiting for a first chunk. */
  flushHead(): void;
  /** `wait`: the client reads slower than the upstream writes; go on after onDrain. */
  write(chunk: Uint8Array): 'more' | 'wait';
  /** Trailer fields for the end of the answer, before end(); left out where the wire to this client has no place for them. */
  trailers(rawTrailers: RawHeaders): void;
  end(lastChunk: Uint8Array | null): void;
  /** Breaks the connection, so that the client cannot take what it has for a whole answer. */
  destroy(): void;
  onDrain(listener: () => void): void;
  /** The client went away before the answer had ended. */
  onGone(listener: () => void): void;
  /** The last byte left for the network, or the connection is gone; at once when it is so already. */
  onClosed(listener: () => void): void;
};

export type Incoming = {
  readonly head: RequestHead;
  readonly peer: Peer;
  readonly body: RequestBody;
  readonly reply: Reply;
  /** `performance.now()` at which the head was complete. */
  readonly startedMs: number;
};

export type OutgoingBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** `onChunk` runs for every chunk that is handed on. */
  | { readonly kind: 'stream'; readonly open: (onChunk: () => void) => AsyncIterable<Uint8Array> };

export type OutgoingRequest = {
  readonly method: string;
  readonly target: string;
  readonly rawHeaders: RawHeaders;
  readonly body: OutgoingBody;
  /** keyed: a socket that is new or idle for less than a second, pipelining 1. */
  readonly sockets: 'keyed' | 'shared';
};

export type ExchangeSink = {
  /** Called immediately before the first byte is handed to the socket; `stop` makes the exchange never-dispatched. */
  dispatching(): 'go' | 'stop';
  /** A chunk of a streamed request was handed on. */
  uploaded(): void;
  /** The last byte of the request was handed to the socket. */
  sent(): void;
  informational(head: ResponseHead): void;
  /** `end`: whether the message says itself where it ends (RFC 9112 section 6.3). */
  head(head: ResponseHead, end: 'proven' | 'unproven'): void;
  chunk(bytes: Uint8Array): void;
  /** Trailer fields of a final response, after its last chunk and before `end`; at most once. */
  trailers(rawTrailers: RawHeaders): void;
  /** Exactly once, last. */
  end(end: ExchangeEnd): void;
};

/** Of a final response: its end-to-end field lines as they are stored and sent on. */
export type EditHead = (status: number, rawHeaders: string[]) => string[];

export type Exchange = {
  pause(): void;
  resume(): void;
  /** Destroys the connection; the sink's end follows with the given end. */
  destroy(as: ExchangeEnd): void;
};

export type Upstream = {
  start(request: OutgoingRequest, sink: ExchangeSink): Exchange;
  /** host:port for the Host field. */
  readonly authority: string;
  readonly origin: string;
  close(): Promise<void>;
};

/** Bytes of bodies held in memory over all requests. */
export type ByteBudget = {
  take(bytes: number): 'ok' | 'full';
  give(bytes: number): void;
  usedBytes(): number;
};
