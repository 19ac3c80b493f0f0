import type { RoutePolicy } from '../../../src/core/policy.ts';
import type { ExchangeEnd } from '../../../src/core/settle.ts';
import { firstValue } from '../../../src/core/wire.ts';
import type { Exchange, ExchangeSink, OutgoingRequest, Upstream } from '../../../src/http/seam.ts';
import { type BackendAnswer, type Behaviour, drawAnswer, FAULTY } from './behaviour.ts';
import type { Draw } from './draw.ts';
import type { Party, Timeline } from './timeline.ts';

/** The backend with its ledger: what was sent to it, what it did, and what it answered or failed to answer. */

export type Dispatched = {
  readonly id: number;
  /** As the backend read them off the request. */
  readonly principal: string;
  readonly key: string | null;
  readonly payload: string;
  readonly requestId: string;
  /** Null: sent without a claim. */
  readonly token: number | null;
  readonly answer: BackendAnswer;
  readonly dispatchedMs: number;
  readonly party: Party;
  actedMs: number | null;
  /** Whether the backend may still act on it, or its proxy still hear of it. */
  backend: 'busy' | 'done';
  connection: 'open' | 'closed';
};

export type BackendWatch = {
  /** A request looks for a connection. */
  starting(requestId: string, token: number | null): void;
  dispatched(sent: Dispatched): void;
  acted(sent: Dispatched): void;
  /** The exchange is over at the proxy. */
  closed(sent: Dispatched, end: ExchangeEnd): void;
};

export type Backend = {
  readonly sent: readonly Dispatched[];
  /** The upstream of one proxy process. */
  upstreamFor(party: Party, dispatching: (go: 'go' | 'stop') => 'go' | 'stop'): Upstream;
};

export type BackendOptions = {
  readonly timeline: Timeline;
  readonly draw: Draw;
  readonly policy: RoutePolicy;
  readonly watch: BackendWatch;
  /** sound: it answers every request; what is drawn is what it answers. */
  readonly health: () => 'faulty' | 'sound';
};

const ORIGIN = 'http://backend.test';

export function createBackend(options: BackendOptions): Backend {
  const sent: Dispatched[] = [];
  return {
    sent,
    upstreamFor: (party, dispatching) => ({
      origin: ORIGIN,
      authority: 'backend.test',
      start: (request, sink) => new SimulatedExchange(options, sent, party, dispatching, request, sink),
      close: () => Promise.resolve(),
    }),
  };
}

class SimulatedExchange implements Exchange {
  readonly #options: BackendOptions;
  readonly #ledger: Dispatched[];
  readonly #party: Party;
  readonly #lastLook: (go: 'go' | 'stop') => 'go' | 'stop';
  readonly #request: OutgoingRequest;
  readonly #sink: ExchangeSink;
  #phase: 'connecting' | 'dispatched' | 'over' = 'connecting';
  #sent: Dispatched | null = null;
  #flow: 'flowing' | 'paused' = 'flowing';
  readonly #waiting: (() => void)[] = [];

  constructor(
    options: BackendOptions,
    ledger: Dispatched[],
    party: Party,
    lastLook: (go: 'go' | 'stop') => 'go' | 'stop',
    request: OutgoingRequest,
    sink: ExchangeSink,
  ) {
    this.#options = options;
    this.#ledger = ledger;
    this.#party = party;
    this.#lastLook = lastLook;
    this.#request = request;
    this.#sink = sink;
    const { timeline, draw, watch } = options;
    watch.starting(this.#field('x-request') ?? '', this.#token());
    const behaviour = options.health() === 'sound' ? 'answers' : draw.pick(FAULTY);
    const connectMs = draw.chance(0.1) && behaviour !== 'answers' ? draw.int(100, 1500) : draw.delayMs();
    timeline.after(party, connectMs, () => {
      if (behaviour === 'refuses')
        this.#end({ kind: 'never-dispatched', cause: draw.pick(['refused', 'dns']), message: 'simulated' });
      else void this.#dispatch(behaviour);
    });
  }

  pause(): void {
    this.#flow = 'paused';
  }

  resume(): void {
    this.#flow = 'flowing';
    while (this.#flow === 'flowing') {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next();
    }
  }

  destroy(as: ExchangeEnd): void {
    if (this.#phase === 'over') return;
    if (this.#phase === 'connecting')
      this.#end({ kind: 'never-dispatched', cause: 'stopped', message: 'given up before dispatch' });
    else if (this.#options.draw.chance(0.5)) this.#end(as);
    else this.#options.timeline.after(this.#party, 0, () => this.#end(as));
  }

  async #dispatch(behaviour: Behaviour): Promise<void> {
    if (this.#phase !== 'connecting') return;
    const { timeline, draw, policy, watch } = this.#options;
    if (this.#lastLook(this.#sink.dispatching()) === 'stop') {
      this.#end({ kind: 'never-dispatched', cause: 'lease-too-short', message: 'stopped before dispatch' });
      return;
    }
    this.#phase = 'dispatched';
    let payload: string;
    try {
      payload = await bodyOf(this.#request);
    } catch {
      // Half a request is none to the backend.
      this.#end({ kind: 'failed', cause: 'aborted', message: 'the client left' });
      return;
    }
    // Given up while the body was still on its way.
    if (!this.#is('dispatched')) return;
    const read = {
      principal: this.#field('authorization') ?? '',
      key: this.#field('idempotency-key') ?? null,
      payload,
      requestId: this.#field('x-request') ?? '',
    };
    const id = this.#ledger.length + 1;
    const sent: Dispatched = {
      ...read,
      id,
      token: this.#token(),
      answer: drawAnswer(draw, policy, id, read),
      dispatchedMs: timeline.nowMs,
      party: this.#party,
      actedMs: null,
      backend: 'busy',
      connection: 'open',
    };
    this.#sent = sent;
    this.#ledger.push(sent);
    watch.dispatched(sent);
    this.#sink.sent();
    timeline.after(timeline.world, draw.delayMs(), () => this.#arrive(sent, behaviour));
  }

  /** At the backend; its connection may be gone by then, and it may act all the same. */
  #arrive(sent: Dispatched, behaviour: Behaviour): void {
    const { timeline, draw, watch, policy } = this.#options;
    // A status that the table calls "not executed" must mean it: that is the backend's part of the promise.
    const answers = behaviour === 'answers' || behaviour === 'late' || behaviour === 'stalls';
    const { status, action } = sent.answer;
    const refused = action === 'release' || (answers && status >= 400 && status < 500 && status !== 408);
    const acts = !refused && (answers || draw.chance(0.6)) ? 'acts' : 'never';
    const { headMs, lateAnswerMs } = policy.timeouts;
    const lateMs = headMs + draw.int(1, Math.max(1, Math.round(lateAnswerMs * 1.3)));
    const actMs =
      behaviour === 'late' && draw.chance(0.5) ? lateMs : draw.delayMs() * (draw.chance(0.1) ? 20 : 1);
    timeline.after(timeline.world, actMs, () => {
      if (acts === 'acts') {
        sent.actedMs = timeline.nowMs;
        watch.acted(sent);
      }
      sent.backend = 'done';
      const answerMs = behaviour === 'late' ? Math.max(0, lateMs - actMs) : draw.delayMs();
      timeline.after(this.#party, answerMs, () => this.#answer(sent.answer, behaviour));
    });
  }

  #answer(answer: BackendAnswer, behaviour: Behaviour): void {
    const { draw } = this.#options;
    switch (behaviour) {
      case 'hangs':
        return;
      case 'resets':
        this.#end({ kind: 'failed', cause: 'reset', message: 'simulated' });
        return;
      case 'bad-framing':
        this.#end({ kind: 'failed', cause: 'bad-framing', message: 'simulated' });
        return;
      default:
        break;
    }
    if (draw.chance(0.1)) this.#deliver(() => this.#sink.informational({ status: 103, rawHeaders: [] }));
    const { status, rawHeaders, body, end } = answer;
    this.#deliver(() => this.#sink.head({ status, rawHeaders }, end));
    const cut = behaviour === 'truncates' ? draw.int(0, Math.max(0, body.byteLength - 1)) : body.byteLength;
    const parts = draw.int(1, 3);
    let gapMs = 0;
    for (let part = 0; part < parts; part += 1) {
      const from = Math.floor((cut * part) / parts);
      const bytes = body.subarray(from, Math.floor((cut * (part + 1)) / parts));
      if (behaviour === 'stalls') gapMs += draw.int(1, this.#options.policy.timeouts.bodyIdleMs * 2);
      else if (draw.chance(0.5)) gapMs += draw.delayMs();
      if (bytes.byteLength > 0) this.#later(gapMs, () => this.#sink.chunk(bytes));
    }
    this.#later(gapMs, () => {
      // A cut message without a proven end looks whole: only a reset tells.
      if (behaviour === 'truncates') this.#end({ kind: 'failed', cause: 'truncated', message: 'simulated' });
      else this.#end({ kind: 'complete', status, end });
    });
  }

  #later(delayMs: number, run: () => void): void {
    if (delayMs === 0) this.#deliver(run);
    else this.#options.timeline.after(this.#party, delayMs, () => this.#deliver(run));
  }

  /** In order, and only while the proxy reads. */
  #deliver(run: () => void): void {
    const guarded = (): void => {
      if (this.#phase !== 'over') run();
    };
    if (this.#flow === 'paused' || this.#waiting.length > 0) this.#waiting.push(guarded);
    else guarded();
  }

  #field(name: string): string | undefined {
    return firstValue(this.#request.rawHeaders, name);
  }

  #token(): number | null {
    const token = this.#field('onceward-fencing-token');
    return token === undefined ? null : Number(token);
  }

  #is(phase: 'connecting' | 'dispatched' | 'over'): boolean {
    return this.#phase === phase;
  }

  #end(end: ExchangeEnd): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    const sent = this.#sent;
    if (sent !== null) {
      sent.connection = 'closed';
      this.#options.watch.closed(sent, end);
    }
    this.#sink.end(end);
  }
}

async function bodyOf({ body }: OutgoingRequest): Promise<string> {
  if (body.kind === 'none') return '';
  if (body.kind === 'bytes') return Buffer.from(body.bytes).toString();
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.open(() => undefined)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
