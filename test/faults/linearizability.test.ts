import { describe, expect, it } from 'vitest';
import { checkKey, type Operation, type Seen, type Step } from './linearizability/checker.ts';

/** The checker itself, on histories that are small enough to judge by hand. */

function seen(word: string, token: number | null = null, change: Partial<Seen> = {}): Seen {
  return { word, token, attempt: word === 'claimed' ? 1 : null, body: null, ...change };
}

function op(client: string, step: Step, calledNs: number, returnedNs: number, answer: Seen): Operation {
  return { client, step, calledNs, returned: { atNs: returnedNs, seen: answer } };
}

function unheard(client: string, step: Step, calledNs: number): Operation {
  return { client, step, calledNs, returned: null };
}

const claim = (owner: string): Step => ({ do: 'claim', owner, state: 'dispatched' });
const inspect: Step = { do: 'inspect' };

describe('a history of one key', () => {
  it('is linearizable where overlapping claims can be put in an order', () => {
    const history = [
      op('a', claim('a'), 0, 100, seen('inFlight', 7)),
      op('b', claim('b'), 10, 90, seen('claimed', 7)),
    ];

    expect(checkKey(history)).toBe('linearizable');
  });

  it('is not where two claims are granted without anything in between', () => {
    const history = [
      op('a', claim('a'), 0, 100, seen('claimed', 7)),
      op('b', claim('b'), 10, 90, seen('claimed', 8)),
    ];

    expect(checkKey(history)).toBe('not-linearizable');
  });

  it('is not where an answer is older than what had returned before it was asked for', () => {
    const history = [
      op('a', claim('a'), 0, 10, seen('claimed', 7)),
      op('a', { do: 'park', owner: 'a', token: 7 }, 11, 20, seen('ok')),
      op('b', inspect, 21, 30, seen('dispatched', 7)),
    ];

    expect(checkKey(history)).toBe('not-linearizable');
  });

  it('is linearizable where the same answer was asked for before the write returned', () => {
    const history = [
      op('a', claim('a'), 0, 10, seen('claimed', 7)),
      op('a', { do: 'park', owner: 'a', token: 7 }, 11, 20, seen('ok')),
      op('b', inspect, 19, 30, seen('dispatched', 7)),
    ];

    expect(checkKey(history)).toBe('linearizable');
  });

  it('may hold a claim that took effect long after its call, and whose token only another learns', () => {
    const history = [
      unheard('a', claim('a'), 0),
      op('b', inspect, 10, 20, seen('absent')),
      op('b', claim('b'), 30, 40, seen('inFlight', 9)),
    ];

    expect(checkKey(history)).toBe('linearizable');
  });

  it('may hold a claim and its release, both unheard, before the same owner is granted the key anew', () => {
    const history = [
      unheard('a', claim('a'), 0),
      unheard('a', { do: 'releaseOwner', owner: 'a' }, 10),
      op('a', claim('a'), 20, 30, seen('claimed', 9, { attempt: 2 })),
    ];

    expect(checkKey(history)).toBe('linearizable');
  });

  it('is not where a claim that nobody sent stands in the way', () => {
    expect(checkKey([op('b', claim('b'), 30, 40, seen('inFlight', 9))])).toBe('not-linearizable');
  });

  it('is not where a token falls back over a release', () => {
    const history = [
      op('a', claim('a'), 0, 10, seen('claimed', 7)),
      op('a', { do: 'release', owner: 'a', token: 7 }, 11, 20, seen('ok')),
      op('b', claim('b'), 21, 30, seen('claimed', 6, { attempt: 2 })),
    ];

    expect(checkKey(history)).toBe('not-linearizable');
  });
});
