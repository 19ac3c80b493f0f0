import { describe, expect, it } from 'vitest';
import type { WriteResult } from '../../src/core/record.ts';
import { createSettler, type Settling } from '../../src/engine/settler.ts';
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

function settling(write: () => Promise<WriteResult>, given: Partial<Settling> = {}): Settling {
  return {
    write,
    leaseMs: 15_000,
    settleWaitMs: never,
    onLost: () => undefined,
    onEnd: () => undefined,
    ...given,
  };
}

describe('a write that ends a claim', () => {
  it('is done at once where the store answers', async () => {
    const { settler, write, writes } = harness(['ok']);

    expect(await settler.settle(settling(write, { settleWaitMs: 1_000 }))).toBe('ok');
    expect(writes()).toBe(1);
  });

  it('tells of a claim that was lost, once', async () => {
    const { settler, write } = harness(['lost']);
    let lost = 0;

    expect(await settler.settle(settling(write, { settleWaitMs: 1_000, onLost: () => (lost += 1) }))).toBe(
      'lost',
    );
    expect(lost).toBe(1);
  });

  it('is tried again until the store answers', async () => {
    const { settler, write, writes, events } = harness(['fails', 'fails', 'fails', 'ok']);

    expect(await settler.settle(settling(write))).toBe('ok');
    expect(writes()).toBe(4);
    expect(events).toEqual([]);
  });

  it('keeps its caller no longer than the settle wait', async () => {
    const { settler, write } = harness(['fails']);

    expect(await settler.settle(settling(write, { settleWaitMs: 0 }))).toBe('pending');
    expect(settler.pending()).toBe(1);
  });

  it.for([
    ['is done', ['ok'], never],
    ['finds its claim lost', ['lost'], never],
    ['is done in the background', ['fails', 'fails', 'ok'], never],
    ['is given up', ['fails'], never],
  ] as const)('tells once that its body may go: when it %s', async ([, answers, settleWaitMs]) => {
    const { settler, write } = harness(answers);
    let ends = 0;

    await settler.settle(settling(write, { settleWaitMs, onEnd: () => (ends += 1) }));

    expect(ends).toBe(1);
  });

  it('keeps its body for as long as it is tried, whatever its caller was told', async () => {
    const { settler, write, writes } = harness(['fails', 'fails', 'fails', 'ok']);
    let ends = 0;

    const told = await settler.settle(settling(write, { settleWaitMs: 0, onEnd: () => (ends += 1) }));
    const endsWhenTold = ends;
    while (settler.pending() > 0) await new Promise((resolve) => setImmediate(resolve));

    expect([told, endsWhenTold, writes(), ends]).toEqual(['pending', 0, 4, 1]);
  });

  it('is one of a bounded number that a silent store is asked for in the background', async () => {
    let asked = 0;
    let nowMs = 0;
    let answers: 'silent' | 'well' = 'silent';
    const silent: (() => void)[] = [];
    const settler = createSettler({
      store: { releaseOwner: async () => 'ok' },
      monotonicMs: () => nowMs,
      onGivenUp: () => undefined,
      pause: async () => {
        nowMs += 0.01;
        await new Promise((resolve) => setImmediate(resolve));
      },
    });
    const first = new Set<number>();
    const write = (n: number) => async (): Promise<WriteResult> => {
      if (!first.has(n)) {
        first.add(n);
        throw new StoreUnavailable('timeout', 'silent');
      }
      asked += 1;
      if (answers === 'silent') await new Promise<void>((resolve) => silent.push(resolve));
      return 'ok';
    };

    for (let n = 0; n < 1_000; n += 1) void settler.settle(settling(write(n), { settleWaitMs: 0 }));
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    const askedOfSilent = asked;
    answers = 'well';
    for (const resolve of silent) resolve();
    while (settler.pending() > 0) await new Promise((resolve) => setImmediate(resolve));

    expect([askedOfSilent, asked]).toEqual([4, 1_000]);
  });

  it('is given up when the lease is over', async () => {
    const { settler, write, events, writes } = harness(['fails']);

    expect(await settler.settle(settling(write, { leaseMs: 2_000 }))).toBe('pending');
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
