import { describe, expect, it } from 'vitest';
import {
  bump,
  judgePredecessor,
  type ProducerState,
  placeOf,
  type Stream,
  turnOf,
} from '../../src/core/producer.ts';
import { EPOCH_MAX, type SequenceIds } from '../../src/core/sequence.ts';

const ID = '0123456789abcdef0123456789abcdef';
const SPACE = 'orders';

function ids(epoch: number, sequence: number): SequenceIds {
  return { producerId: ID, epoch, sequence };
}

function stream(epoch: number, last: number, first = 0): Stream {
  return { epoch, first, last, untilMs: 1_000 };
}

function producer(epoch: number, of: Stream | null): ProducerState {
  return { epoch, streams: new Map(of === null ? [] : [[SPACE, of]]) };
}

describe('a new epoch', () => {
  it('fences whoever has an older one, and keeps what was reserved', () => {
    const bumped = bump(producer(4, stream(4, 9)), null, 0);

    expect(bumped).toEqual({ kind: 'bumped', state: producer(5, stream(4, 9)) });
    if (bumped.kind !== 'bumped') return;
    expect(placeOf(bumped.state, SPACE, ids(4, 10), 'refuse').kind).toBe('fenced');
    expect(placeOf(bumped.state, SPACE, ids(5, 0), 'refuse')).toMatchObject({
      kind: 'next',
      position: 0,
      predecessor: { epoch: 4, last: 9 },
    });
  });

  it('is given only to who knows the last one, where that is asked', () => {
    expect(bump(producer(4, null), 3, 0).kind).toBe('fenced');
    expect(bump(producer(4, null), 4, 0).kind).toBe('bumped');
  });

  it('after the last one fences all and is held by nobody', () => {
    expect(bump(producer(EPOCH_MAX - 1, null), null, 0)).toMatchObject({
      kind: 'bumped',
      state: { epoch: EPOCH_MAX },
    });
    expect(bump(producer(EPOCH_MAX, null), null, 0)).toMatchObject({
      kind: 'exhausted',
      state: { epoch: EPOCH_MAX + 1 },
    });
  });

  it('forgets keyspaces of which nothing follows any more', () => {
    const bumped = bump(producer(4, stream(4, 9)), null, 1_000);

    expect(bumped).toMatchObject({ kind: 'bumped', state: { streams: new Map() } });
  });
});

const VIEW = { leaseLeftMs: 0, unknownForMs: 0 };

describe('what came before', () => {
  it.each([
    [{ ...VIEW, state: 'completed' as const }, 'settled'],
    [{ ...VIEW, state: 'dispatched' as const }, 'in-flight'],
    [{ ...VIEW, state: 'claimed' as const, leaseLeftMs: 5 }, 'in-flight'],
    [{ ...VIEW, state: 'claimed' as const }, 'not-executed'],
    [{ ...VIEW, state: 'released' as const }, 'not-executed'],
    [{ ...VIEW, state: 'unknown' as const }, 'unknown'],
    [null, 'not-executed'],
  ])('as %j is %s', (view, standing) => {
    expect(judgePredecessor(view, stream(0, 1), 999)).toBe(standing);
  });

  it.each([
    [null, 'expired'],
    [{ ...VIEW, state: 'released' as const }, 'expired'],
    [{ ...VIEW, state: 'claimed' as const }, 'expired'],
    [{ ...VIEW, state: 'completed' as const }, 'settled'],
    [{ ...VIEW, state: 'dispatched' as const }, 'in-flight'],
  ])('as %j is %s once its record could have expired and another have been made', (view, standing) => {
    expect(judgePredecessor(view, stream(0, 1), 1_000)).toBe(standing);
  });

  const rules = { unknown: 'refuse' as const, quietMs: 60 };

  it.each([
    ['settled', 'go', 'go'],
    ['in-flight', 'wait', 'wait'],
    ['unknown', 'blocked', 'blocked'],
    ['not-executed', 'missing', 'go'],
    ['expired', 'expired', 'go'],
  ] as const)('and is %s makes the same epoch %s, a newer one %s', (standing, same, newer) => {
    expect(turnOf(standing, stream(3, 1), 3, 59, rules).kind).toBe(same);
    expect(turnOf(standing, stream(2, 1), 3, 59, rules).kind).toBe(newer);
  });

  it('and is unknown is passed by a newer epoch once it has been quiet, and by the same one never', () => {
    expect(turnOf('unknown', stream(2, 1), 3, 60, rules).kind).toBe('go');
    expect(turnOf('unknown', stream(3, 1), 3, 60, rules).kind).toBe('blocked');
  });

  it('and has expired is passed where any number is accepted', () => {
    expect(turnOf('expired', stream(3, 1), 3, 0, { ...rules, unknown: 'accept' }).kind).toBe('go');
  });
});
