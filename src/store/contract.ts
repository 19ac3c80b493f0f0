import type { Cell, CellKey, CellWrite, CellWriteResult } from '../core/cell.ts';
import type {
  Claim,
  ClaimRequest,
  ClaimResult,
  RecordKey,
  RecordState,
  RecordView,
  StoredResponse,
  WriteResult,
} from '../core/record.ts';

/** The store could not answer: nothing is known of what it did. The only thing a store throws. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  readonly reason: StoreUnavailableReason;
  /** no: the operation never left this process, so there is nothing to undo. */
  readonly sent: 'maybe' | 'no';
  constructor(
    reason: StoreUnavailableReason,
    message: string,
    options?: ErrorOptions & { readonly sent?: 'no' },
  ) {
    super(message, options);
    this.reason = reason;
    this.sent = options?.sent ?? 'maybe';
  }
}

/** Closed set: label of the store metric and reason on /readyz. */
export const STORE_UNAVAILABLE_REASONS = [
  'timeout',
  'connection',
  'loading',
  'readonly',
  'out_of_memory',
  'disk_full',
  'disk_failed',
  'full',
  'busy',
  'corrupt',
  'unsafe',
  'too_few_replicas',
  'closed',
  'error',
] as const;
export type StoreUnavailableReason = (typeof STORE_UNAVAILABLE_REASONS)[number];

export type ListFilter = { readonly state: RecordState | null; readonly limit: number };
export type ListPage = {
  readonly records: readonly RecordView[];
  /** Pass to the next call; null when there is no more. */
  readonly cursor: string | null;
};

export type StoreStats = {
  /** Records and bytes as the store counts them; null where it cannot tell. */
  readonly records: number | null;
  readonly bytes: number | null;
};

/**
 * What the engine asks of a store. Every write after the claim is checked against token and owner inside the
 * store, in one atomic step. Leases are judged by the store's clock, never by a caller's. A lease is a field of
 * the record and never its expiry: a record that was dispatched becomes unknown, not absent.
 *
 * A record released stays visible to `inspect` as `released` for at least a minute, so that a joiner learns of it;
 * to `claim` it is absent. Tokens grow over release, expiry and restart.
 */
export type Store = {
  readonly kind: 'memory' | 'lmdb' | 'redis' | 'postgres';
  /** Beside the records, which know nothing of them. */
  readonly cells: Cells;

  /**
   * Grants the key to the caller, or says what stands in the way. Absent, released, and claimed-but-never-dispatched
   * with a lapsed lease are granted. A claim that the same owner sends again (a lost reply) is granted again with
   * the same token while it still holds it.
   */
  claim(recordKey: RecordKey, request: ClaimRequest): Promise<ClaimResult>;
  /** claimed → dispatched. Refused as lost once the lease ran out. */
  dispatch(claim: Claim): Promise<WriteResult>;
  /** The lease runs leaseMs from now. Also brings a dispatched claim whose lease lapsed back, if the token still fits. */
  renew(claim: Claim, leaseMs: number): Promise<WriteResult>;
  /** claimed, dispatched, or unknown with the same token (a late answer) → completed. Idempotent for the same claim. */
  complete(claim: Claim, response: StoredResponse, retainMs: number): Promise<WriteResult>;
  /** claimed or dispatched → released: not executed, may be tried again. */
  release(claim: Claim, retryAfterMs: number | null): Promise<WriteResult>;
  /**
   * The same by owner alone, for a claim whose reply was lost. `lost` where the owner holds nothing.
   * Never touches a record of another owner.
   */
  releaseOwner(recordKey: RecordKey, owner: string): Promise<WriteResult>;
  /** claimed or dispatched → unknown. */
  park(claim: Claim, reason: string): Promise<WriteResult>;

  /**
   * unknown with this token → completed or released. For admin, probes and `onUnknown: retry`. And completed with this
   * token → released (`restarted`). The former holder is refused from then on.
   */
  resolve(recordKey: RecordKey, token: number, to: Resolution): Promise<WriteResult>;
  /**
   * Another form of the same response, such as one sealed under a newer key, for a completed record that still has
   * this token. `lost` for every other. The record lives exactly as long as before; nobody waits for it.
   */
  reseal(recordKey: RecordKey, token: number, response: StoredResponse): Promise<WriteResult>;
  /** Null when absent or expired. */
  inspect(recordKey: RecordKey): Promise<RecordView | null>;
  /** A page may be empty and still have a cursor: what it looks at is bounded, whatever fits of it. */
  list(cursor: string | null, filter: ListFilter): Promise<ListPage>;
  /** Removes a record. `refused` for claimed, dispatched and unknown ones unless `forced`. Absent counts as ok. */
  forget(recordKey: RecordKey, how: 'settled-only' | 'forced'): Promise<'ok' | 'refused'>;

  /**
   * Resolves when the record may have been settled, or when the signal aborts; a hint, never a proof:
   * subscribe (call), then read again, then await.
   */
  settled(recordKey: RecordKey, signal: AbortSignal): Promise<void>;

  /**
   * Looks at a bounded number of records and at as many cells, removes what has expired, and returns how many went;
   * never stops the world.
   */
  sweep(recordsMax: number): Promise<number>;
  stats(): Promise<StoreStats>;
  /** Throws StoreUnavailable with the reason when claims would fail. */
  ping(): Promise<void>;
  close(): Promise<void>;
};

export type Resolution =
  | { readonly kind: 'completed'; readonly response: StoredResponse; readonly retainMs: number }
  /**
   * Lost before the record has been unknown for quietMs: a holder that woke up meanwhile makes it unknown anew, under
   * the same token. 0 is the word of an operator, who knows that no exchange is open.
   */
  | { readonly kind: 'released'; readonly quietMs: number }
  /**
   * completed → released, for who has read the response under this token and may execute again. Of several who have,
   * one gets the next claim; lost for who comes after it.
   */
  | { readonly kind: 'restarted' };

/**
 * Small values that are only ever replaced by who has seen them (docs/decisions/0015-cells.md). A write whose reply was
 * lost may have been made: who reads then finds its own value, or another.
 */
export type Cells = {
  read(cellKey: CellKey): Promise<Cell>;
  /** Compares and writes in one atomic step. The version grows: max(last + 1, store time in µs). */
  write(cellKey: CellKey, write: CellWrite): Promise<CellWriteResult>;
  /**
   * Resolves when the cell may have been written with `wakes: 'waiters'`, or when the signal aborts; a hint, never a
   * proof: subscribe (call), then read, then await. Nothing tells of an expiry.
   */
  changed(cellKey: CellKey, signal: AbortSignal): Promise<void>;
};
