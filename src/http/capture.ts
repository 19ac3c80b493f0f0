import { endToEndTrailers, isTrailersOnly } from '../core/grpc.ts';
import { endToEndResponseHeaders, mayHaveBody } from '../core/headers.ts';
import type { RoutePolicy } from '../core/policy.ts';
import type { ExchangeEnd } from '../core/settle.ts';
import { firstValue, type RawHeaders, type ResponseHead } from '../core/wire.ts';
import type {
  ByteBudget,
  EditHead,
  Exchange,
  ExchangeSink,
  OutgoingRequest,
  Reply,
  Upstream,
} from './seam.ts';

/**
 * One execution under a claim: the response is captured at the upstream's speed and streamed on to the client,
 * all but its last byte, which waits until the record is durable.
 */

export type Captured = {
  readonly end: ExchangeEnd;
  /** End-to-end fields only, as stored; null when no head came. */
  readonly head: ResponseHead | null;
  /** As stored; empty but on a route of gRPC. */
  readonly rawTrailers: RawHeaders;
  readonly body: 'captured' | 'over-limit';
  readonly bodyBytes: number;
  /** Wall time of the head. */
  readonly receivedAtMs: number;
  /** From dispatch to the end; 0 when never dispatched. */
  readonly upstreamMs: number;
};

export type CaptureOptions = {
  readonly upstream: Upstream;
  readonly request: OutgoingRequest;
  readonly reply: Reply;
  readonly responseBytesMax: number;
  readonly budget: ByteBudget;
  readonly timeouts: RoutePolicy['timeouts'];
  readonly wallMs: () => number;
  /** The last look at the lease before the first byte leaves. */
  readonly beforeDispatch: () => 'go' | 'stop';
  /** The field lines as the first client gets them, from what is known at the head. */
  readonly mark: (
    head: ResponseHead,
    body: 'within-limit' | 'over-limit',
    end: 'proven' | 'unproven',
  ) => string[];
  /** Before anything is stored or sent. */
  readonly editHead: EditHead | null;
  /** kept: on a route of gRPC. */
  readonly trailers: 'kept' | 'dropped';
  /** The client has waited long enough and has seen nothing yet: answer it. The exchange goes on. */
  readonly onClientTimeout: () => void;
};

export type Capture = {
  readonly ended: Promise<Captured>;
  /** Lets the last byte go. Without a head sent, or for a client that was answered or left, it does nothing. */
  finish(): void;
  /** What was captured, in one piece; empty when over the limit. */
  body(): Uint8Array;
  /** Gives the memory of the captured body back. */
  dispose(): void;
  destroy(as: ExchangeEnd): void;
};

export function startCapture(options: CaptureOptions): Capture {
  return new CaptureRun(options);
}

class CaptureRun implements Capture, ExchangeSink {
  readonly ended: Promise<Captured>;
  readonly #options: CaptureOptions;
  readonly #exchange: Exchange;
  #resolve: (captured: Captured) => void = () => undefined;
  #head: ResponseHead | null = null;
  #receivedAtMs = 0;
  #expectedBytes: number | null = null;
  #body: 'captured' | 'over-limit' = 'captured';
  #chunks: Uint8Array[] = [];
  #budgetBytes = 0;
  #bodyBytes = 0;
  /** live: the client sees the response as it comes. detached: it was answered otherwise, or the connection broken. */
  #client: 'live' | 'detached' = 'live';
  #held: Uint8Array | null = null;
  #trailers: RawHeaders = [];
  #whole: ResponseHead | null = null;
  #over: 'no' | 'yes' = 'no';
  #dispatchedMs = 0;
  #progressTimer: NodeJS.Timeout | null = null;
  #totalTimer: NodeJS.Timeout | null = null;
  #lateTimer: NodeJS.Timeout | null = null;

  constructor(options: CaptureOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#exchange = options.upstream.start(options.request, this);
  }

  dispatching(): 'go' | 'stop' {
    if (this.#options.beforeDispatch() === 'stop') return 'stop';
    this.#dispatchedMs = performance.now();
    const { headMs, totalMs } = this.#options.timeouts;
    if (headMs > 0) this.#progressTimer = setTimeout(this.#onClientTimeout, headMs);
    if (totalMs > 0) this.#totalTimer = setTimeout(this.#onClientTimeout, totalMs);
    return 'go';
  }

  uploaded(): void {
    // The body is in memory: it is handed on whole.
  }

  sent(): void {
    // The body was in memory: dispatch and sent are one moment.
  }

  informational(head: ResponseHead): void {
    if (this.#client === 'live') this.#options.reply.informational(head);
  }

  head(head: ResponseHead, end: 'proven' | 'unproven'): void {
    const options = this.#options;
    this.#clearTimer('progress');
    this.#receivedAtMs = options.wallMs();
    const rawHeaders = endToEndResponseHeaders(head.rawHeaders, this.#receivedAtMs);
    this.#head = {
      status: head.status,
      rawHeaders: options.editHead === null ? rawHeaders : options.editHead(head.status, rawHeaders),
    };
    const hasBody = mayHaveBody(head.status) && options.request.method !== 'HEAD';
    const length = firstValue(head.rawHeaders, 'content-length');
    this.#expectedBytes = !hasBody ? 0 : length === undefined ? null : Number(length);
    if (this.#expectedBytes !== null && this.#expectedBytes > options.responseBytesMax) this.#overLimit();
    if (this.#expectedBytes !== 0 && options.timeouts.bodyIdleMs > 0 && this.#lateTimer === null) {
      this.#progressTimer = setTimeout(this.#onClientTimeout, options.timeouts.bodyIdleMs);
    }
    if (this.#client === 'detached') return;
    const limit = this.#body === 'captured' ? 'within-limit' : 'over-limit';
    const marked = { status: head.status, rawHeaders: options.mark(this.#head, limit, end) };
    if (options.trailers === 'kept' && isTrailersOnly(marked.rawHeaders)) {
      // Its end is in the head, and must not leave before the record is durable.
      this.#whole = marked;
      return;
    }
    options.reply.begin(marked);
    // An answer that came whole in one packet leaves in one write; a head that stands alone must not wait.
    if (this.#expectedBytes !== 0) queueMicrotask(this.#flushLoneHead);
  }

  chunk(bytes: Uint8Array): void {
    this.#bodyBytes += bytes.byteLength;
    this.#progressTimer?.refresh();
    if (this.#body === 'captured') this.#keep(bytes);
    if (this.#client === 'detached') return;
    if (this.#expectedBytes !== null && this.#bodyBytes >= this.#expectedBytes) {
      this.#held = bytes;
      return;
    }
    const { reply } = this.#options;
    if (reply.write(bytes) === 'wait' && this.#body === 'over-limit') this.#pauseUntilDrained();
  }

  trailers(rawTrailers: RawHeaders): void {
    if (this.#options.trailers === 'kept') this.#trailers = endToEndTrailers(rawTrailers);
  }

  end(end: ExchangeEnd): void {
    this.#over = 'yes';
    this.#clearTimer('progress');
    this.#clearTimer('total');
    this.#clearTimer('late');
    this.#resolve({
      end,
      head: this.#head,
      rawTrailers: this.#trailers,
      body: this.#body,
      bodyBytes: this.#bodyBytes,
      receivedAtMs: this.#receivedAtMs,
      upstreamMs: this.#dispatchedMs === 0 ? 0 : performance.now() - this.#dispatchedMs,
    });
  }

  finish(): void {
    if (this.#client === 'detached') return;
    const { reply } = this.#options;
    if (this.#whole !== null) {
      reply.send(this.#whole, null);
      return;
    }
    if (this.#trailers.length > 0) reply.trailers(this.#trailers);
    reply.end(this.#held);
    this.#held = null;
  }

  body(): Uint8Array {
    const [only] = this.#chunks;
    if (this.#chunks.length === 1 && only !== undefined) return only;
    // The pieces go: from here on only a client that is slow to take them keeps them.
    const whole = Buffer.concat(this.#chunks);
    this.#chunks = [whole];
    return whole;
  }

  dispose(): void {
    this.#options.budget.give(this.#budgetBytes);
    this.#budgetBytes = 0;
    this.#chunks = [];
  }

  destroy(as: ExchangeEnd): void {
    this.#exchange.destroy(as);
  }

  #keep(bytes: Uint8Array): void {
    const { responseBytesMax, budget } = this.#options;
    if (this.#bodyBytes > responseBytesMax || budget.take(bytes.byteLength) === 'full') {
      this.#overLimit();
      return;
    }
    this.#budgetBytes += bytes.byteLength;
    this.#chunks.push(bytes);
  }

  #overLimit(): void {
    this.#body = 'over-limit';
    this.dispose();
  }

  /** Only a response that is not kept waits for its client: one that is kept must never delay the settle. */
  #pauseUntilDrained(): void {
    const { reply, timeouts } = this.#options;
    this.#exchange.pause();
    this.#clearTimer('progress');
    const resume = (): void => {
      if (this.#over === 'yes') return;
      if (timeouts.bodyIdleMs > 0 && this.#progressTimer === null && this.#lateTimer === null) {
        this.#progressTimer = setTimeout(this.#onClientTimeout, timeouts.bodyIdleMs);
      }
      this.#exchange.resume();
    };
    reply.onDrain(resume);
    // A client that leaves never drains; the execution still has to end.
    reply.onGone(resume);
  }

  readonly #flushLoneHead = (): void => {
    if (this.#client === 'live' && this.#over === 'no' && this.#held === null)
      this.#options.reply.flushHead();
  };

  readonly #onClientTimeout = (): void => {
    this.#clearTimer('progress');
    this.#clearTimer('total');
    const { reply, timeouts, onClientTimeout } = this.#options;
    if (this.#client === 'live') {
      this.#client = 'detached';
      if (reply.state() === 'open') onClientTimeout();
      else reply.destroy();
    }
    this.#exchange.resume();
    if (timeouts.lateAnswerMs === 0) this.#exchange.destroy({ kind: 'timed-out' });
    else
      this.#lateTimer = setTimeout(
        () => this.#exchange.destroy({ kind: 'timed-out' }),
        timeouts.lateAnswerMs,
      );
  };

  #clearTimer(which: 'progress' | 'total' | 'late'): void {
    if (which === 'progress' && this.#progressTimer !== null) {
      clearTimeout(this.#progressTimer);
      this.#progressTimer = null;
    }
    if (which === 'total' && this.#totalTimer !== null) {
      clearTimeout(this.#totalTimer);
      this.#totalTimer = null;
    }
    if (which === 'late' && this.#lateTimer !== null) {
      clearTimeout(this.#lateTimer);
      this.#lateTimer = null;
    }
  }
}
