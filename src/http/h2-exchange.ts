import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  constants,
  sensitiveHeaders,
} from 'node:http2';
import type { ExchangeEnd } from '../core/settle.ts';
import type { RawHeaders } from '../core/wire.ts';
import type { Exchange, ExchangeSink, OutgoingBody, OutgoingRequest } from './seam.ts';
import { messageOf } from './upstream-errors.ts';

/** Fields of a connection, and Host, which is `:authority` here (RFC 9113 sections 8.2.2 and 8.3.1). */
const NOT_SENT: ReadonlySet<string> = new Set([
  'connection',
  'host',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);
/** Several clients share a connection: what is secret must stay out of its compression state (RFC 7541 section 7.1.3). */
const SECRET = ['authorization', 'cookie', 'idempotency-key', 'proxy-authorization'];
/** A backend that sends more heads before its answer means no answer. */
const INFORMATIONAL_MAX = 100;

export type H2ExchangeOptions = {
  readonly request: OutgoingRequest;
  readonly sink: ExchangeSink;
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  /** Whether the backend has said that it did not begin with this stream (RFC 9113 section 6.8). */
  readonly isUnprocessed: (session: ClientHttp2Session, stream: ClientHttp2Stream) => boolean;
  /** Once: the place in the session, or in the queue, is free again. */
  readonly onOver: (exchange: H2Exchange) => void;
};

/** One request over a stream of HTTP/2 and its answer. It is sent once; nothing here sends it again. */
export class H2Exchange implements Exchange {
  readonly #options: H2ExchangeOptions;
  readonly #sink: ExchangeSink;
  #stream: ClientHttp2Stream | null = null;
  #session: ClientHttp2Session | null = null;
  #phase: 'waiting' | 'dispatched' | 'over' = 'waiting';
  #destroyedAs: ExchangeEnd | null = null;
  #status = 0;
  #informational = 0;
  /** ended: the last frame said END_STREAM. */
  #answer: 'open' | 'ended' = 'open';
  #upload: 'open' | 'ended' = 'open';

  constructor(options: H2ExchangeOptions) {
    this.#options = options;
    this.#sink = options.sink;
  }

  get sockets(): OutgoingRequest['sockets'] {
    return this.#options.request.sockets;
  }

  /** The session is connected and has room. */
  run(session: ClientHttp2Session): void {
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
      this.#stream = session.request(this.#lines() as never, options);
    } catch (error) {
      this.end({ kind: 'never-dispatched', cause: 'connect', message: messageOf(error) });
      return;
    }
    this.#phase = 'dispatched';
    this.#session = session;
    this.#listen(this.#stream);
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
    if (this.#phase === 'over') return;
    if (this.#stream === null) {
      this.end({ kind: 'never-dispatched', cause: 'stopped', message: 'given up before dispatch' });
      return;
    }
    this.#destroyedAs = as;
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  end(end: ExchangeEnd): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#options.onOver(this);
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
      if (lower === 'host') host = value;
      if (!NOT_SENT.has(lower) && (lower !== 'te' || value === 'trailers')) lines.push(lower, value);
    }
    lines.unshift(':method', request.method, ':scheme', scheme, ':authority', host, ':path', request.target);
    return Object.assign(lines, { [sensitiveHeaders]: SECRET });
  }

  #listen(stream: ClientHttp2Stream): void {
    const push = stream.push.bind(stream);
    // A reset without an error reads like an end; it comes once the stream is closed, and END_STREAM comes before.
    stream.push = (chunk, encoding) => {
      if (chunk === null && !stream.closed) this.#answer = 'ended';
      return push(chunk, encoding);
    };
    stream.on('headers', (_fields, _flags, rawHeaders) => this.#onInformational(rawHeaders));
    stream.on('response', (_fields, flags, rawHeaders) => {
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) this.#answer = 'ended';
      this.#status = statusOf(rawHeaders);
      if (this.#phase === 'dispatched')
        this.#sink.head({ status: this.#status, rawHeaders: withoutPseudo(rawHeaders) }, 'proven');
    });
    stream.on('data', (chunk: Buffer) => {
      if (this.#phase === 'dispatched' && this.#destroyedAs === null) this.#sink.chunk(chunk);
    });
    stream.on('trailers', (_fields, _flags, rawHeaders: unknown) => {
      if (this.#phase === 'dispatched') this.#sink.trailers(rawHeaders as RawHeaders);
    });
    stream.on('wantTrailers', () => {
      if (this.#upload === 'ended') stream.sendTrailers({});
    });
    stream.on('error', () => undefined);
    // A session that ends tells its streams before it tells of its GOAWAY.
    stream.on('close', () => setImmediate(() => this.end(this.#verdict(stream))));
  }

  #onInformational(rawHeaders: RawHeaders): void {
    if (this.#phase !== 'dispatched') return;
    this.#informational += 1;
    if (this.#informational > INFORMATIONAL_MAX)
      this.destroy({ kind: 'failed', cause: 'bad-framing', message: 'too many informational responses' });
    else this.#sink.informational({ status: statusOf(rawHeaders), rawHeaders: withoutPseudo(rawHeaders) });
  }

  #verdict(stream: ClientHttp2Stream): ExchangeEnd {
    if (this.#destroyedAs !== null) return this.#destroyedAs;
    const { rstCode } = stream;
    if (this.#status !== 0 && this.#answer === 'ended' && rstCode === constants.NGHTTP2_NO_ERROR)
      return { kind: 'complete', status: this.#status, end: 'proven' };
    const isRefused =
      rstCode === constants.NGHTTP2_REFUSED_STREAM ||
      (this.#session !== null && this.#options.isUnprocessed(this.#session, stream));
    // RFC 9113 section 8.7: nothing of it was looked at, though its bytes had left.
    if (this.#status === 0 && isRefused)
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
