import type { Claim, ClaimRequest, ClaimResult, Owner, WriteResult } from './record.ts';
import {
  LAPSED_REASON,
  leaseLeftMs,
  type RecordHead,
  type StoreTime,
  standing,
  unknownForMs,
} from './standing.ts';
import { unreachable } from './unreachable.ts';

/**
 * The state machine of a record (design section 3) for the stores that hold records in this process: each function
 * takes what is stored and the store's time and says what to write. Pure; the store makes the step atomic.
 */

/** A lease never outlives its record: what was dispatched stays known for unknownRetainMs after the lease. */
function leased(record: RecordHead, leaseMs: number, time: StoreTime): RecordHead {
  return {
    ...record,
    epoch: time.epoch,
    leaseEndMs: time.nowMs + leaseMs,
    expiresAtMs: time.nowMs + leaseMs + record.unknownRetainMs,
  };
}

/** How long a release stays visible to joiners. */
const RELEASED_RETAIN_MS = 60_000;

export type ClaimStep =
  | { readonly kind: 'answer'; readonly result: Exclude<ClaimResult, { kind: 'completed' }> }
  /** The caller adds the response, which it may not have read yet. */
  | { readonly kind: 'completed' }
  | {
      readonly kind: 'grant';
      readonly record: RecordHead;
      readonly result: Extract<ClaimResult, { kind: 'claimed' }>;
    };

/** `lastToken`: the highest the store ever gave, over all keys. */
export function claimStep(
  record: RecordHead | null,
  request: ClaimRequest,
  time: StoreTime,
  lastToken: number,
): ClaimStep {
  const stands = standing(record, time);
  if (record === null || stands === 'absent') return grant(request, time, lastToken, 1);
  switch (stands) {
    case 'released':
    case 'lapsed':
      return grant(request, time, Math.max(lastToken, record.token), record.attempt + 1);
    case 'claimed':
    case 'dispatched':
      if (record.owner === request.owner) return resent(record, request, time);
      return {
        kind: 'answer',
        result: {
          kind: 'inFlight',
          fingerprint: record.fingerprint,
          policyId: record.policyId,
          token: record.token,
          leaseLeftMs: leaseLeftMs(record, time),
        },
      };
    case 'completed':
      return { kind: 'completed' };
    case 'unknown':
      return {
        kind: 'answer',
        result: {
          kind: 'unknown',
          fingerprint: record.fingerprint,
          policyId: record.policyId,
          token: record.token,
          reason: record.state === 'unknown' ? record.reason : LAPSED_REASON,
          unknownForMs: unknownForMs(record, time),
        },
      };
    default:
      return unreachable(stands);
  }
}

function grant(request: ClaimRequest, time: StoreTime, lastToken: number, attempt: number): ClaimStep {
  const token = Math.max(lastToken + 1, Math.floor(time.nowMs * 1000));
  return {
    kind: 'grant',
    record: {
      state: request.state,
      token,
      owner: request.owner,
      attempt,
      fingerprint: request.fingerprint,
      policyId: request.policyId,
      epoch: time.epoch,
      leaseEndMs: time.nowMs + request.leaseMs,
      unknownRetainMs: request.unknownRetainMs,
      unknownSinceMs: 0,
      reason: '',
      retryAfterMs: null,
      expiresAtMs: time.nowMs + request.leaseMs + request.unknownRetainMs,
      note: request.note,
    },
    result: { kind: 'claimed', token, attempt },
  };
}

/** The lease starts anew: the holder counts it from the claim it sent last. */
function resent(record: RecordHead, request: ClaimRequest, time: StoreTime): ClaimStep {
  return {
    kind: 'grant',
    record: {
      ...leased(record, request.leaseMs, time),
      state: record.state === 'dispatched' ? 'dispatched' : request.state,
    },
    result: { kind: 'claimed', token: record.token, attempt: record.attempt },
  };
}

export type WriteStep =
  | { readonly kind: 'write'; readonly record: RecordHead }
  /** Already so: the write was sent twice. */
  | { readonly kind: 'ok' }
  | { readonly kind: 'lost' };

const LOST: WriteStep = { kind: 'lost' };
const OK: WriteStep = { kind: 'ok' };

function write(record: RecordHead): WriteStep {
  return { kind: 'write', record };
}

/** The danger of every late write: it must find its own claim, or touch nothing. */
function held(record: RecordHead | null, claim: Claim, time: StoreTime): RecordHead | null {
  if (record === null || record.expiresAtMs <= time.nowMs) return null;
  return record.token === claim.token && record.owner === claim.owner ? record : null;
}

export function dispatchStep(stored: RecordHead | null, claim: Claim, time: StoreTime): WriteStep {
  const record = held(stored, claim, time);
  if (record === null) return LOST;
  switch (standing(record, time)) {
    case 'claimed':
      return write({ ...record, state: 'dispatched' });
    case 'dispatched':
      return OK;
    default:
      return LOST;
  }
}

export function renewStep(
  stored: RecordHead | null,
  claim: Claim,
  leaseMs: number,
  time: StoreTime,
): WriteStep {
  const record = held(stored, claim, time);
  if (record === null) return LOST;
  // By stored state: a dispatched claim that lapsed is alive after all. One that lapsed before dispatch is over.
  if (record.state === 'dispatched' || standing(record, time) === 'claimed')
    return write(leased(record, leaseMs, time));
  return LOST;
}

export function completeStep(
  stored: RecordHead | null,
  claim: Claim,
  retainMs: number,
  time: StoreTime,
): WriteStep {
  const record = held(stored, claim, time);
  if (record === null) return LOST;
  switch (record.state) {
    case 'claimed':
    case 'dispatched':
    case 'unknown':
      return write(completed(record, retainMs, time));
    case 'completed':
      return OK;
    case 'released':
      return LOST;
    default:
      return unreachable(record.state);
  }
}

function completed(record: RecordHead, retainMs: number, time: StoreTime): RecordHead {
  return { ...record, state: 'completed', reason: '', expiresAtMs: time.nowMs + retainMs, note: null };
}

function released(record: RecordHead, retryAfterMs: number | null, time: StoreTime): RecordHead {
  return {
    ...record,
    state: 'released',
    reason: '',
    retryAfterMs,
    expiresAtMs: time.nowMs + RELEASED_RETAIN_MS,
    note: null,
  };
}

export function releaseStep(
  stored: RecordHead | null,
  claim: Claim,
  retryAfterMs: number | null,
  time: StoreTime,
): WriteStep {
  const record = held(stored, claim, time);
  if (record === null) return LOST;
  switch (record.state) {
    case 'claimed':
    case 'dispatched':
      return write(released(record, retryAfterMs, time));
    case 'released':
      return OK;
    case 'completed':
    case 'unknown':
      return LOST;
    default:
      return unreachable(record.state);
  }
}

export function releaseOwnerStep(record: RecordHead | null, owner: Owner, time: StoreTime): WriteStep {
  if (record === null || record.expiresAtMs <= time.nowMs || record.owner !== owner) return LOST;
  if (record.state !== 'claimed' && record.state !== 'dispatched') return LOST;
  return write(released(record, null, time));
}

export function parkStep(
  stored: RecordHead | null,
  claim: Claim,
  reason: string,
  time: StoreTime,
): WriteStep {
  const record = held(stored, claim, time);
  if (record === null) return LOST;
  switch (record.state) {
    case 'claimed':
    case 'dispatched':
      return write({
        ...record,
        state: 'unknown',
        reason,
        // Not since the lease ended: until now an exchange was open, and the quiet time must begin after it.
        unknownSinceMs: time.nowMs,
        expiresAtMs: time.nowMs + record.unknownRetainMs,
      });
    case 'unknown':
      return OK;
    case 'completed':
    case 'released':
      return LOST;
    default:
      return unreachable(record.state);
  }
}

export function resolveStep(
  record: RecordHead | null,
  token: number,
  to:
    | { readonly kind: 'completed'; readonly retainMs: number }
    | { readonly kind: 'released'; readonly quietMs: number }
    | { readonly kind: 'restarted' },
  time: StoreTime,
): WriteStep {
  const from = to.kind === 'restarted' ? 'completed' : 'unknown';
  if (record === null || record.token !== token || standing(record, time) !== from) return LOST;
  if (to.kind === 'released' && unknownForMs(record, time) < to.quietMs) return LOST;
  // Without its owner: the former holder's own writes are lost from here on, whatever it was resolved to.
  const ownerless = { ...record, owner: '' };
  return write(
    to.kind === 'completed' ? completed(ownerless, to.retainMs, time) : released(ownerless, null, time),
  );
}

/** Only the form of the response changes: no state, and no end of the record's life. */
export function resealStep(record: RecordHead | null, token: number, time: StoreTime): WriteStep {
  if (record === null || record.token !== token || standing(record, time) !== 'completed') return LOST;
  return write(record);
}

export function forgetStep(
  record: RecordHead | null,
  how: 'settled-only' | 'forced',
  time: StoreTime,
): 'absent' | 'remove' | 'refused' {
  if (record === null || standing(record, time) === 'absent') return 'absent';
  if (how === 'forced' || record.state === 'completed' || record.state === 'released') return 'remove';
  return 'refused';
}

/** `ok` and `lost` of a step, once what it asked for is written. */
export function stepResult(step: WriteStep): WriteResult {
  return step.kind === 'lost' ? 'lost' : 'ok';
}
