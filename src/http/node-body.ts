import type { IncomingMessage, ServerResponse } from 'node:http';
import { collectBody, streamBody } from './collect-body.ts';
import type { BodyRead, ByteBudget, RequestBody } from './seam.ts';

const EMPTY = new Uint8Array(0);

/** The body of a node:http request. */
export class NodeBody implements RequestBody {
  readonly framing: 'none' | 'length' | 'chunked';
  readonly lengthBytes: number | null;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #timeoutMs: number;
  #expects: 'continue' | 'nothing';
  #parse: 'sound' | 'failed' = 'sound';
  #use: 'untouched' | 'collecting' | 'streaming' = 'untouched';

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    expects: 'continue' | 'nothing',
    timeoutMs: number,
  ) {
    this.#request = request;
    this.#response = response;
    this.#expects = expects;
    this.#timeoutMs = timeoutMs;
    if (request.headers['transfer-encoding'] !== undefined) {
      this.framing = 'chunked';
      this.lengthBytes = null;
    } else {
      const length = request.headers['content-length'];
      this.lengthBytes = length === undefined ? null : Number(length);
      this.framing = length === undefined || length === '0' ? 'none' : 'length';
    }
  }

  /** streaming: some of it may be at the backend already. */
  use(): 'untouched' | 'collecting' | 'streaming' {
    return this.#use;
  }

  complete(): 'complete' | 'incomplete' {
    return this.#request.complete ? 'complete' : 'incomplete';
  }

  /** The rest of it is no HTTP: whoever reads it from now on learns that it broke off. */
  fail(): void {
    this.#parse = 'failed';
  }

  taken(): 'taken' | 'untouched' {
    return this.#use === 'untouched' ? 'untouched' : 'taken';
  }

  read(bytesMax: number, budget: ByteBudget): Promise<BodyRead> {
    if (this.framing === 'none') return Promise.resolve({ kind: 'complete', bytes: EMPTY });
    // Judged by the announcement: no byte of it is read, no 100 is sent.
    if (this.lengthBytes !== null && this.lengthBytes > bytesMax)
      return Promise.resolve({ kind: 'too-large' });
    if (this.#parse === 'failed') return Promise.resolve({ kind: 'aborted' });
    this.#take('collecting');
    return collectBody(this.#request, { bytesMax, budget, timeoutMs: this.#timeoutMs, brokenBy: 'close' });
  }

  stream(onChunk: (chunk: Uint8Array) => void): AsyncIterable<Uint8Array> {
    const request = this.#request;
    return streamBody(request, {
      begin: () => {
        if (this.#parse === 'failed') throw new Error('the body is not well-formed');
        this.#take('streaming');
      },
      chunks: () => request[Symbol.asyncIterator](),
      timeoutMs: this.#timeoutMs,
      isWhole: () => request.complete,
      onChunk,
    });
  }

  #take(use: 'collecting' | 'streaming'): void {
    this.#use = use;
    if (this.#expects === 'continue') {
      this.#expects = 'nothing';
      this.#response.writeContinue();
    }
  }
}
