import type {
  Claim,
  ClaimRequest,
  ClaimResult,
  Owner,
  RecordKey,
  RecordView,
  StoredResponse,
  WriteResult,
} from '../core/record.ts';
import { type RecordHead, type StoreTime, standing, viewOf } from '../core/standing.ts';
import {
  claimStep,
  completeStep,
  dispatchStep,
  forgetStep,
  parkStep,
  releaseOwnerStep,
  releaseStep,
  renewStep,
  resealStep,
  resolveStep,
  stepResult,
  type WriteStep,
} from '../core/transition.ts';
import { unreachable } from '../core/unreachable.ts';
import { createArrivals } from './arrivals.ts';
import { decodeResponse, encodeResponse } from './codec.ts';
import { type ListFilter, type ListPage, type Resolution, type Store, StoreUnavailable } from './contract.ts';
import { createExpiryHeap, type Expiring, NOT_IN_HEAP } from './expiry-heap.ts';
import { createMemoryCells, type MemoryCells } from './memory-cells.ts';
import { createSettleSignals } from './settle-signals.ts';

export type MemoryStoreOptions = {
  /** The store's time: never goes back, and starts above every token of an earlier run (wall time at start). */
  readonly clock: { nowMs(): number };
  /** New claims are refused above it; nothing that lives is ever evicted: a lost record is a second execution. */
  readonly bytesMax: number;
  /** Joiners waiting at once. Default 10,000. */
  readonly waitersMax?: number;
};

type Entry = Expiring & {
  readonly recordKey: RecordKey;
  head: RecordHead;
  /** As `encodeResponse` made it: one form for every store, and a copy that nobody else can change. */
  response: Buffer | null;
  /** Its place in listings. */
  arrival: number;
};

/** Records a page of a listing looks at. */
const LOOKED_AT_MAX = 500;
/** Map entry, heap slot, head and its strings, roughly. */
const ENTRY_BYTES = 700;
const SWEPT_BEFORE_FULL_MAX = 64;

/** For tests and the demo: one process, gone with it. */
export function createMemoryStore(options: MemoryStoreOptions): Store {
  return new MemoryStore(options);
}

class MemoryStore implements Store {
  readonly kind = 'memory';
  readonly cells: MemoryCells;
  readonly #options: MemoryStoreOptions;
  readonly #entries = new Map<RecordKey, Entry>();
  readonly #expiries = createExpiryHeap<Entry>();
  readonly #arrivals = createArrivals<Entry>();
  readonly #signals;
  #lastToken = 0;
  #bytes = 0;
  #state: 'open' | 'closed' = 'open';

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    const { waitersMax = 10_000 } = options;
    this.#signals = createSettleSignals(waitersMax);
    this.cells = createMemoryCells({
      nowMs: () => this.#time().nowMs,
      refuseWhenFull: () => this.#refuseWhenFull(this.#time()),
      waitersMax,
    });
  }

  async claim(recordKey: RecordKey, request: ClaimRequest): Promise<ClaimResult> {
    const time = this.#time();
    const entry = this.#entries.get(recordKey);
    const step = claimStep(entry?.head ?? null, request, time, this.#lastToken);
    switch (step.kind) {
      case 'answer':
        return step.result;
      case 'completed':
        if (entry === undefined) throw new StoreUnavailable('corrupt', 'a completed record has no entry');
        return {
          kind: 'completed',
          fingerprint: entry.head.fingerprint,
          policyId: entry.head.policyId,
          token: entry.head.token,
          response: responseOf(entry),
        };
      case 'grant':
        // A claim resent is no new one: its record is there already.
        if (step.record.token > this.#lastToken) this.#refuseWhenFull(time);
        this.#lastToken = Math.max(this.#lastToken, step.record.token);
        this.#put(recordKey, step.record, null);
        return step.result;
      default:
        return unreachable(step);
    }
  }

  async dispatch(claim: Claim): Promise<WriteResult> {
    const time = this.#time();
    return this.#write(claim.recordKey, dispatchStep(this.#head(claim.recordKey), claim, time));
  }

  async renew(claim: Claim, leaseMs: number): Promise<WriteResult> {
    const time = this.#time();
    return this.#write(claim.recordKey, renewStep(this.#head(claim.recordKey), claim, leaseMs, time));
  }

  async complete(claim: Claim, response: StoredResponse, retainMs: number): Promise<WriteResult> {
    const time = this.#time();
    const step = completeStep(this.#head(claim.recordKey), claim, retainMs, time);
    return this.#write(claim.recordKey, step, step.kind === 'write' ? encodeResponse(response) : null);
  }

  async release(claim: Claim, retryAfterMs: number | null): Promise<WriteResult> {
    const time = this.#time();
    return this.#write(claim.recordKey, releaseStep(this.#head(claim.recordKey), claim, retryAfterMs, time));
  }

  async releaseOwner(recordKey: RecordKey, owner: Owner): Promise<WriteResult> {
    const time = this.#time();
    return this.#write(recordKey, releaseOwnerStep(this.#head(recordKey), owner, time));
  }

  async park(claim: Claim, reason: string): Promise<WriteResult> {
    const time = this.#time();
    return this.#write(claim.recordKey, parkStep(this.#head(claim.recordKey), claim, reason, time));
  }

  async resolve(recordKey: RecordKey, token: number, to: Resolution): Promise<WriteResult> {
    const time = this.#time();
    const step = resolveStep(this.#head(recordKey), token, to, time);
    return this.#write(
      recordKey,
      step,
      step.kind === 'write' && to.kind === 'completed' ? encodeResponse(to.response) : null,
    );
  }

  async reseal(recordKey: RecordKey, token: number, response: StoredResponse): Promise<WriteResult> {
    const step = resealStep(this.#head(recordKey), token, this.#time());
    return this.#write(recordKey, step, step.kind === 'write' ? encodeResponse(response) : null);
  }

  async inspect(recordKey: RecordKey): ReturnType<Store['inspect']> {
    const time = this.#time();
    const entry = this.#entries.get(recordKey);
    if (entry === undefined || standing(entry.head, time) === 'absent') return null;
    return viewOf(recordKey, entry.head, entry.response === null ? null : responseOf(entry), time);
  }

  async list(cursor: string | null, filter: ListFilter): Promise<ListPage> {
    const time = this.#time();
    const records: RecordView[] = [];
    // A cursor may be typed text: what no page gave ends the listing.
    if (cursor !== null && !/^\d{1,16}$/.test(cursor)) return { records, cursor: null };
    let last = Number(cursor ?? 0);
    const { entries, next } = this.#arrivals.after(last, LOOKED_AT_MAX);
    for (const [arrival, { recordKey, head }] of entries) {
      if (records.length >= filter.limit) return { records, cursor: String(last) };
      last = arrival;
      const view = viewOf(recordKey, head, null, time);
      if (view !== null && (filter.state === null || view.state === filter.state)) records.push(view);
    }
    return { records, cursor: next === null ? null : String(next) };
  }

  async forget(recordKey: RecordKey, how: 'settled-only' | 'forced'): Promise<'ok' | 'refused'> {
    const step = forgetStep(this.#head(recordKey), how, this.#time());
    if (step === 'refused') return 'refused';
    if (step === 'remove') this.#remove(recordKey);
    return 'ok';
  }

  async settled(recordKey: RecordKey, signal: AbortSignal): Promise<void> {
    this.#time();
    return this.#signals.wait(recordKey, signal);
  }

  async sweep(recordsMax: number): Promise<number> {
    return this.#sweep(recordsMax, this.#time()) + this.cells.sweep(recordsMax);
  }

  async stats(): ReturnType<Store['stats']> {
    this.#time();
    return { records: this.#entries.size, bytes: this.#used() };
  }

  async ping(): Promise<void> {
    this.#refuseWhenFull(this.#time());
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    this.#signals.wakeAll();
    this.cells.wakeAll();
  }

  /** Every operation asks for the time first, and so learns that the store is closed. */
  #time(): StoreTime {
    if (this.#state === 'closed') throw new StoreUnavailable('closed', 'the store is closed');
    return { nowMs: this.#options.clock.nowMs(), epoch: 0, epochStartMs: 0 };
  }

  #head(recordKey: RecordKey): RecordHead | null {
    return this.#entries.get(recordKey)?.head ?? null;
  }

  #write(recordKey: RecordKey, step: WriteStep, response: Buffer | null = null): WriteResult {
    if (step.kind === 'write') {
      this.#put(recordKey, step.record, response);
      if (step.record.state !== 'claimed' && step.record.state !== 'dispatched')
        this.#signals.wake(recordKey);
    }
    return stepResult(step);
  }

  #put(recordKey: RecordKey, head: RecordHead, response: Buffer | null): void {
    const entry: Entry = this.#entries.get(recordKey) ?? {
      recordKey,
      head,
      response: null,
      expiresAtMs: head.expiresAtMs,
      heapAt: NOT_IN_HEAP,
      arrival: 0,
    };
    if (entry.heapAt === NOT_IN_HEAP) {
      this.#entries.set(recordKey, entry);
      entry.arrival = this.#arrivals.add(entry);
      this.#bytes += ENTRY_BYTES + bytesOf(head, null);
    }
    this.#bytes += bytesOf(head, response) - bytesOf(entry.head, entry.response);
    entry.head = head;
    entry.response = response;
    entry.expiresAtMs = head.expiresAtMs;
    this.#expiries.put(entry);
  }

  #remove(recordKey: RecordKey): void {
    const entry = this.#entries.get(recordKey);
    if (entry === undefined) return;
    this.#entries.delete(recordKey);
    this.#expiries.remove(entry);
    this.#arrivals.remove(entry.arrival);
    this.#bytes -= ENTRY_BYTES + bytesOf(entry.head, entry.response);
    this.#signals.wake(recordKey);
  }

  #sweep(recordsMax: number, time: StoreTime): number {
    let removed = 0;
    while (removed < recordsMax) {
      const soonest = this.#expiries.soonest();
      if (soonest === undefined || soonest.expiresAtMs > time.nowMs) break;
      this.#remove(soonest.recordKey);
      removed += 1;
    }
    return removed;
  }

  #used(): number {
    return this.#bytes + this.cells.bytes();
  }

  #refuseWhenFull(time: StoreTime): void {
    const { bytesMax } = this.#options;
    if (this.#used() + ENTRY_BYTES <= bytesMax) return;
    this.#sweep(SWEPT_BEFORE_FULL_MAX, time);
    this.cells.sweep(SWEPT_BEFORE_FULL_MAX);
    if (this.#used() + ENTRY_BYTES <= bytesMax) return;
    throw new StoreUnavailable('full', `the store holds ${this.#used()} of ${bytesMax} bytes`);
  }
}

/** Beside the entry itself. */
function bytesOf(head: RecordHead, response: Buffer | null): number {
  return (head.note?.byteLength ?? 0) + (response?.length ?? 0);
}

function responseOf(entry: Entry): StoredResponse {
  if (entry.response === null) throw new StoreUnavailable('corrupt', 'a completed record has no response');
  return decodeResponse(entry.response);
}
