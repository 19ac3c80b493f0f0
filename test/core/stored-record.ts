import type { RecordState } from '../../src/core/record.ts';
import type { RecordHead, StoreTime } from '../../src/core/standing.ts';

export const NOW_MS = 1_000_000;
export const TIME: StoreTime = { nowMs: NOW_MS, epoch: 3, epochStartMs: 900_000 };
export const NOTE = Buffer.from('note');

/** A record that `me` holds, or held, under token 50. */
export function stored(state: RecordState, over: Partial<RecordHead> = {}): RecordHead {
  return {
    state,
    token: 50,
    owner: 'me',
    attempt: 4,
    fingerprint: 'print',
    policyId: 'policy',
    epoch: 3,
    leaseEndMs: NOW_MS + 500,
    unknownRetainMs: 7_000,
    unknownSinceMs: state === 'unknown' ? NOW_MS - 300 : 0,
    reason: state === 'unknown' ? 'reset' : '',
    retryAfterMs: null,
    expiresAtMs: NOW_MS + 90_000,
    note: NOTE,
    ...over,
  };
}
