import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide, decideOpened } from '../../src/core/decide.ts';
import type { ReconcilePolicy } from '../../src/core/reconcile.ts';
import type { ClaimResult, PlainResponse, StoredResponse } from '../../src/core/record.ts';

const full: PlainResponse = {
  kind: 'full',
  status: 201,
  rawHeaders: [],
  body: Buffer.from('x'),
  receivedAtMs: 0,
};
const unstored: PlainResponse = { kind: 'unstored', status: 201, receivedAtMs: 0 };
const sealed: StoredResponse = { kind: 'sealed', bytes: Buffer.from('sealed') };
const UNREADABLE = { kind: 'unreadable' } as const;
const record = { fingerprint: 'same', policyId: 'policy', token: 7 };
const inFlight: ClaimResult = { kind: 'inFlight', ...record, leaseLeftMs: 900 };
const completed: ClaimResult = { kind: 'completed', ...record, response: full };
const unknown: ClaimResult = { kind: 'unknown', ...record, reason: 'reset', unknownForMs: 60_000 };

function policy(over: Partial<Parameters<typeof decide>[2]> = {}): Parameters<typeof decide>[2] {
  return {
    fingerprint: {
      id: 'policy',
      method: 'include',
      path: 'include',
      query: 'raw',
      body: { kind: 'bytes' },
      headers: [],
    },
    inFlight: { kind: 'join', waitMs: 2_000, waitersMax: 100 },
    onUnknown: 'hold',
    quietMs: 60_000,
    reconcile: null,
    ...over,
  };
}

const PROBE: ReconcilePolicy = {
  request: {
    method: 'GET',
    path: [{ kind: 'text', text: '/p' }],
    headers: [],
    body: null,
    callerHeaders: [],
    timeoutMs: 1_000,
  },
  capture: [],
  rules: [],
  sweep: { kind: 'off' },
};

describe('what follows from a claim', () => {
  it.each(['hold', 'retry'] as const)(
    'the backend is asked of an unknown outcome where the route has a probe, and would %s without',
    (onUnknown) => {
      expect(decide(unknown, 'same', policy({ reconcile: PROBE, onUnknown }))).toEqual({ kind: 'probe' });
      expect(decide(unknown, 'other', policy({ reconcile: PROBE, onUnknown }))).toEqual({
        kind: 'mismatch',
      });
    },
  );

  it('a granted claim is executed with its token', () => {
    expect(decide({ kind: 'claimed', token: 9, attempt: 2 }, 'same', policy())).toEqual({
      kind: 'execute',
      token: 9,
      attempt: 2,
    });
  });

  it.each([
    ['in flight', inFlight],
    ['completed', completed],
    ['unknown', unknown],
  ])('other content is a mismatch while the record is %s', (_name, result) => {
    expect(decide(result, 'other', policy())).toEqual({ kind: 'mismatch' });
  });

  it.each([
    ['in flight', inFlight],
    ['completed', completed],
    ['unknown', unknown],
  ])('a record of another policy is never called a mismatch while it is %s', (_name, result) => {
    const changed = policy({ fingerprint: { ...policy().fingerprint, id: 'newer' } });

    expect(decide(result, 'other', changed)).toEqual({ kind: 'policy-changed' });
  });

  it('an execution in flight is joined within the bounds of the route', () => {
    expect(decide(inFlight, 'same', policy())).toEqual({
      kind: 'join',
      token: 7,
      waitMs: 2_000,
      waitersMax: 100,
    });
  });

  it('an execution in flight is refused where the route does not join', () => {
    expect(decide(inFlight, 'same', policy({ inFlight: { kind: 'reject' } }))).toEqual({ kind: 'in-flight' });
  });

  it('a kept response is replayed', () => {
    expect(decide(completed, 'same', policy())).toEqual({ kind: 'replay', token: 7, response: full });
  });

  it('an execution whose response was not kept is never executed again', () => {
    expect(decide({ ...completed, response: unstored }, 'same', policy())).toEqual({
      kind: 'response-not-stored',
    });
  });

  it('a sealed response is opened before anything is said of it', () => {
    expect(decide({ ...completed, response: sealed }, 'same', policy())).toEqual({
      kind: 'unseal',
      token: 7,
      response: sealed,
    });
  });

  it('a sealed response is not opened for other content, nor under another policy', () => {
    expect(decide({ ...completed, response: sealed }, 'other', policy()).kind).toBe('mismatch');
    const changed = policy({ fingerprint: { ...policy().fingerprint, id: 'newer' } });
    expect(decide({ ...completed, response: sealed }, 'same', changed).kind).toBe('policy-changed');
  });

  it.each([
    ['a full one is replayed', full, { kind: 'replay', response: full }],
    ['one without a body is response-not-stored', unstored, { kind: 'response-not-stored' }],
    ['one that does not open is response-unreadable', UNREADABLE, { kind: 'response-unreadable' }],
  ])('of responses opened, %s', (_what, opened, decision) => {
    expect(decideOpened(opened)).toEqual(decision);
  });

  it('an unknown outcome is held', () => {
    expect(decide(unknown, 'same', policy())).toEqual({ kind: 'outcome-unknown' });
  });

  it.each([
    [59_999, 'outcome-unknown'],
    [60_000, 'reopen'],
  ])('with onUnknown retry an outcome unknown for %i ms gives %s', (unknownForMs, kind) => {
    expect(decide({ ...unknown, unknownForMs }, 'same', policy({ onUnknown: 'retry' })).kind).toBe(kind);
  });

  it('nothing but a granted claim or an allowed re-opening ever leads to an execution', () => {
    const results = fc.constantFrom<ClaimResult>(
      inFlight,
      completed,
      { ...completed, response: unstored },
      { ...completed, response: sealed },
      unknown,
    );

    fc.assert(
      fc.property(
        results,
        fc.constantFrom('same', 'other'),
        fc.constantFrom('policy', 'newer'),
        (result, digest, id) => {
          const decision = decide(result, digest, policy({ fingerprint: { ...policy().fingerprint, id } }));

          return decision.kind !== 'execute' && decision.kind !== 'reopen';
        },
      ),
    );
  });
});
