import { describe, expect, it } from 'vitest';
import type { RecordState, StoredResponse } from '../../src/core/record.ts';
import {
  leaseLeftMs,
  type RecordHead,
  type StoreTime,
  standing,
  unknownForMs,
  viewOf,
} from '../../src/core/standing.ts';

const NOW_MS = 1_000_000;
const TIME: StoreTime = { nowMs: NOW_MS, epoch: 3, epochStartMs: NOW_MS - 400 };
const NOTE = Buffer.from('note');
const RESPONSE: StoredResponse = { kind: 'unstored', status: 201, receivedAtMs: 5 };

function stored(state: RecordState, over: Partial<RecordHead> = {}): RecordHead {
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
    unknownSinceMs: NOW_MS - 300,
    reason: 'reset',
    retryAfterMs: 250,
    expiresAtMs: NOW_MS + 90_000,
    note: NOTE,
    ...over,
  };
}

describe('what a record is by now', () => {
  it.each([
    ['claimed', {}, 'claimed'],
    ['claimed', { leaseEndMs: NOW_MS + 1 }, 'claimed'],
    ['claimed', { leaseEndMs: NOW_MS }, 'lapsed'],
    ['claimed', { epoch: 2 }, 'lapsed'],
    ['claimed', { epoch: 4 }, 'lapsed'],
    ['dispatched', {}, 'dispatched'],
    ['dispatched', { leaseEndMs: NOW_MS }, 'unknown'],
    ['dispatched', { epoch: 2 }, 'unknown'],
    ['completed', { leaseEndMs: 0 }, 'completed'],
    ['unknown', { leaseEndMs: NOW_MS + 900 }, 'unknown'],
    ['released', { leaseEndMs: 0 }, 'released'],
    ['completed', { expiresAtMs: NOW_MS + 1 }, 'completed'],
    ['completed', { expiresAtMs: NOW_MS }, 'absent'],
    ['dispatched', { expiresAtMs: NOW_MS - 1 }, 'absent'],
  ] as const)('%s with %o is %s', (state, over, wanted) => {
    expect(standing(stored(state, over), TIME)).toBe(wanted);
  });

  it('is absent where there is none', () => {
    expect(standing(null, TIME)).toBe('absent');
  });
});

it.each([
  [{ leaseEndMs: NOW_MS + 500 }, 500],
  [{ leaseEndMs: NOW_MS - 500 }, 0],
  [{ leaseEndMs: NOW_MS + 500, epoch: 2 }, 0],
])('of a lease with %o, %i ms are left', (over, wanted) => {
  expect(leaseLeftMs(stored('dispatched', over), TIME)).toBe(wanted);
});

it.each([
  ['parked', stored('unknown'), 300],
  ['parked in what a clock calls the future', stored('unknown', { unknownSinceMs: NOW_MS + 1 }), 0],
  ['lapsed', stored('dispatched', { leaseEndMs: NOW_MS - 40 }), 40],
  ['still leased', stored('dispatched'), 0],
  ['cut short by a boot', stored('dispatched', { epoch: 2, leaseEndMs: NOW_MS + 500 }), 400],
  ['lapsed before a boot', stored('dispatched', { epoch: 2, leaseEndMs: NOW_MS - 900 }), 900],
])('a record that was %s has been unknown since then', (_name, record, wanted) => {
  expect(unknownForMs(record, TIME)).toBe(wanted);
});

describe('the view of a record', () => {
  const view = {
    recordKey: 'key',
    token: 50,
    fingerprint: 'print',
    policyId: 'policy',
    leaseLeftMs: 0,
    expiresInMs: 90_000,
    reason: '',
    unknownForMs: 0,
    retryAfterMs: null,
    note: NOTE,
    response: null,
  };

  it.each([
    ['claimed', stored('claimed'), { state: 'claimed', leaseLeftMs: 500 }],
    ['lapsed before dispatch', stored('claimed', { leaseEndMs: NOW_MS }), { state: 'claimed' }],
    ['dispatched', stored('dispatched'), { state: 'dispatched', leaseLeftMs: 500 }],
    [
      'lapsed after dispatch',
      stored('dispatched', { leaseEndMs: NOW_MS - 40 }),
      { state: 'unknown', reason: 'lease-lapsed', unknownForMs: 40 },
    ],
    ['unknown', stored('unknown'), { state: 'unknown', reason: 'reset', unknownForMs: 300 }],
    ['released', stored('released'), { state: 'released', retryAfterMs: 250 }],
    ['completed', stored('completed'), { state: 'completed', response: RESPONSE }],
  ])('that is %s tells what counts in that state, and nothing else', (_name, record, wanted) => {
    expect(viewOf('key', record, RESPONSE, TIME)).toEqual({ ...view, ...wanted });
  });

  it('is none where the record is absent', () => {
    expect(viewOf('key', stored('completed', { expiresAtMs: NOW_MS }), RESPONSE, TIME)).toBeNull();
  });
});
