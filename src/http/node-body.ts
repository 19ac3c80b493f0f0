import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BodyRead, ByteBudget, RequestBody } from './seam.ts';

const EMPTY = new Uint8Array(0);
/** A body that is read may take this many idle times in all. */
const TOTAL_FACTOR = 10;

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
    return new Promise((resolve) => this.#collect(bytesMax, budget, resolve));
  }

  async *stream(onChunk: (chunk: Uint8Array) => void): AsyncIterable<Uint8Array> {
    if (this.#parse === 'failed') throw new Error('the body is not well-formed');
    this.#take('streaming');
    const request = this.#request;
    const chunks: AsyncIterator<Buffer> = request[Symbol.asyncIterator]();
    for (;;) {
      // Runs only while the client is waited for: a slow upstream is not the client's fault.
      const timer = setTimeout(
        () => request.destroy(new Error('the client stopped sending its body')),
        this.#timeoutMs,
      );
      const next = await chunks.next().finally(() => clearTimeout(timer));
      if (next.done === true) break;
      onChunk(next.value);
      yield next.value;
    }
    if (!request.complete) throw new Error('the client left before the end of the body');
  }

  #take(use: 'collecting' | 'streaming'): void {
    this.#use = use;
    if (this.#expects === 'continue') {
      this.#expects = 'nothing';
      this.#response.writeContinue();
    }
  }

  #collect(bytesMax: number, budget: ByteBudget, resolve: (read: BodyRead) => void): void {
    const request = this.#request;
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (read: BodyRead): void => {
      clearTimeout(timer);
      request.off('data', onData);
      request.off('end', onEnd);
      request.off('close', onClose);
      // The caller owns the bytes of a complete body; of anything else nothing is kept.
      if (read.kind !== 'complete') budget.give(bytes);
      resolve(read);
    };
    const lastMs = performance.now() + this.#timeoutMs * TOTAL_FACTOR;
    const onData = (chunk: Buffer): void => {
      if (performance.now() > lastMs) {
        settle({ kind: 'timed-out' });
        return;
      }
      timer.refresh();
      if (budget.take(chunk.length) === 'full') {
        settle({ kind: 'no-room' });
        return;
      }
      bytes += chunk.length;
      if (bytes > bytesMax) {
        request.pause();
        settle({ kind: 'too-large' });
        return;
      }
      chunks.push(chunk);
    };
    const onEnd = (): void => {
      const only = chunks[0];
      settle({
        kind: 'complete',
        bytes: chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes),
      });
    };
    const onClose = (): void => settle({ kind: 'aborted' });
    // Idle, and bounded in all: a byte now and then must not hold a place for ever.
    const timer = setTimeout(() => settle({ kind: 'timed-out' }), this.#timeoutMs);
    request.on('data', onData);
    request.on('end', onEnd);
    request.on('close', onClose);
    if (request.destroyed) settle({ kind: 'aborted' });
  }
}
