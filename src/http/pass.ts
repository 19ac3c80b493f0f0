import { endToEndTrailers, isTrailersOnly } from '../core/grpc.ts';
import { endToEndResponseHeaders } from '../core/headers.ts';
import type { RoutePolicy } from '../core/policy.ts';
import type { ExchangeEnd } from '../core/settle.ts';
import type { RawHeaders, ResponseHead } from '../core/wire.ts';
import type { EditHead, Exchange, ExchangeSink, OutgoingRequest, Reply, Upstream } from './seam.ts';

/** One exchange without a record: streamed both ways with back-pressure, nothing kept. */

export type Passed = {
  readonly end: ExchangeEnd;
  /** 0 when no head came. */
  readonly status: number;
  readonly bodyBytes: number;
  readonly upstreamMs: number;
};

export type PassOptions = {
  readonly upstream: Upstream;
  readonly request: OutgoingRequest;
  readonly reply: Reply;
  readonly timeouts: RoutePolicy['timeouts'];
  readonly wallMs: () => number;
  /** Fields added to the response, such as the marker of a forward without protection. */
  readonly addedHeaders: readonly string[];
  /** The last look before the first byte leaves, where there is something to look at. */
  readonly beforeDispatch: (() => 'go' | 'stop') | null;
  /** The field lines of a final response as the client shall see them. */
  readonly editHead: EditHead | null;
  /** kept: on a route of gRPC. */
  readonly trailers: 'kept' | 'dropped';
};

/** The answer's body has been ended, or the connection broken, when a head came; else the reply is still open. */
export function pass(options: PassOptions): Promise<Passed> {
  return new Promise((resolve) => {
    new PassRun(options, resolve);
  });
}

class PassRun implements ExchangeSink {
  readonly #options: PassOptions;
  readonly #resolve: (passed: Passed) => void;
  readonly #exchange: Exchange;
  #status = 0;
  #bodyBytes = 0;
  #dispatchedMs = 0;
  #over: 'no' | 'yes' = 'no';
  #whole: ResponseHead | null = null;
  #progressTimer: NodeJS.Timeout | null = null;
  #totalTimer: NodeJS.Timeout | null = null;

  constructor(options: PassOptions, resolve: (passed: Passed) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#exchange = options.upstream.start(options.request, this);
    // Nobody waits for the answer any more; without a key there is nothing to keep it for.
    options.reply.onGone(() =>
      this.#exchange.destroy({ kind: 'failed', cause: 'aborted', message: 'the client went away' }),
    );
  }

  dispatching(): 'go' | 'stop' {
    if (this.#options.beforeDispatch?.() === 'stop') return 'stop';
    this.#dispatchedMs = performance.now();
    const { headMs, totalMs } = this.#options.timeouts;
    if (totalMs > 0) this.#totalTimer = setTimeout(this.#onTimeout, totalMs);
    if (headMs > 0) this.#progressTimer = setTimeout(this.#onTimeout, headMs);
    return 'go';
  }

  /** An upload may rightly take longer than an answer should, as long as the backend takes it. */
  uploaded(): void {
    if (this.#status === 0) this.#progressTimer?.refresh();
  }

  sent(): void {
    this.uploaded();
  }

  informational(head: ResponseHead): void {
    this.#options.reply.informational(head);
  }

  head(head: ResponseHead): void {
    const { reply, wallMs, addedHeaders, editHead } = this.#options;
    this.#clearTimers('progress');
    this.#status = head.status;
    let rawHeaders = endToEndResponseHeaders(head.rawHeaders, wallMs());
    if (editHead !== null) rawHeaders = editHead(head.status, rawHeaders);
    for (const item of addedHeaders) rawHeaders.push(item);
    if (this.#options.trailers === 'kept' && isTrailersOnly(rawHeaders)) {
      // Its end is in the head, and must leave with it.
      this.#whole = { status: head.status, rawHeaders };
      return;
    }
    reply.begin({ status: head.status, rawHeaders });
    queueMicrotask(this.#headStandsAlone);
  }

  chunk(bytes: Uint8Array): void {
    this.#bodyBytes += bytes.byteLength;
    this.#progressTimer?.refresh();
    if (this.#options.reply.write(bytes) === 'more') return;
    // The reply breaks a connection whose client does not read; `gone` then ends the exchange.
    this.#exchange.pause();
    this.#clearTimers('progress');
    this.#options.reply.onDrain(() => {
      if (this.#over === 'yes') return;
      this.#armIdle();
      this.#exchange.resume();
    });
  }

  trailers(rawTrailers: RawHeaders): void {
    // RFC 9110 section 6.5.1: a hop may drop trailer fields, and but for gRPC nothing that must not be lost is in one.
    if (this.#options.trailers === 'kept') this.#options.reply.trailers(endToEndTrailers(rawTrailers));
  }

  end(end: ExchangeEnd): void {
    this.#over = 'yes';
    this.#clearTimers('all');
    const { reply } = this.#options;
    if (end.kind === 'complete' && this.#whole !== null) reply.send(this.#whole, null);
    else if (end.kind === 'complete') reply.end(null);
    else if (reply.state() === 'head-sent') reply.destroy();
    this.#resolve({
      end,
      status: this.#status,
      bodyBytes: this.#bodyBytes,
      upstreamMs: this.#dispatchedMs === 0 ? 0 : performance.now() - this.#dispatchedMs,
    });
  }

  /** Only when the answer did not come whole in one packet: the head must not wait, and the body has its time limit. */
  readonly #headStandsAlone = (): void => {
    if (this.#over === 'yes') return;
    if (this.#bodyBytes === 0) this.#options.reply.flushHead();
    this.#armIdle();
  };

  #armIdle(): void {
    const { bodyIdleMs } = this.#options.timeouts;
    if (bodyIdleMs > 0 && this.#progressTimer === null)
      this.#progressTimer = setTimeout(this.#onTimeout, bodyIdleMs);
  }

  readonly #onTimeout = (): void => {
    this.#exchange.destroy({ kind: 'timed-out' });
  };

  #clearTimers(which: 'progress' | 'all'): void {
    if (this.#progressTimer !== null) clearTimeout(this.#progressTimer);
    this.#progressTimer = null;
    if (which === 'progress') return;
    if (this.#totalTimer !== null) clearTimeout(this.#totalTimer);
    this.#totalTimer = null;
  }
}
