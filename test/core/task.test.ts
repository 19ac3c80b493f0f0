import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecordState } from '../../src/core/record.ts';
import { recordKey } from '../../src/core/record-key.ts';
import { repeatedStart, type TaskPolicy, taskStanding, taskSuccess, taskWish } from '../../src/core/task.ts';
import { belongsTo, isOfRequest, isOfRoute, parseTaskId, taskId } from '../../src/core/task-id.ts';

const POLICY: TaskPolicy = {
  respond: 'prefer',
  onRepeat: 'state',
  afterCompletion: 'replay',
  waitMs: 10_000,
  waitersMax: 100,
  timeoutMs: 60_000,
  retryAfterMs: 2_000,
};
const ALWAYS: TaskPolicy = { ...POLICY, respond: 'always' };

describe('a request on a route with tasks', () => {
  it.each([
    ['starts none unless it prefers so', POLICY, 'wait=3', null],
    ['starts one that it prefers', POLICY, 'respond-async', { waitMs: null, applied: 'respond-async' }],
    ['may wait first', POLICY, 'respond-async, wait=3', { waitMs: 3_000, applied: 'respond-async, wait=3' }],
    [
      'waits no longer than the route allows, and is not told that it did',
      POLICY,
      'respond-async, wait=11',
      { waitMs: 10_000, applied: 'respond-async' },
    ],
    ['starts one by policy without a word', ALWAYS, '', { waitMs: null, applied: null }],
    ['that starts by policy may wait too', ALWAYS, 'wait=3', { waitMs: 3_000, applied: 'wait=3' }],
  ] as const)('%s', (_, policy, prefer, wish) => {
    expect(taskWish(policy, ['Prefer', prefer])).toEqual(wish);
  });
});

describe('a start whose task is running', () => {
  const wish = (waitMs: number | null) => ({ waitMs, applied: null });

  it.each([
    ['attach', null, { kind: 'wait', waitMs: 10_000 }],
    ['attach', 3_000, { kind: 'wait', waitMs: 3_000 }],
    ['attach', 0, { kind: 'wait', waitMs: 0 }],
    ['state', null, { kind: 'wait', waitMs: 0 }],
    ['state', 3_000, { kind: 'wait', waitMs: 3_000 }],
    ['reject', 3_000, { kind: 'reject' }],
  ] as const)('under %s with a wait of %s', (onRepeat, waitMs, expected) => {
    expect(repeatedStart({ ...POLICY, onRepeat }, wish(waitMs))).toEqual(expected);
  });
});

describe('what has become of a task', () => {
  it.each([
    ['claimed', 5, 'pending'],
    ['claimed', 0, 'released'],
    ['dispatched', 5, 'pending'],
    ['completed', 0, 'completed'],
    ['unknown', 0, 'unknown'],
    ['released', 0, 'released'],
  ] as const)('is told by its record: %s with %s ms of lease is %s', (state, leaseLeftMs, standing) => {
    expect(taskStanding({ state: state satisfies RecordState, leaseLeftMs })).toBe(standing);
  });

  it('is that it has expired where the record is gone', () => {
    expect(taskStanding(null)).toBe('expired');
  });

  it.each([
    [200, 'succeeded'],
    [302, 'succeeded'],
    [399, 'succeeded'],
    [400, 'failed'],
    [500, 'failed'],
  ] as const)('with a response of %s is that it %s', (status, success) => {
    expect(taskSuccess(status)).toBe(success);
  });
});

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
type Of = {
  readonly secret: Uint8Array;
  readonly scope: Uint8Array;
  readonly key: string;
  readonly route: string;
  readonly fingerprint: string;
};
const named: fc.Arbitrary<Of> = fc.record({
  secret: bytes(32),
  scope: bytes(32),
  key: fc.string({ minLength: 1 }),
  route: fc.string(),
  fingerprint: fc.string(),
});

function idOf({ secret, scope, key, route, fingerprint }: Of): string {
  return taskId(secret, { recordKey: recordKey(secret, 'default', scope, key), route, fingerprint }, scope);
}

describe('a task id', () => {
  it('leads back to its record and belongs to its principal', () => {
    fc.assert(
      fc.property(named, (of) => {
        const parsed = parseTaskId(idOf(of));

        expect(parsed?.recordKey).toBe(recordKey(of.secret, 'default', of.scope, of.key));
        expect(parsed === null ? null : belongsTo(parsed, of.secret, of.scope)).toBe('yes');
        expect(parsed === null ? null : isOfRoute(parsed, of.route)).toBe('yes');
        expect(parsed === null ? null : isOfRequest(parsed, of.fingerprint)).toBe('yes');
      }),
    );
  });

  it('belongs to no other principal and under no other secret', () => {
    fc.assert(
      fc.property(named, bytes(32), (of, other) => {
        fc.pre(!Buffer.from(other).equals(of.scope) && !Buffer.from(other).equals(of.secret));
        const parsed = parseTaskId(idOf(of));

        expect(parsed === null ? null : belongsTo(parsed, of.secret, other)).toBe('no');
        expect(parsed === null ? null : belongsTo(parsed, other, of.scope)).toBe('no');
      }),
    );
  });

  it('is not that of another request with the same key, nor of another route', () => {
    fc.assert(
      fc.property(named, fc.string(), (of, other) => {
        fc.pre(other !== of.fingerprint && other !== of.route);
        const parsed = parseTaskId(idOf(of));

        expect(parsed === null ? null : isOfRequest(parsed, other)).toBe('no');
        expect(idOf({ ...of, fingerprint: other })).not.toBe(idOf(of));
        expect(parsed === null ? null : isOfRoute(parsed, other)).toBe('no');
      }),
    );
  });

  it('belongs to nobody once one of its characters is another', () => {
    fc.assert(
      fc.property(named, fc.nat({ max: 75 }), fc.constantFrom('A', 'b', '-'), (of, at, char) => {
        const id = idOf(of);
        fc.pre(id[at] !== char);
        const parsed = parseTaskId(id.slice(0, at) + char + id.slice(at + 1));

        expect(parsed === null ? null : belongsTo(parsed, of.secret, of.scope)).toBe('no');
      }),
    );
  });

  it.each([
    '',
    'a',
    'a'.repeat(75),
    'a'.repeat(77),
    `${'a'.repeat(75)}=`,
    `${'a'.repeat(75)}+`,
    'ä'.repeat(76),
  ])('is not `%s`', (text) => {
    expect(parseTaskId(text)).toBeNull();
  });
});
