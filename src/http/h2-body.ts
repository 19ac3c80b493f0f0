import type { ServerHttp2Stream } from 'node:http2';
import { collectBody, streamBody } from './collect-body.ts';
import type { BodyRead, ByteBudget, RequestBody } from './seam.ts';

const EMPTY = new Uint8Array(0);

export type H2BodyOptions = {
  /** As the head announced it; null: not announced. */
  readonly lengthBytes: number | null;
  readonly expects: 'continue' | 'nothing';
  readonly timeoutMs: number;
};

/** The body of a request of HTTP/2: its end is the END_STREAM flag (RFC 9113 section 8.1). */
export class H2Body implements RequestBody {
  readonly framing: 'none' | 'length' | 'chunked';
  readonly lengthBytes: number | null;
  readonly #stream: ServerHttp2Stream;
  readonly #timeoutMs: number;
  #expects: 'continue' | 'nothing';
  #taken: 'taken' | 'untouched' = 'untouched';
  #complete: 'complete' | 'incomplete';

  constructor(stream: ServerHttp2Stream, { lengthBytes, expects, timeoutMs }: H2BodyOptions) {
    this.#stream = stream;
    this.#timeoutMs = timeoutMs;
    this.#expects = expects;
    this.lengthBytes = lengthBytes;
    this.framing = stream.endAfterHeaders ? 'none' : lengthBytes === null ? 'chunked' : 'length';
    this.#complete = stream.endAfterHeaders ? 'complete' : 'incomplete';
    // A stream that is reset without an error ends like one that is whole, but for `aborted`.
    stream.once('end', () => {
      if (!stream.aborted) this.#complete = 'complete';
    });
  }

  complete(): 'complete' | 'incomplete' {
    return this.#complete;
  }

  taken(): 'taken' | 'untouched' {
    return this.#taken;
  }

  read(bytesMax: number, budget: ByteBudget): Promise<BodyRead> {
    if (this.framing === 'none') return Promise.resolve({ kind: 'complete', bytes: EMPTY });
    if (this.lengthBytes !== null && this.lengthBytes > bytesMax)
      return Promise.resolve({ kind: 'too-large' });
    if (this.#stream.aborted) return Promise.resolve({ kind: 'aborted' });
    this.#take();
    return collectBody(this.#stream, { bytesMax, budget, timeoutMs: this.#timeoutMs, brokenBy: 'aborted' });
  }

  stream(onChunk: (chunk: Uint8Array) => void): AsyncIterable<Uint8Array> {
    const stream = this.#stream;
    return streamBody(stream, {
      begin: () => {
        if (stream.aborted) throw new Error('the client left before the end of the body');
        this.#take();
      },
      chunks: () => stream.iterator({ destroyOnReturn: false }),
      timeoutMs: this.#timeoutMs,
      isWhole: () => !stream.aborted,
      onChunk,
    });
  }

  #take(): void {
    this.#taken = 'taken';
    if (this.#expects === 'nothing') return;
    this.#expects = 'nothing';
    if (!this.#stream.headersSent && !this.#stream.destroyed)
      this.#stream.additionalHeaders({ ':status': 100 });
  }
}
