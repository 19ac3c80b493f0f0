import { describe, expect, it } from 'vitest';
import type { WriteResult } from '../../src/core/record.ts';
import { createSettler } from '../../src/engine/settler.ts';
import { StoreUnavailable } from '../../src/store/contract.ts';

/** A settle wait that does not end. */
const never = 1_000_000;

/** A clock that only pauses move, and a store whose writes fail as told. */
function harness(answers: readonly (WriteResult | 'fails')[]) {
  let nowMs = 0;
  let at = 0;
  const events: string[] = [];
  const write = async (): Promise<WriteResult> => {
    const answer = answers[Math.min(at, answers.length - 1)] ?? 'fails';
    at += 1;
    if (answer === 'fails') throw new StoreUnavailable('connection', 'gone');
    return answer;
  };
  const settler = createSettler({
    store: { releaseOwner: write },
    monotonicMs: () => nowMs,
    onGivenUp: () => events.push('given up'),
    pause: async (ms) => {
      if (ms > never / 2) return await new Promise(() => undefined);
      nowMs += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  return { settler, write, events, writes: () => at };
}

describe('a write that ends a claim', () => {
  it('is done at once where the store answers', async () => {
    const { settler, write, writes } = harness(['ok']);

    expect(await settler.settle(write, 15_000, 1_000, () => undefined)).toBe('ok');
    expect(writes()).toBe(1);
  });

  it('tells of a claim that was lost, once', async () => {
    const { settler, write } = harness(['lost']);
    let lost = 0;

    expect(await settler.settle(write, 15_000, 1_000, () => (lost += 1))).toBe('lost');
    expect(lost).toBe(1);
  });

  it('is tried again until the store answers', async () => {
    const { settler, write, writes, events } = harness(['fails', 'fails', 'fails', 'ok']);

    expect(await settler.settle(write, 15_000, never, () => undefined)).toBe('ok');
    expect(writes()).toBe(4);
    expect(events).toEqual([]);
  });

  it('keeps its caller no longer than the settle wait', async () => {
    const { settler, write } = harness(['fails']);

    expect(await settler.settle(write, 15_000, 0, () => undefined)).toBe('pending');
    expect(settler.pending()).toBe(1);
  });

  it('is given up when the lease is over', async () => {
    const { settler, write, events, writes } = harness(['fails']);

    expect(await settler.settle(write, 2_000, never, () => undefined)).toBe('pending');
    expect(events).toEqual(['given up']);
    expect(writes()).toBeGreaterThan(4);
    expect(settler.pending()).toBe(0);
  });

  it('a claim whose reply was lost is given back by its owner', async () => {
    const { settler, writes, events } = harness(['fails', 'ok']);

    settler.releaseOwner('key', 'owner', 15_000);
    while (writes() < 2) await new Promise((resolve) => setImmediate(resolve));

    expect(writes()).toBe(2);
    expect(events).toEqual([]);
  });
});
