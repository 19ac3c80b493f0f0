import { describe, expect, it } from 'vitest';
import { type Conditions, readConditions } from '../../src/core/precondition.ts';
import {
  decideWrite,
  effectOf,
  mended,
  opaqueOf,
  type Pending,
  renewed,
  resolvedBy,
  settleStep,
  standingOf,
  UNWRITTEN,
  type Versioned,
  type Wish,
} from '../../src/core/resource-version.ts';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const C = 'c'.repeat(32);
const NOW = 1_000_000;
const WATCHED = Number.POSITIVE_INFINITY;

const settled = (version: string | null, existence: Versioned['existence'] = 'exists'): Versioned => ({
  version,
  existence,
  pending: null,
});

const pending = (over: Partial<Pending> = {}): Pending => ({
  owner: B,
  leaseMs: 1_000,
  untilMs: NOW + 500,
  quietMs: 2_000,
  claim: null,
  ...over,
});

const during = (over: Partial<Pending> = {}): Versioned => ({ ...settled(A), pending: pending(over) });

const wishing = (conditions: Readonly<Record<string, string>>, over: Partial<Wish> = {}): Wish => ({
  conditions: readConditions(Object.entries(conditions).flat()),
  owner: C,
  claim: null,
  leaseMs: 1_000,
  quietMs: 2_000,
  retainMs: 100_000,
  ...over,
});

const match = (...opaques: readonly string[]): Readonly<Record<string, string>> => ({
  'If-Match': opaques.map((opaque) => `"${opaque}"`).join(', '),
});

function decide(state: Versioned, wish: Wish, nowMs = NOW, watchedMs = WATCHED) {
  return decideWrite(state, standingOf(state, nowMs, watchedMs), wish, nowMs);
}

describe('a write to a resource at rest', () => {
  it('goes out when it names the version, and stands in the value with that version before it', () => {
    expect(decide(settled(A), wishing(match(`v${A}`)))).toEqual({
      kind: 'reserve',
      next: {
        version: A,
        existence: 'exists',
        pending: { owner: C, leaseMs: 1_000, untilMs: NOW + 1_000, quietMs: 2_000, claim: null },
      },
    });
  });

  it.each([
    ['reserve', 'one of several names it', { 'If-Match': `"x", "v${A}"` }],
    ['reserve', 'a representation of it is named', match(`v${A}.0123abcd`)],
    ['reserve', 'anything will do', { 'If-Match': '*' }],
    ['reserve', 'no condition is set', {}],
    ['reserve', 'it must not be another version', { 'If-None-Match': `"v${B}"` }],
    ['stale', 'another is named', match(`v${B}`)],
    ['stale', 'it is named weakly', { 'If-Match': `W/"v${A}"` }],
    ['stale', 'a time of reading is named', match(opaqueOf(null, NOW - 1))],
    ['stale', 'it must not be there', { 'If-None-Match': '*' }],
    ['stale', 'it must not be this version, weakly said', { 'If-None-Match': `W/"v${A}"` }],
    ['stale', 'one of two conditions fails', { ...match(`v${A}`), 'If-None-Match': '*' }],
    ['stale', 'the tag has more in it', match(`v${A}x`)],
  ] as const)('is %s where %s', (kind, _what, conditions) => {
    expect(decide(settled(A), wishing(conditions)).kind).toBe(kind);
  });

  it.each([
    ['gone', { 'If-Match': '*' }, 'stale'],
    ['gone', { 'If-None-Match': '*' }, 'reserve'],
    ['unknown', { 'If-Match': '*' }, 'reserve'],
    ['unknown', { 'If-None-Match': '*' }, 'reserve'],
    ['exists', { 'If-Match': '*' }, 'reserve'],
  ] as const)('that is %s with %j is %s', (existence, conditions, kind) => {
    expect(decide(settled(A, existence), wishing(conditions)).kind).toBe(kind);
  });
});

describe('a resource that was never written through here', () => {
  const at = (readMs: number) => decide(UNWRITTEN, wishing(match(opaqueOf(null, readMs)))).kind;

  it('has the time of the reading for a version, as long as a write since would be remembered', () => {
    expect([at(NOW), at(NOW - 89_999)]).toEqual(['reserve', 'reserve']);
  });

  it('does not know one that is too old, or from a time to come', () => {
    expect([at(NOW - 90_000), at(NOW + 1)]).toEqual(['stale', 'stale']);
  });

  it('keeps it over a write that was not made', () => {
    const tag = match(opaqueOf(null, NOW - 10));
    const first = decide(UNWRITTEN, wishing(tag));
    if (first.kind !== 'reserve') throw new Error(first.kind);
    const step = settleStep(first.next, C, { kind: 'unchanged' }, NOW);
    if (step.kind !== 'write') throw new Error(step.kind);

    expect(decide(step.next, wishing(tag)).kind).toBe('reserve');
  });
});

describe('a write while another is in flight', () => {
  it('waits, as its version may still be the one', () => {
    expect(decide(during(), wishing(match(`v${A}`))).kind).toBe('wait');
    expect(decide(during(), wishing(match(`v${B}`))).kind).toBe('wait');
    expect(decide(during(), wishing({})).kind).toBe('wait');
  });

  it('is stale at once where neither end of the other would make it right', () => {
    expect(decide(during(), wishing(match(`v${C}`))).kind).toBe('stale');
  });
});

describe('a write whose end nobody wrote down', () => {
  const untilMs = NOW + 500;

  it.each([
    [untilMs - 1, 'in-flight'],
    [untilMs, 'unsure'],
    [untilMs + 1_999, 'unsure'],
    [untilMs + 2_000, 'settled'],
  ] as const)('at %i is %s', (nowMs, kind) => {
    expect(standingOf(during(), nowMs, WATCHED).kind).toBe(kind);
  });

  it('keeps others from writing, and says for how long', () => {
    expect(decide(during(), wishing(match(`v${A}`)), untilMs + 500)).toEqual({
      kind: 'unsure',
      leftMs: 1_500,
    });
    expect(decide(during(), wishing({}), untilMs).kind).toBe('unsure');
  });

  it('has moved the version once it has been quiet, so that the one before is stale', () => {
    const later = untilMs + 2_000;

    expect(standingOf(during(), later, WATCHED)).toEqual({
      kind: 'settled',
      version: B,
      existence: 'unknown',
    });
    expect(decide(during(), wishing(match(`v${A}`)), later).kind).toBe('stale');
    expect(decide(during(), wishing(match(`v${B}`)), later)).toMatchObject({
      kind: 'reserve',
      next: { version: B, existence: 'unknown' },
    });
  });

  it('is in doubt for as long as the reader has not watched it itself, whatever the clock of the store says', () => {
    expect(standingOf(during(), NOW * 2, 1_999)).toEqual({ kind: 'unsure', leftMs: 1 });
    expect(standingOf(during({ quietMs: 0 }), NOW * 2, 999)).toEqual({ kind: 'unsure', leftMs: 1 });
    expect(standingOf(during(), NOW * 2, 2_000).kind).toBe('settled');
  });

  it('is told by what became of its key', () => {
    const state = during({ claim: { recordKey: 'k', token: 7 } });

    expect(resolvedBy(state, { token: 7, state: 'completed' })).toEqual({
      version: B,
      existence: 'unknown',
      pending: null,
    });
    expect(resolvedBy(state, { token: 7, state: 'released' })).toEqual(settled(A));
    expect(resolvedBy(state, { token: 7, state: 'unknown' })).toBeNull();
    expect(resolvedBy(state, { token: 8, state: 'completed' })).toBeNull();
    expect(resolvedBy(state, null)).toBeNull();
    expect(resolvedBy(during(), { token: 7, state: 'completed' })).toBeNull();
  });

  it('stands in the way of its own repeat no more, once its key was opened again', () => {
    const state = during({ claim: { recordKey: 'k', token: 7 } });
    const repeat = wishing(match(`v${A}`), { claim: { recordKey: 'k', token: 8 } });

    expect(decide(state, repeat, NOW).kind).toBe('wait');
    expect(decide(state, repeat, untilMs)).toMatchObject({ kind: 'reserve', next: { version: A } });
    expect(decide(state, repeat, untilMs + 2_000)).toMatchObject({ kind: 'reserve', next: { version: A } });
    expect(decide(state, { ...repeat, claim: { recordKey: 'k', token: 7 } }, untilMs).kind).toBe('unsure');
    expect(decide(state, { ...repeat, claim: { recordKey: 'l', token: 8 } }, untilMs).kind).toBe('unsure');
  });

  it('does not outlive its lease because the clock of the store went back', () => {
    const back = NOW - 100_000;

    expect(standingOf(during(), back, WATCHED).kind).toBe('in-flight');
    expect(mended(during(), back)?.pending?.untilMs).toBe(back + 1_000);
    expect(mended(during(), NOW)).toBeNull();
    expect(standingOf(during({ leaseMs: 0 }), back, WATCHED).kind).toBe('unsure');
  });
});

describe('the end of a write', () => {
  const advanced = { kind: 'advanced', existence: 'exists' } as const;

  it('moves the version to its own, leaves it, or parks it from now on', () => {
    expect(settleStep(during(), B, advanced, NOW)).toEqual({ kind: 'write', next: settled(B) });
    expect(settleStep(during(), B, { kind: 'unchanged' }, NOW)).toEqual({ kind: 'write', next: settled(A) });
    expect(settleStep(during(), B, { kind: 'parked' }, NOW)).toEqual({
      kind: 'write',
      next: during({ leaseMs: 0, untilMs: NOW }),
    });
  });

  it('that is there already is done, and one that comes too late is lost if the write was made', () => {
    expect(settleStep(settled(B), B, advanced, NOW).kind).toBe('done');
    expect(settleStep(settled(C), B, advanced, NOW).kind).toBe('lost');
    expect(settleStep(during({ owner: C }), B, advanced, NOW).kind).toBe('lost');
    expect(settleStep(settled(C), B, { kind: 'unchanged' }, NOW).kind).toBe('done');
    expect(settleStep(settled(A), B, { kind: 'parked' }, NOW).kind).toBe('done');
  });

  it('is put off while it lives', () => {
    expect(renewed(during(), B, 3_000, NOW + 10_000)?.pending).toMatchObject({
      leaseMs: 3_000,
      untilMs: NOW + 13_000,
    });
    expect(renewed(during(), C, 3_000, NOW)).toBeNull();
    expect(renewed(settled(A), B, 3_000, NOW)).toBeNull();
  });

  const complete = { kind: 'complete', keep: 'full' } as const;
  const park = { kind: 'park', reason: 'reset' } as const;

  it.each([
    ['advanced', complete, 'PUT', 200, 'exists'],
    ['advanced', complete, 'PATCH', 204, 'exists'],
    ['advanced', complete, 'DELETE', 204, 'gone'],
    ['advanced', complete, 'POST', 201, 'unknown'],
    ['advanced', complete, 'PUT', 202, 'unknown'],
    ['advanced', complete, 'PUT', 303, 'unknown'],
    ['advanced', complete, 'DELETE', 500, 'unknown'],
    ['advanced', park, 'PUT', 200, 'exists'],
  ] as const)('is %s by %j of a %s with %i', (kind, settlement, method, status, existence) => {
    expect(effectOf(settlement, method, status)).toEqual({ kind, existence });
  });

  it.each([
    ['unchanged', complete, 404],
    ['unchanged', complete, 412],
    ['unchanged', { kind: 'release' }, 503],
    ['unchanged', { kind: 'release' }, null],
    ['parked', park, null],
    ['parked', { kind: 'park', reason: 'status' }, 502],
  ] as const)('is %s by %j with %s', (kind, settlement, status) => {
    expect(effectOf(settlement, 'PUT', status)).toEqual({ kind });
  });
});

const NO_CONDITIONS: Conditions = readConditions([]);

it('a write without a condition goes out on any version at rest', () => {
  expect(decide(settled(null, 'unknown'), { ...wishing({}), conditions: NO_CONDITIONS }).kind).toBe(
    'reserve',
  );
});
