import { describe, expect, it } from 'vitest';
import type { ClaimRequest } from '../../src/core/record.ts';
import { claimStep } from '../../src/core/transition.ts';
import { NOW_MS, stored, TIME } from './stored-record.ts';

function request(over: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    owner: 'other',
    fingerprint: 'newer print',
    policyId: 'newer policy',
    leaseMs: 600,
    retainMs: 5_000,
    unknownRetainMs: 8_000,
    state: 'dispatched',
    note: null,
    ...over,
  };
}

describe('a claim', () => {
  const fresh = {
    kind: 'grant',
    record: {
      state: 'dispatched',
      token: NOW_MS * 1000,
      owner: 'other',
      attempt: 1,
      fingerprint: 'newer print',
      policyId: 'newer policy',
      epoch: 3,
      leaseEndMs: NOW_MS + 600,
      unknownRetainMs: 8_000,
      unknownSinceMs: 0,
      reason: '',
      retryAfterMs: null,
      expiresAtMs: NOW_MS + 600 + 8_000,
      note: null,
    },
    result: { kind: 'claimed', token: NOW_MS * 1000, attempt: 1 },
  };

  it.each([
    ['absent', null],
    ['expired this very instant', stored('completed', { expiresAtMs: NOW_MS })],
    ['expired, whatever it was', stored('dispatched', { expiresAtMs: NOW_MS - 1 })],
  ])('of a key that is %s is granted anew, for lease and unknown retention together', (_name, record) => {
    expect(claimStep(record, request(), TIME, 7)).toEqual(fresh);
  });

  it.each([
    ['the last of all keys', 2e9, 49, 2e9 + 1],
    ['the last of this key', 7, 2e9, 2e9 + 1],
    ['the time in microseconds', 7, 50, NOW_MS * 1000],
  ])('gets a token above %s', (_name, lastToken, token, wanted) => {
    const record = stored('released', { token });

    expect(claimStep(record, request(), TIME, lastToken)).toMatchObject({ result: { token: wanted } });
  });

  it('gets a whole number for a token', () => {
    expect(claimStep(null, request(), { ...TIME, nowMs: 1.0006 }, 7)).toMatchObject({
      result: { token: 1000 },
    });
  });

  it.each([
    ['released', stored('released')],
    ['lapsed before dispatch', stored('claimed', { leaseEndMs: NOW_MS })],
    ['claimed before another boot', stored('claimed', { epoch: 2 })],
  ])('of a key that was %s is granted as the next attempt, with nothing of the old one', (_name, record) => {
    const granted = claimStep(record, request(), TIME, 7);

    expect(granted).toEqual({
      ...fresh,
      record: { ...fresh.record, attempt: 5 },
      result: { ...fresh.result, attempt: 5 },
    });
  });

  it.each(['claimed', 'dispatched'] as const)('of a key that another has %s is told so', (state) => {
    expect(claimStep(stored(state), request(), TIME, 7)).toEqual({
      kind: 'answer',
      result: { kind: 'inFlight', fingerprint: 'print', policyId: 'policy', token: 50, leaseLeftMs: 500 },
    });
  });

  it.each([
    ['claimed', 'claimed', 'claimed'],
    ['claimed', 'dispatched', 'dispatched'],
    ['dispatched', 'claimed', 'dispatched'],
    ['dispatched', 'dispatched', 'dispatched'],
  ] as const)(
    'sent again by its own holder, %s and asked for as %s, stays its own as %s',
    (state, asked, kept) => {
      const again = request({ owner: 'me', state: asked });

      expect(claimStep(stored(state), again, TIME, 7)).toEqual({
        kind: 'grant',
        record: { ...stored(kept), leaseEndMs: NOW_MS + 600, expiresAtMs: NOW_MS + 600 + 7_000 },
        result: { kind: 'claimed', token: 50, attempt: 4 },
      });
    },
  );

  it('of a completed key is left to the caller, who has the response', () => {
    expect(claimStep(stored('completed'), request({ owner: 'me' }), TIME, 7)).toEqual({ kind: 'completed' });
  });

  it.each([
    ['parked', stored('unknown'), 'reset', 300],
    ['lapsed after dispatch', stored('dispatched', { leaseEndMs: NOW_MS - 20 }), 'lease-lapsed', 20],
    ['cut short by a boot', stored('dispatched', { epoch: 2 }), 'lease-lapsed', 100_000],
  ])(
    'of a key that was %s is told that the outcome is unknown, and for how long',
    (_name, record, reason, forMs) => {
      expect(claimStep(record, request({ owner: 'me' }), TIME, 7)).toEqual({
        kind: 'answer',
        result: {
          kind: 'unknown',
          fingerprint: 'print',
          policyId: 'policy',
          token: 50,
          reason,
          unknownForMs: forMs,
        },
      });
    },
  );
});
