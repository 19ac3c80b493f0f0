import { constants, type ServerHttp2Stream, type ServerStreamResponseOptions } from 'node:http2';
import { informationalHeaders } from '../core/headers.ts';
import type { RawHeaders, ResponseHead } from '../core/wire.ts';
import { fieldRecord } from './field-record.ts';
import { CONNECTION_FIELDS } from './h2-fields.ts';
import type { Reply } from './seam.ts';

export type H2ReplyOptions = {
  /** A client that takes no byte of what waits for it for this long has its stream broken. */
  readonly stallMs: number;
  /** accepted: the client said `TE: trailers` (RFC 9110 section 10.1.4). */
  readonly trailers: 'accepted' | 'dropped';
};

/** The answer over a stream of HTTP/2. */
export class H2Reply implements Reply {
  readonly #stream: ServerHttp2Stream;
  readonly #options: H2ReplyOptions;
  #state: 'open' | 'head-sent' | 'ended' | 'gone' = 'open';
  #closed: 'no' | 'yes' = 'no';
  #closedListeners: (() => void)[] = [];
  #goneListener: (() => void) | null = null;
  #trailers: RawHeaders = [];
  #stall: 'free' | 'limited' = 'free';

  constructor(stream: ServerHttp2Stream, options: H2ReplyOptions) {
    this.#stream = stream;
    this.#options = options;
    stream.on('aborted', () => this.#leave());
    stream.on('close', () => {
      this.#closed = 'yes';
      if (this.#state !== 'ended') this.#leave();
      for (const listener of this.#closedListeners.splice(0)) listener();
    });
    stream.on('error', () => undefined);
    stream.on('timeout', () => stream.close(constants.NGHTTP2_CANCEL));
    stream.on('wantTrailers', () => {
      if (this.#state === 'ended') this.#submit(() => stream.sendTrailers(this.#wanted()));
    });
    // Answered before the end of an upload that nobody will read (RFC 9113 section 8.1).
    stream.on('finish', () => {
      if (!stream.readableEnded && !stream.endAfterHeaders) setImmediate(() => this.#letGo());
    });
  }

  state(): 'open' | 'head-sent' | 'ended' | 'gone' {
    return this.#state;
  }

  informational(head: ResponseHead): void {
    // 100 is ours to send; there is no 101 in HTTP/2 (RFC 9113 section 8.6).
    if (this.#state !== 'open' || head.status < 102) return;
    const fields = fieldRecord(addLines<string>([], informationalHeaders(head.rawHeaders)));
    this.#submit(() => this.#stream.additionalHeaders({ ...fields, ':status': head.status }));
  }

  send(head: ResponseHead, body: Uint8Array | null): void {
    if (this.#state !== 'open') return;
    const isEmpty = body === null || body.byteLength === 0;
    this.#respond(head, isEmpty ? 'whole' : 'body-follows');
    if (isEmpty) {
      this.#state = 'ended';
      return;
    }
    this.end(body);
  }

  begin(head: ResponseHead): void {
    if (this.#state !== 'open') return;
    this.#respond(head, 'body-follows');
    this.#state = 'head-sent';
  }

  flushHead(): void {
    // A head is a frame of its own and has left.
  }

  write(chunk: Uint8Array): 'more' | 'wait' {
    if (this.#state !== 'head-sent' || this.#stream.writableEnded) return 'more';
    if (this.#stream.write(chunk)) return 'more';
    this.#limitStall();
    return 'wait';
  }

  trailers(rawTrailers: RawHeaders): void {
    this.#trailers = rawTrailers;
  }

  end(lastChunk: Uint8Array | null): void {
    if (this.#state === 'ended' || this.#state === 'gone') return;
    this.#state = 'ended';
    // Of a HEAD, a 204 or a 304 node has ended the stream with the head.
    if (this.#stream.writableEnded) return;
    if (lastChunk === null || lastChunk.byteLength === 0) this.#stream.end();
    else this.#stream.end(lastChunk);
    if (this.#stream.writableLength > 0) this.#stream.setTimeout(this.#options.stallMs);
  }

  destroy(): void {
    if (this.#state === 'ended' || this.#state === 'gone') return;
    this.#state = 'gone';
    // Never NO_ERROR: a client could take what it has for a whole answer.
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  onDrain(listener: () => void): void {
    this.#stream.once('drain', listener);
  }

  onGone(listener: () => void): void {
    this.#goneListener = listener;
    if (this.#state === 'gone') listener();
  }

  onClosed(listener: () => void): void {
    if (this.#closed === 'yes') listener();
    else this.#closedListeners.push(listener);
  }

  #respond(head: ResponseHead, end: 'whole' | 'body-follows'): void {
    const lines = addLines<string | number>([':status', head.status], head.rawHeaders);
    const options: ServerStreamResponseOptions & { readonly sendDate: false } = {
      endStream: end === 'whole',
      // Date is part of what is stored and replayed; a field added here would differ between the two.
      sendDate: false,
      // Also where there will be none. node ends a stream that it resets, and the end can go out first: without this
      // an answer that broke off would be a whole one to its client.
      waitForTrailers: end === 'body-follows',
    };
    // The types ask for strings; node takes the status as the number it is.
    this.#submit(() => this.#stream.respond(lines as string[], options));
  }

  /** node throws where the client went away in this very moment, and where a field has no place in HTTP/2. */
  #submit(frames: () => void): void {
    try {
      frames();
    } catch {
      this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    }
  }

  #wanted(): Record<string, string | string[]> {
    return this.#options.trailers === 'accepted' ? fieldRecord(addLines<string>([], this.#trailers)) : {};
  }

  /** Until the client has taken what waits: a backend that is silent afterwards is not its fault. */
  #limitStall(): void {
    if (this.#stall === 'limited') return;
    this.#stall = 'limited';
    this.#stream.setTimeout(this.#options.stallMs);
    this.#stream.once('drain', () => {
      this.#stall = 'free';
      if (this.#state === 'head-sent') this.#stream.setTimeout(0);
    });
  }

  #letGo(): void {
    if (!this.#stream.readableEnded && !this.#stream.destroyed)
      this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  #leave(): void {
    if (this.#state === 'ended' || this.#state === 'gone') return;
    this.#state = 'gone';
    this.#goneListener?.();
  }
}

/** Puts to the list, in lower case, all but the fields of a connection. */
function addLines<Line>(lines: (Line | string)[], rawHeaders: RawHeaders): (Line | string)[] {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const lower = (rawHeaders[i] ?? '').toLowerCase();
    if (!CONNECTION_FIELDS.has(lower)) lines.push(lower, rawHeaders[i + 1] ?? '');
  }
  return lines;
}
