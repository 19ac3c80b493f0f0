import type { Owner, RecordKey, RecordState, RecordView, StoredResponse } from './record.ts';
import { unreachable } from './unreachable.ts';

/** A record without its response. Times are the store's. */
export type RecordHead = {
  readonly state: RecordState;
  readonly token: number;
  readonly owner: Owner;
  readonly attempt: number;
  readonly fingerprint: string;
  readonly policyId: string;
  /** The epoch in which the lease was given: a lease of an older epoch is over. */
  readonly epoch: number;
  readonly leaseEndMs: number;
  readonly unknownRetainMs: number;
  /** Of a parked record; a lapsed one is unknown since its lease ended. */
  readonly unknownSinceMs: number;
  readonly reason: string;
  readonly retryAfterMs: number | null;
  readonly expiresAtMs: number;
  readonly note: Uint8Array | null;
};

export type StoreTime = {
  readonly nowMs: number;
  /** Counts the boots of the machine: between two of them no lease can be measured. */
  readonly epoch: number;
  readonly epochStartMs: number;
};

/** The reason of an unknown that nobody parked. */
export const LAPSED_REASON = 'lease-lapsed';

export type Standing =
  | 'absent'
  | 'claimed'
  /** claimed, never dispatched, lease over: may be claimed again. */
  | 'lapsed'
  | 'dispatched'
  | 'unknown'
  | 'completed'
  | 'released';

/** What a record is by now: time alone ends leases and records. */
export function standing(record: RecordHead | null, time: StoreTime): Standing {
  if (record === null || record.expiresAtMs <= time.nowMs) return 'absent';
  const { state } = record;
  switch (state) {
    case 'claimed':
      return leaseLeftMs(record, time) > 0 ? 'claimed' : 'lapsed';
    case 'dispatched':
      return leaseLeftMs(record, time) > 0 ? 'dispatched' : 'unknown';
    case 'completed':
    case 'unknown':
    case 'released':
      return state;
    default:
      return unreachable(state);
  }
}

export function leaseLeftMs(record: RecordHead, time: StoreTime): number {
  return record.epoch === time.epoch ? Math.max(0, record.leaseEndMs - time.nowMs) : 0;
}

export function unknownForMs(record: RecordHead, time: StoreTime): number {
  const sinceMs = record.state === 'unknown' ? record.unknownSinceMs : leaseEndMs(record, time);
  return Math.max(0, time.nowMs - sinceMs);
}

/** A lease that a boot cut short ended with the boot at the latest. */
function leaseEndMs(record: RecordHead, time: StoreTime): number {
  return record.epoch === time.epoch ? record.leaseEndMs : Math.min(record.leaseEndMs, time.epochStartMs);
}

/** Null when absent. */
export function viewOf(
  recordKey: RecordKey,
  record: RecordHead,
  response: StoredResponse | null,
  time: StoreTime,
): RecordView | null {
  const stands = standing(record, time);
  if (stands === 'absent') return null;
  const state = stands === 'lapsed' ? 'claimed' : stands;
  const isUnknown = state === 'unknown';
  return {
    recordKey,
    state,
    token: record.token,
    fingerprint: record.fingerprint,
    policyId: record.policyId,
    leaseLeftMs: state === 'claimed' || state === 'dispatched' ? leaseLeftMs(record, time) : 0,
    expiresInMs: record.expiresAtMs - time.nowMs,
    reason: isUnknown ? (record.state === 'unknown' ? record.reason : LAPSED_REASON) : '',
    unknownForMs: isUnknown ? unknownForMs(record, time) : 0,
    retryAfterMs: state === 'released' ? record.retryAfterMs : null,
    note: record.note,
    response: state === 'completed' ? response : null,
  };
}
