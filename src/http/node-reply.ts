import type { IncomingMessage, ServerResponse } from 'node:http';
import { informationalHeaders } from '../core/headers.ts';
import type { ResponseHead } from '../core/wire.ts';
import { type Debt, holdReading, letRead } from './debts.ts';
import { fieldRecord } from './field-record.ts';
import type { Reply } from './seam.ts';

/** An upload that nobody reads is drained this far before its connection is closed. */
const LINGER_BYTES_MAX = 1024 * 1024;
const LINGER_MS = 1_000;

/** The answer over a node:http response. */
export class NodeReply implements Reply {
  readonly #response: ServerResponse;
  readonly #request: IncomingMessage;
  readonly #stallMs: number;
  readonly #debt: Debt;
  #closed: 'no' | 'yes' = 'no';
  #closes: 'yes' | 'no' = 'no';
  #closedListeners: (() => void)[] = [];
  #state: 'open' | 'head-sent' | 'ended' | 'gone' = 'open';
  #goneListener: (() => void) | null = null;

  /** `stallMs`: a client that takes no byte of what waits for it for this long has its connection broken. */
  constructor(request: IncomingMessage, response: ServerResponse, stallMs: number, debt: Debt) {
    this.#debt = debt;
    this.#request = request;
    this.#stallMs = stallMs;
    this.#response = response;
    // Date is part of what is stored and replayed; a field added here would differ between the two.
    response.sendDate = false;
    response.on('close', () => {
      this.#closed = 'yes';
      if (this.#state !== 'ended') {
        this.#state = 'gone';
        this.#goneListener?.();
      }
      for (const listener of this.#closedListeners.splice(0)) listener();
    });
    response.on('error', () => undefined);
  }

  state(): 'open' | 'head-sent' | 'ended' | 'gone' {
    return this.#state;
  }

  informational(head: ResponseHead): void {
    // RFC 9110 section 15.2: never to an HTTP/1.0 client. 100 is ours to send, 101 ends HTTP.
    if (this.#state !== 'open' || head.status < 102 || this.#request.httpVersion !== '1.1') return;
    this.#response.writeInformation(head.status, fieldRecord(informationalHeaders(head.rawHeaders)));
  }

  send(head: ResponseHead, body: Uint8Array | null): void {
    if (this.#state !== 'open') return;
    this.#writeHead(head);
    if (this.#request.complete || !expectsBody(this.#request)) {
      this.end(body);
      return;
    }
    this.#endWithLinger(body);
  }

  begin(head: ResponseHead): void {
    if (this.#state !== 'open') return;
    this.#writeHead(head);
    this.#state = 'head-sent';
  }

  flushHead(): void {
    if (this.#state === 'head-sent') this.#response.flushHeaders();
  }

  write(chunk: Uint8Array): 'more' | 'wait' {
    if (this.#state !== 'head-sent') return 'more';
    if (this.#response.write(chunk)) return 'more';
    this.#limitStall();
    return 'wait';
  }

  trailers(): void {
    // Dropped: a client of HTTP/1.1 may merge them into the head, where they were not judged.
  }

  end(lastChunk: Uint8Array | null): void {
    if (this.#state === 'ended' || this.#state === 'gone') return;
    this.#state = 'ended';
    if (lastChunk === null || lastChunk.byteLength === 0) this.#response.end();
    else this.#response.end(lastChunk);
    this.#limitLeaving();
    if (!this.#request.complete && expectsBody(this.#request)) this.#drainUpload();
  }

  destroy(): void {
    if (this.#state === 'ended' || this.#state === 'gone') return;
    this.#state = 'gone';
    this.#response.destroy();
  }

  onDrain(listener: () => void): void {
    // Of the socket: behind an upgrade node tells the response no more.
    this.#request.socket.once('drain', listener);
  }

  /** What the kernel did not take at once waits for the client, and not for ever. */
  #limitLeaving(): void {
    if (this.#request.socket.writableLength > 0) this.#setLimit();
  }

  /** Until the client has taken what waits: a backend that is silent afterwards is not its fault. */
  #limitStall(): void {
    if (this.#debt.taking === 'stalled') return;
    this.#setLimit();
    this.#request.socket.once('drain', () => {
      this.#debt.taking = 'on';
      if (this.#state !== 'head-sent') return;
      this.#response.setTimeout(0);
      letRead(this.#debt, this.#request.socket);
    });
  }

  #setLimit(): void {
    this.#debt.taking = 'stalled';
    this.#response.setTimeout(this.#stallMs);
    holdReading(this.#debt, this.#request.socket);
  }

  onGone(listener: () => void): void {
    this.#goneListener = listener;
    if (this.#state === 'gone') listener();
  }

  onClosed(listener: () => void): void {
    if (this.#closed === 'yes') listener();
    else this.#closedListeners.push(listener);
  }

  /** yes: the connection is over with this answer, and what was pipelined behind its request is not taken. */
  closes(): 'yes' | 'no' {
    return this.#closes;
  }

  #writeHead(head: ResponseHead): void {
    // Ours are the last two: of an answer of the backend the connection fields have been dropped.
    const { length } = head.rawHeaders;
    if (length > 1 && head.rawHeaders[length - 2] === 'Connection' && head.rawHeaders[length - 1] === 'close')
      this.#closes = 'yes';
    this.#response.writeHead(head.status, head.rawHeaders as string[]);
    // Also where node closes of itself: a 100 that was waited for and never sent.
    if (!this.#response.shouldKeepAlive) this.#closes = 'yes';
  }

  /**
   * The answer was decided before the upload was read. The client gets it at once and is read on for a moment:
   * closing with unread bytes would reset the connection and could take the answer with it (RFC 9112 section 9.6).
   */
  #endWithLinger(body: Uint8Array | null): void {
    const request = this.#request;
    this.#state = 'ended';
    if (body !== null && body.byteLength > 0) this.#response.write(body);
    else this.#response.flushHeaders();
    let drained = 0;
    const finish = (): void => {
      clearTimeout(timer);
      request.off('data', count);
      request.off('end', finish);
      this.#response.end();
      this.#limitLeaving();
      if (!request.complete) this.#response.once('finish', () => request.socket.destroySoon());
    };
    const count = (chunk: Buffer): void => {
      drained += chunk.length;
      if (drained > LINGER_BYTES_MAX) finish();
    };
    const timer = setTimeout(finish, LINGER_MS);
    request.on('data', count);
    request.on('end', finish);
    request.once('close', finish);
    request.resume();
  }

  /**
   * The backend answered before the end of an upload that was passed on to it, and reads no more (RFC 9112 section
   * 9.6). Its rest is read away, else the next request on this connection would wait behind it for ever.
   */
  #drainUpload(): void {
    const request = this.#request;
    let drained = 0;
    const stop = (): void => {
      clearTimeout(timer);
      request.off('data', count);
      request.off('end', stop);
      request.off('close', stop);
      if (!request.complete) request.socket.destroySoon();
    };
    const count = (chunk: Buffer): void => {
      drained += chunk.length;
      if (drained > LINGER_BYTES_MAX) stop();
    };
    const timer = setTimeout(stop, LINGER_MS);
    // The stream that was passed on still listens, and a stream with such a listener does not flow.
    request.removeAllListeners('readable');
    request.on('data', count);
    request.on('end', stop);
    request.on('close', stop);
  }
}

function expectsBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}
