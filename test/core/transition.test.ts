import { describe, expect, it } from 'vitest';
import type { Claim } from '../../src/core/record.ts';
import type { RecordHead } from '../../src/core/standing.ts';
import {
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
} from '../../src/core/transition.ts';
import { NOW_MS, stored, TIME } from './stored-record.ts';

const mine: Claim = { recordKey: 'key', owner: 'me', token: 50 };
const LOST: WriteStep = { kind: 'lost' };
const OK: WriteStep = { kind: 'ok' };

const WRITES: readonly (readonly [string, (record: RecordHead | null, claim: Claim) => WriteStep])[] = [
  ['dispatch', (record, claim) => dispatchStep(record, claim, TIME)],
  ['renew', (record, claim) => renewStep(record, claim, 600, TIME)],
  ['complete', (record, claim) => completeStep(record, claim, 5_000, TIME)],
  ['release', (record, claim) => releaseStep(record, claim, 250, TIME)],
  ['park', (record, claim) => parkStep(record, claim, 'reset', TIME)],
  ['release by owner', (record, claim) => releaseOwnerStep(record, claim.owner, TIME)],
];

describe.each(WRITES)('%s', (name, step) => {
  it('finds its own claim', () => {
    expect(step(stored('claimed'), mine).kind).toBe('write');
  });

  it.each(['claimed', 'dispatched', 'completed', 'unknown', 'released'] as const)(
    'touches nothing of another owner, whose record is %s',
    (state) => {
      expect(step(stored(state, { owner: 'other' }), mine)).toEqual(LOST);
    },
  );

  it.each(['claimed', 'dispatched', 'completed', 'unknown', 'released'] as const)(
    'touches nothing under another token, which is %s',
    (state) => {
      if (name === 'release by owner') return expect(step(null, mine)).toEqual(LOST);
      expect(step(stored(state, { token: 51 }), mine)).toEqual(LOST);
      expect(step(stored(state, { token: 49 }), mine)).toEqual(LOST);
    },
  );

  it('touches nothing that is absent, or expired this very instant', () => {
    expect(step(null, mine)).toEqual(LOST);
    expect(step(stored('claimed', { expiresAtMs: NOW_MS }), mine)).toEqual(LOST);
    expect(step(stored('claimed', { expiresAtMs: NOW_MS + 1 }), mine).kind).toBe('write');
  });
});

const over: Partial<RecordHead> = { leaseEndMs: NOW_MS };

describe('what the holder may write', () => {
  const dispatched = { kind: 'write', record: stored('dispatched') };

  it.each([
    ['claimed', stored('claimed'), dispatched],
    ['dispatched', stored('dispatched'), OK],
    ['lapsed before dispatch', stored('claimed', over), LOST],
    ['lapsed after dispatch', stored('dispatched', over), LOST],
    ['completed', stored('completed'), LOST],
    ['unknown', stored('unknown'), LOST],
    ['released', stored('released'), LOST],
  ])('dispatch of a record that is %s', (_name, record, wanted) => {
    expect(dispatchStep(record, mine, TIME)).toEqual(wanted);
  });

  const renewed = { epoch: 3, leaseEndMs: NOW_MS + 600, expiresAtMs: NOW_MS + 600 + 7_000 };

  it.each([
    ['claimed', stored('claimed'), { kind: 'write', record: stored('claimed', renewed) }],
    ['dispatched', stored('dispatched'), { kind: 'write', record: stored('dispatched', renewed) }],
    ['lapsed before dispatch', stored('claimed', over), LOST],
    [
      'lapsed after dispatch',
      stored('dispatched', over),
      { kind: 'write', record: stored('dispatched', renewed) },
    ],
    [
      'of an earlier boot',
      stored('dispatched', { epoch: 2 }),
      { kind: 'write', record: stored('dispatched', renewed) },
    ],
    ['completed', stored('completed'), LOST],
    ['unknown', stored('unknown'), LOST],
    ['released', stored('released'), LOST],
  ])('renewal of a record that is %s', (_name, record, wanted) => {
    expect(renewStep(record, mine, 600, TIME)).toEqual(wanted);
  });

  const done = {
    kind: 'write',
    record: stored('completed', { expiresAtMs: NOW_MS + 5_000, note: null }),
  };

  it.each([
    ['claimed', stored('claimed'), done],
    ['dispatched', stored('dispatched'), done],
    [
      'lapsed after dispatch',
      stored('dispatched', over),
      { kind: 'write', record: { ...done.record, ...over } },
    ],
    [
      'unknown',
      stored('unknown'),
      { kind: 'write', record: { ...done.record, unknownSinceMs: NOW_MS - 300 } },
    ],
    ['completed', stored('completed'), OK],
    ['released', stored('released'), LOST],
  ])('completion of a record that is %s', (_name, record, wanted) => {
    expect(completeStep(record, mine, 5_000, TIME)).toEqual(wanted);
  });

  const free = {
    kind: 'write',
    record: stored('released', { expiresAtMs: NOW_MS + 60_000, retryAfterMs: 250, note: null }),
  };

  it.each([
    ['claimed', stored('claimed', { reason: 'old' }), free],
    ['dispatched', stored('dispatched'), free],
    ['completed', stored('completed'), LOST],
    ['unknown', stored('unknown'), LOST],
    ['released', stored('released'), OK],
  ])('release of a record that is %s', (_name, record, wanted) => {
    expect(releaseStep(record, mine, 250, TIME)).toEqual(wanted);
  });

  it.each([
    ['claimed', stored('claimed'), { kind: 'write', record: { ...free.record, retryAfterMs: null } }],
    ['dispatched', stored('dispatched'), { kind: 'write', record: { ...free.record, retryAfterMs: null } }],
    ['completed', stored('completed'), LOST],
    ['unknown', stored('unknown'), LOST],
    ['released', stored('released'), LOST],
  ])('release by owner of a record that is %s', (_name, record, wanted) => {
    expect(releaseOwnerStep(record, 'me', TIME)).toEqual(wanted);
  });

  const parked = {
    kind: 'write',
    record: stored('unknown', {
      reason: 'truncated',
      unknownSinceMs: NOW_MS,
      expiresAtMs: NOW_MS + 7_000,
    }),
  };

  it.each([
    ['claimed', stored('claimed'), parked],
    ['dispatched', stored('dispatched'), parked],
    [
      'lapsed after dispatch',
      stored('dispatched', over),
      { kind: 'write', record: { ...parked.record, ...over } },
    ],
    ['unknown', stored('unknown'), OK],
    ['completed', stored('completed'), LOST],
    ['released', stored('released'), LOST],
  ])('park of a record that is %s', (_name, record, wanted) => {
    expect(parkStep(record, mine, 'truncated', TIME)).toEqual(wanted);
  });
});

describe('resolving', () => {
  const completed = { kind: 'completed', retainMs: 5_000 } as const;
  const released = { kind: 'released', quietMs: 300 } as const;

  it('to completed keeps the record for its retention, without its owner', () => {
    expect(resolveStep(stored('unknown'), 50, completed, TIME)).toEqual({
      kind: 'write',
      record: stored('completed', {
        owner: '',
        unknownSinceMs: NOW_MS - 300,
        expiresAtMs: NOW_MS + 5_000,
        note: null,
      }),
    });
  });

  it('to released frees the key once it has been quiet, without its owner', () => {
    expect(resolveStep(stored('unknown'), 50, released, TIME)).toEqual({
      kind: 'write',
      record: stored('released', {
        owner: '',
        unknownSinceMs: NOW_MS - 300,
        expiresAtMs: NOW_MS + 60_000,
        note: null,
      }),
    });
  });

  it('to released before that touches nothing, to completed it does not wait', () => {
    expect(resolveStep(stored('unknown'), 50, { kind: 'released', quietMs: 301 }, TIME)).toEqual(LOST);
    expect(resolveStep(stored('dispatched', over), 50, completed, TIME).kind).toBe('write');
  });

  it('counts the quiet time of a lapsed claim from the end of its lease', () => {
    const lapsed = stored('dispatched', { leaseEndMs: NOW_MS - 300 });

    expect(resolveStep(lapsed, 50, released, TIME).kind).toBe('write');
    expect(resolveStep({ ...lapsed, leaseEndMs: NOW_MS - 299 }, 50, released, TIME)).toEqual(LOST);
  });

  it.each([
    ['absent', null],
    ['expired', stored('unknown', { expiresAtMs: NOW_MS })],
    ['under another token', stored('unknown', { token: 51 })],
    ['claimed', stored('claimed')],
    ['dispatched', stored('dispatched')],
    ['completed', stored('completed')],
    ['released', stored('released')],
    ['lapsed before dispatch', stored('claimed', over)],
  ])('touches nothing that is %s', (_name, record) => {
    expect(resolveStep(record, 50, completed, TIME)).toEqual(LOST);
    expect(resolveStep(record, 50, { kind: 'released', quietMs: 0 }, TIME)).toEqual(LOST);
  });
});

describe('restarting', () => {
  const restarted = { kind: 'restarted' } as const;

  it('frees a completed key, without its owner', () => {
    expect(resolveStep(stored('completed'), 50, restarted, TIME)).toEqual({
      kind: 'write',
      record: stored('released', { owner: '', expiresAtMs: NOW_MS + 60_000, note: null }),
    });
  });

  it.each([
    ['absent', null],
    ['expired', stored('completed', { expiresAtMs: NOW_MS })],
    ['under another token', stored('completed', { token: 51 })],
    ['claimed', stored('claimed')],
    ['dispatched', stored('dispatched')],
    ['lapsed', stored('dispatched', over)],
    ['unknown', stored('unknown')],
    ['released', stored('released')],
  ])('touches nothing that is %s', (_name, record) => {
    expect(resolveStep(record, 50, restarted, TIME)).toEqual(LOST);
  });
});

describe('another form of the same response', () => {
  it('is written for the completed record that it was made from', () => {
    expect(resealStep(stored('completed'), 50, TIME)).toEqual({ kind: 'write', record: stored('completed') });
  });

  it.each([
    ['absent', null],
    ['expired', stored('completed', { expiresAtMs: NOW_MS })],
    ['under another token', stored('completed', { token: 51 })],
    ['claimed', stored('claimed')],
    ['dispatched', stored('dispatched')],
    ['unknown', stored('unknown')],
    ['released', stored('released')],
  ])('touches nothing that is %s', (_name, record) => {
    expect(resealStep(record, 50, TIME)).toEqual(LOST);
  });
});

describe('forgetting', () => {
  it.each([
    ['absent', null, 'absent', 'absent'],
    ['expired', stored('completed', { expiresAtMs: NOW_MS }), 'absent', 'absent'],
    ['completed', stored('completed'), 'remove', 'remove'],
    ['released', stored('released'), 'remove', 'remove'],
    ['claimed', stored('claimed'), 'refused', 'remove'],
    ['dispatched', stored('dispatched'), 'refused', 'remove'],
    ['unknown', stored('unknown'), 'refused', 'remove'],
  ] as const)('a record that is %s', (_name, record, settledOnly, forced) => {
    expect(forgetStep(record, 'settled-only', TIME)).toBe(settledOnly);
    expect(forgetStep(record, 'forced', TIME)).toBe(forced);
  });
});

it('a step that wrote, or found it written, is ok; any other is lost', () => {
  expect(stepResult({ kind: 'write', record: stored('completed') })).toBe('ok');
  expect(stepResult(OK)).toBe('ok');
  expect(stepResult(LOST)).toBe('lost');
});
