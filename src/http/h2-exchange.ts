import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  constants,
  sensitiveHeaders,
} from 'node:http2';
import { classifyMethod } from '../core/classify.ts';
import type { ExchangeEnd } from '../core/settle.ts';
import type { RawHeaders } from '../core/wire.ts';
import { CONNECTION_FIELDS } from './h2-fields.ts';
import type { Exchange, ExchangeSink, OutgoingBody, OutgoingRequest } from './seam.ts';
import { messageOf } from './upstream-errors.ts';

/** Several clients share a connection: what is secret must stay out of its compression state (RFC 7541 section 7.1.3). */
const SECRET = ['authorization', 'cookie', 'idempotency-key', 'proxy-authorization'];
/** A backend that sends more heads before its answer means no answer. */
const INFORMATIONAL_MAX = 100;

/** A connection, as far as an exchange sees it. */
export type H2Line = {
  readonly session: ClientHttp2Session;
  /** The last stream that the backend says it may have begun with; null before a GOAWAY. */
  readonly lastStreamId: number | null;
  /** The backend has said something. */
  readonly heard: () => void;
};

export type H2ExchangeOptions = {
  readonly request: OutgoingRequest;
  readonly sink: ExchangeSink;
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  /** Once: the place in the session, or in the queue, is free again. */
  readonly onOver: (exchange: H2Exchange) => void;
};

/** One request over a stream of HTTP/2 and its answer. It is sent once; nothing here sends it again. */
export class H2Exchange implements Exchange {
  readonly #options: H2ExchangeOptions;
  readonly #sink: ExchangeSink;
  #stream: ClientHttp2Stream | null = null;
  #line: H2Line | null = null;
  #phase: 'waiting' | 'dispatched' | 'over' = 'waiting';
  #destroyedAs: ExchangeEnd | null = null;
  #status = 0;
  #informational = 0;
  /** ended: the last frame said END_STREAM. */
  #answer: 'open' | 'ended' = 'open';
  /** delivered: the sink has all of its body; what a connection that dies still holds would be missing. */
  #body: 'open' | 'delivered' = 'open';
  #trailers: RawHeaders | null = null;
  #upload: 'open' | 'ended' = 'open';

  constructor(options: H2ExchangeOptions) {
    this.#options = options;
    this.#sink = options.sink;
  }

  get sockets(): OutgoingRequest['sockets'] {
    return this.#options.request.sockets;
  }

  /** The session is connected and has room. */
  run(line: H2Line): void {
    if (this.#phase !== 'waiting') return;
    if (this.#sink.dispatching() === 'stop') {
      this.end({ kind: 'never-dispatched', cause: 'lease-too-short', message: 'stopped before dispatch' });
      return;
    }
    const { request } = this.#options;
    const isEmpty =
      request.body.kind === 'none' || (request.body.kind === 'bytes' && request.body.bytes.byteLength === 0);
    const options: ClientSessionRequestOptions = {
      endStream: isEmpty,
      // node ends a stream that it resets, and the end can go out first: an upload that broke off would be whole.
      waitForTrailers: request.body.kind === 'stream',
    };
    try {
      // The types know headers as an object; node takes lines too, and keeps their order and repetition.
      this.#stream = line.session.request(this.#lines() as never, options);
    } catch (error) {
      this.end({ kind: 'never-dispatched', cause: 'connect', message: messageOf(error) });
      return;
    }
    this.#phase = 'dispatched';
    this.#line = line;
    this.#listen(this.#stream, line);
    if (isEmpty) {
      this.#upload = 'ended';
      this.#sink.sent();
    } else this.#send(this.#stream, request.body);
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  destroy(as: ExchangeEnd): void {
    if (this.#phase === 'over' || this.#destroyedAs !== null) return;
    if (this.#stream === null) {
      this.end({ kind: 'never-dispatched', cause: 'stopped', message: 'given up before dispatch' });
      return;
    }
    this.#destroyedAs = as;
    this.#stream.close(constants.NGHTTP2_CANCEL);
    // A connection that takes no more bytes would never tell that the stream is closed.
    setImmediate(() => this.end(as));
  }

  end(end: ExchangeEnd): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    // The place of a stream is free once it is closed.
    if (this.#stream === null) this.#options.onOver(this);
    if (end.kind === 'complete' && this.#trailers !== null) this.#sink.trailers(this.#trailers);
    this.#sink.end(end);
  }

  #lines(): string[] {
    const { request, authority, scheme } = this.#options;
    const { rawHeaders } = request;
    const lines: string[] = [];
    let host = authority;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const lower = (rawHeaders[i] ?? '').toLowerCase();
      const value = rawHeaders[i + 1] ?? '';
      // RFC 9113 section 8.3.1: Host is `:authority`.
      if (lower === 'host') host = value;
      else if (!CONNECTION_FIELDS.has(lower) || (lower === 'te' && value === 'trailers'))
        lines.push(lower, value);
    }
    lines.unshift(':method', request.method, ':scheme', scheme, ':authority', host, ':path', request.target);
    return Object.assign(lines, { [sensitiveHeaders]: SECRET });
  }

  #listen(stream: ClientHttp2Stream, line: H2Line): void {
    const push = stream.push.bind(stream);
    // A reset without an error reads like an end; it comes once the stream is closed, and END_STREAM comes before.
    stream.push = (chunk, encoding) => {
      if (chunk === null && !stream.closed) this.#answer = 'ended';
      return push(chunk, encoding);
    };
    stream.on('headers', (_fields, _flags, rawHeaders) => {
      line.heard();
      this.#onInformational(rawHeaders);
    });
    stream.on('response', (_fields, _flags, rawHeaders) => {
      line.heard();
      this.#onHead(rawHeaders);
    });
    stream.on('data', (chunk: Buffer) => {
      line.heard();
      if (this.#isLive()) this.#sink.chunk(chunk);
    });
    // They may come while chunks still wait for a slow client.
    stream.on('trailers', (_fields, _flags, rawHeaders: unknown) => {
      this.#trailers = rawHeaders as RawHeaders;
    });
    stream.on('end', () => {
      if (this.#answer === 'ended') this.#body = 'delivered';
    });
    stream.on('wantTrailers', () => {
      if (this.#upload === 'ended') stream.sendTrailers({});
    });
    stream.on('error', () => undefined);
    // A session that ends tells its streams before it tells of its GOAWAY.
    stream.on('close', () =>
      setImmediate(() => {
        this.end(this.#verdict(stream));
        this.#options.onOver(this);
      }),
    );
  }

  #isLive(): boolean {
    return this.#phase === 'dispatched' && this.#destroyedAs === null;
  }

  #onHead(rawHeaders: RawHeaders): void {
    if (!this.#isLive()) return;
    const status = statusOf(rawHeaders);
    if (!(status >= 200 && status <= 599)) this.#refuse('a status that is none');
    else {
      this.#status = status;
      this.#sink.head({ status, rawHeaders: withoutPseudo(rawHeaders) }, 'proven');
    }
  }

  #onInformational(rawHeaders: RawHeaders): void {
    if (!this.#isLive()) return;
    this.#informational += 1;
    const status = statusOf(rawHeaders);
    if (this.#informational > INFORMATIONAL_MAX) this.#refuse('too many informational responses');
    else if (!(status >= 100 && status <= 199)) this.#refuse('a status that is none');
    else this.#sink.informational({ status, rawHeaders: withoutPseudo(rawHeaders) });
  }

  #refuse(message: string): void {
    this.destroy({ kind: 'failed', cause: 'bad-framing', message });
  }

  #verdict(stream: ClientHttp2Stream): ExchangeEnd {
    if (this.#destroyedAs !== null) return this.#destroyedAs;
    const { rstCode } = stream;
    if (this.#status !== 0 && this.#body === 'delivered' && rstCode === constants.NGHTTP2_NO_ERROR)
      return { kind: 'complete', status: this.#status, end: 'proven' };
    const isRefused = this.#line !== null && isUnprocessed(stream, this.#line, this.#options.request);
    // RFC 9113 section 8.7: nothing of it was looked at, though its bytes had left.
    if (this.#status === 0 && this.#informational === 0 && isRefused)
      return { kind: 'never-dispatched', cause: 'refused-stream', message: 'the backend took no new stream' };
    const message = `the stream was closed with code ${rstCode ?? 0}`;
    if (rstCode === constants.NGHTTP2_PROTOCOL_ERROR || rstCode === constants.NGHTTP2_FRAME_SIZE_ERROR)
      return { kind: 'failed', cause: 'bad-framing', message };
    return { kind: 'failed', cause: this.#status >= 200 ? 'truncated' : 'reset', message };
  }

  #send(stream: ClientHttp2Stream, body: OutgoingBody): void {
    if (body.kind === 'bytes') {
      this.#upload = 'ended';
      stream.end(body.bytes);
      this.#sink.sent();
    } else if (body.kind === 'stream') void this.#pump(stream, body.open);
  }

  /** Never rejects: an upload that breaks off breaks the exchange. */
  async #pump(
    stream: ClientHttp2Stream,
    open: Extract<OutgoingBody, { kind: 'stream' }>['open'],
  ): Promise<void> {
    try {
      for await (const chunk of open(() => this.#sink.uploaded())) {
        if (stream.closed || stream.destroyed) return;
        if (!stream.write(chunk)) await drained(stream);
      }
      if (stream.closed || stream.destroyed) return;
      this.#upload = 'ended';
      stream.end();
      this.#sink.sent();
    } catch (error) {
      this.destroy({ kind: 'failed', cause: 'aborted', message: messageOf(error) });
    }
  }
}

/**
 * Whether the backend has said that it did not begin with this stream, so that it can be believed (RFC 9113 sections 6.8
 * and 8.7). A GOAWAY gives its own code to every stream that it ends, also to those it may have begun with. And HAProxy
 * says REFUSED_STREAM too when the server behind it took the request and then broke the connection (test/matrix): that is
 * enough to repeat what may be repeated anyway, and no proof.
 */
function isUnprocessed(
  stream: ClientHttp2Stream,
  { lastStreamId }: H2Line,
  { method, sockets }: OutgoingRequest,
): boolean {
  if (lastStreamId !== null) return (stream.id ?? 0) > lastStreamId;
  const isHarmless = sockets === 'shared' && classifyMethod(method) !== 'unsafe';
  return isHarmless && stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
}

function drained(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}

function statusOf(rawHeaders: RawHeaders): number {
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (rawHeaders[i] === ':status') return Number(rawHeaders[i + 1]);
  return 0;
}

function withoutPseudo(rawHeaders: RawHeaders): RawHeaders {
  const lines: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!name.startsWith(':')) lines.push(name, String(rawHeaders[i + 1] ?? ''));
  }
  return lines;
}
