import type { ClaimRequest, RecordState } from '../../src/core/record.ts';

/**
 * The state machine of design section 3 once more, written from the words and not from the code: one flat record per
 * key, every question answered by comparing times. Slow, obvious, and blind to how a store does it.
 */
export type ModelClaim = { readonly key: string; readonly owner: string; readonly token: number };

type ModelRecord = {
  token: number;
  owner: string;
  attempt: number;
  fingerprint: string;
  /** claimed and dispatched are judged with the lease. */
  written: RecordState;
  leaseEndMs: number;
  /** The boot in which the lease was given: it is over with it. */
  boot: number;
  parkedMs: number;
  reason: string;
  retryAfterMs: number | null;
  body: string;
  note: string | null;
  unknownRetainMs: number;
  goneMs: number;
};

export type ModelAnswer =
  | { readonly kind: 'claimed'; readonly attempt: number; readonly resent: 'new' | 'resent' }
  | {
      readonly kind: 'inFlight';
      readonly token: number;
      readonly leaseLeftMs: number;
      readonly fingerprint: string;
    }
  | {
      readonly kind: 'completed';
      readonly token: number;
      readonly body: string;
      readonly fingerprint: string;
    }
  | {
      readonly kind: 'unknown';
      readonly token: number;
      readonly reason: string;
      readonly unknownForMs: number;
      readonly fingerprint: string;
    };

export type ModelView = {
  readonly state: RecordState;
  readonly token: number;
  readonly expiresInMs: number;
  readonly body: string | null;
  readonly note: string | null;
};

const RELEASED_VISIBLE_MS = 60_000;

export class StoreModel {
  nowMs = 0;
  #boots = 0;
  #bootMs = 0;
  readonly records = new Map<string, ModelRecord>();

  claim(key: string, request: ClaimRequest): ModelAnswer {
    const record = this.#alive(key);
    if (record === undefined) return { kind: 'claimed', attempt: 1, resent: 'new' };
    const state = this.#stateOf(record);
    if (state === 'released' || state === 'free')
      return { kind: 'claimed', attempt: record.attempt + 1, resent: 'new' };
    const { token, fingerprint } = record;
    if (state === 'completed') return { kind: 'completed', token, body: record.body, fingerprint };
    if (state === 'unknown') {
      const parked = record.written === 'unknown';
      const sinceMs = parked ? record.parkedMs : this.#leaseEndMs(record);
      return {
        kind: 'unknown',
        token,
        reason: parked ? record.reason : 'lease-lapsed',
        unknownForMs: this.nowMs - sinceMs,
        fingerprint,
      };
    }
    if (record.owner === request.owner) return { kind: 'claimed', attempt: record.attempt, resent: 'resent' };
    return { kind: 'inFlight', token, leaseLeftMs: record.leaseEndMs - this.nowMs, fingerprint };
  }

  /** The store granted it with this token. */
  grant(key: string, request: ClaimRequest, token: number, attempt: number, resent: 'new' | 'resent'): void {
    const before = this.records.get(key);
    const dispatchedBefore = resent === 'resent' && before?.written === 'dispatched';
    const note = request.note === null ? null : Buffer.from(request.note).toString();
    this.records.set(key, {
      token,
      owner: request.owner,
      attempt,
      fingerprint: request.fingerprint,
      written: dispatchedBefore ? 'dispatched' : request.state,
      leaseEndMs: this.nowMs + request.leaseMs,
      boot: this.#boots,
      parkedMs: 0,
      reason: '',
      retryAfterMs: null,
      body: '',
      note: resent === 'resent' ? (before?.note ?? null) : note,
      unknownRetainMs: request.unknownRetainMs,
      goneMs: this.nowMs + request.leaseMs + request.unknownRetainMs,
    });
  }

  dispatch(claim: ModelClaim): 'ok' | 'lost' {
    const record = this.#of(claim);
    if (record === undefined || this.#leaseEndMs(record) <= this.nowMs) return 'lost';
    if (record.written === 'claimed') record.written = 'dispatched';
    return record.written === 'dispatched' ? 'ok' : 'lost';
  }

  renew(claim: ModelClaim, leaseMs: number): 'ok' | 'lost' {
    const record = this.#of(claim);
    if (record === undefined) return 'lost';
    const alive = record.written === 'claimed' && this.#leaseEndMs(record) > this.nowMs;
    if (record.written !== 'dispatched' && !alive) return 'lost';
    record.leaseEndMs = this.nowMs + leaseMs;
    record.boot = this.#boots;
    record.goneMs = record.leaseEndMs + record.unknownRetainMs;
    return 'ok';
  }

  complete(claim: ModelClaim, body: string, retainMs: number): 'ok' | 'lost' {
    const record = this.#of(claim);
    if (record === undefined || record.written === 'released') return 'lost';
    if (record.written !== 'completed') this.#complete(record, body, retainMs);
    return 'ok';
  }

  release(claim: ModelClaim, retryAfterMs: number | null): 'ok' | 'lost' {
    const record = this.#of(claim);
    if (record === undefined) return 'lost';
    if (record.written === 'released') return 'ok';
    if (record.written !== 'claimed' && record.written !== 'dispatched') return 'lost';
    this.#release(record, retryAfterMs);
    return 'ok';
  }

  releaseOwner(key: string, owner: string): 'ok' | 'lost' {
    const record = this.#alive(key);
    if (record === undefined || record.owner !== owner) return 'lost';
    if (record.written !== 'claimed' && record.written !== 'dispatched') return 'lost';
    this.#release(record, null);
    return 'ok';
  }

  park(claim: ModelClaim, reason: string): 'ok' | 'lost' {
    const record = this.#of(claim);
    if (record === undefined) return 'lost';
    if (record.written === 'unknown') return 'ok';
    if (record.written !== 'claimed' && record.written !== 'dispatched') return 'lost';
    record.written = 'unknown';
    record.reason = reason;
    // Not since the lease: the exchange was alive until now.
    record.parkedMs = this.nowMs;
    record.goneMs = this.nowMs + record.unknownRetainMs;
    return 'ok';
  }

  resolve(
    key: string,
    token: number,
    to: 'completed' | 'released' | 'restarted',
    body: string,
    retainMs: number,
  ): 'ok' | 'lost' {
    const record = this.#alive(key);
    const from = to === 'restarted' ? 'completed' : 'unknown';
    if (record === undefined || record.token !== token || this.#stateOf(record) !== from) return 'lost';
    // Nobody's any more: the former holder is refused whatever it was resolved to.
    record.owner = '';
    if (to === 'completed') this.#complete(record, body, retainMs);
    else this.#release(record, null);
    return 'ok';
  }

  /** Only what it looks like changes, and only while it is what the caller read. */
  reseal(key: string, token: number, body: string): 'ok' | 'lost' {
    const record = this.#alive(key);
    if (record?.written !== 'completed' || record.token !== token) return 'lost';
    record.body = body;
    return 'ok';
  }

  forget(key: string, how: 'settled-only' | 'forced'): 'ok' | 'refused' {
    const record = this.#alive(key);
    if (record === undefined) return 'ok';
    if (how === 'settled-only' && record.written !== 'completed' && record.written !== 'released')
      return 'refused';
    this.records.delete(key);
    return 'ok';
  }

  view(key: string): ModelView | null {
    const record = this.#alive(key);
    if (record === undefined) return null;
    const state = this.#stateOf(record);
    return {
      state: state === 'free' ? 'claimed' : state,
      token: record.token,
      expiresInMs: record.goneMs - this.nowMs,
      body: state === 'completed' ? record.body : null,
      note: record.note,
    };
  }

  /** After a boot nobody can say how long a lease still had. */
  reboot(passedMs: number): void {
    this.nowMs += passedMs;
    this.#boots += 1;
    this.#bootMs = this.nowMs;
  }

  /** Of a lease that a boot cut short it is known only that it was over by the last boot. */
  #leaseEndMs(record: ModelRecord): number {
    return record.boot === this.#boots ? record.leaseEndMs : Math.min(record.leaseEndMs, this.#bootMs);
  }

  #alive(key: string): ModelRecord | undefined {
    const record = this.records.get(key);
    return record !== undefined && record.goneMs > this.nowMs ? record : undefined;
  }

  #of(claim: ModelClaim): ModelRecord | undefined {
    const record = this.#alive(claim.key);
    return record?.token === claim.token && record.owner === claim.owner ? record : undefined;
  }

  #stateOf(record: ModelRecord): RecordState | 'free' {
    const lapsed = this.#leaseEndMs(record) <= this.nowMs;
    if (record.written === 'claimed') return lapsed ? 'free' : 'claimed';
    if (record.written === 'dispatched') return lapsed ? 'unknown' : 'dispatched';
    return record.written;
  }

  #complete(record: ModelRecord, body: string, retainMs: number): void {
    record.written = 'completed';
    record.body = body;
    record.note = null;
    record.goneMs = this.nowMs + retainMs;
  }

  #release(record: ModelRecord, retryAfterMs: number | null): void {
    record.written = 'released';
    record.retryAfterMs = retryAfterMs;
    record.note = null;
    record.goneMs = this.nowMs + RELEASED_VISIBLE_MS;
  }
}
