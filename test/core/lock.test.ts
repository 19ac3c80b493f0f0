import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  acquireStep,
  type Lock,
  leaveStep,
  lockAt,
  lockLifeMs,
  NO_LOCK,
  QUEUE_MAX,
  renewStep,
  type Ticket,
  TURN_MS,
} from '../../src/core/lock.ts';
import { decodeLock, encodeLock } from '../../src/core/lock-value.ts';

const TERMS = { leaseMs: 10_000, waitMs: 5_000, queueMax: 3 };
const NOW = 1_000_000;

const owner = (n: number): string => n.toString(16).padStart(32, '0');
const ticket = (n: number, untilMs = NOW + 5_000): Ticket => ({ owner: owner(n), waitMs: 5_000, untilMs });
const held = (n: number, untilMs = NOW + 10_000, queue: readonly Ticket[] = []): Lock => ({
  holder: { owner: owner(n), leaseMs: 10_000, untilMs },
  freeSinceMs: 0,
  queue,
});
const free = (freeSinceMs: number, queue: readonly Ticket[]): Lock => ({ holder: null, freeSinceMs, queue });
const owners = (lock: Lock): readonly string[] => lock.queue.map((each) => each.owner);

describe('a lock', () => {
  it('is taken by the first who comes, and queues the others up to its bound', () => {
    const first = acquireStep(NO_LOCK, owner(1), TERMS, NOW);
    if (first.kind !== 'take') throw new Error(first.kind);
    let lock = first.lock;
    for (const n of [2, 3, 4]) {
      const step = acquireStep(lock, owner(n), TERMS, NOW);
      if (step.kind !== 'join') throw new Error(step.kind);
      lock = step.lock;
    }

    expect(lock.holder?.owner).toBe(owner(1));
    expect(owners(lock)).toEqual([owner(2), owner(3), owner(4)]);
    expect(acquireStep(lock, owner(5), TERMS, NOW)).toEqual({ kind: 'full' });
    expect(acquireStep(lock, owner(3), TERMS, NOW)).toEqual({ kind: 'wait', ahead: 1, mended: null });
  });

  it('lets nobody queue who has no time to wait', () => {
    expect(acquireStep(held(1), owner(2), { ...TERMS, waitMs: 0 }, NOW)).toEqual({ kind: 'full' });
    expect(acquireStep(NO_LOCK, owner(2), { ...TERMS, waitMs: 0 }, NOW).kind).toBe('take');
  });

  it('is taken again by an owner whose reply was lost, as holder and from the queue', () => {
    expect(acquireStep(held(1), owner(1), TERMS, NOW + 100)).toEqual({
      kind: 'take',
      lock: held(1, NOW + 10_100),
    });
    expect(acquireStep(held(1, NOW, [ticket(2)]), owner(2), TERMS, NOW)).toMatchObject({
      kind: 'take',
      lock: { holder: { owner: owner(2) }, queue: [] },
    });
  });

  it('is not taken past a first in the queue whose turn it still is', () => {
    const left = free(NOW, [ticket(2), ticket(3)]);

    expect(acquireStep(left, owner(3), TERMS, NOW + TURN_MS - 1).kind).toBe('wait');
    expect(acquireStep(left, owner(9), TERMS, NOW + TURN_MS - 1).kind).toBe('join');
    expect(acquireStep(left, owner(3), TERMS, NOW + TURN_MS)).toMatchObject({
      kind: 'take',
      lock: { queue: [] },
    });
  });

  it('gives every dead waiter one turn, and no longer than it wanted to wait', () => {
    const left = free(NOW, [ticket(2), ticket(3, NOW + TURN_MS + 100), ticket(4)]);

    expect(owners(lockAt(left, NOW + TURN_MS))).toEqual([owner(3), owner(4)]);
    expect(owners(lockAt(left, NOW + TURN_MS + 99))).toEqual([owner(3), owner(4)]);
    expect(owners(lockAt(left, NOW + TURN_MS + 100))).toEqual([owner(4)]);
    // Counted from the end of the turn before, however late somebody looks.
    expect(lockAt(left, NOW + TURN_MS + 100).freeSinceMs).toBe(NOW + TURN_MS + 100);
  });

  it('is free from the end of a lease on, and the turn of the first counts from there', () => {
    const lapsed = held(1, NOW, [ticket(2)]);

    expect(lockAt(lapsed, NOW - 1).holder?.owner).toBe(owner(1));
    expect(lockAt(lapsed, NOW + 300)).toEqual(free(NOW, [ticket(2)]));
  });

  it('is renewed by its holder only, also after a lapse that nobody used', () => {
    expect(renewStep(held(1, NOW - 5), owner(1), 10_000, NOW)).toEqual(held(1));
    expect(renewStep(held(1), owner(2), 10_000, NOW)).toBeNull();
    expect(renewStep(NO_LOCK, owner(1), 10_000, NOW)).toBeNull();
  });

  it('wakes the queue when its holder leaves, and when the first of a free one does', () => {
    expect(leaveStep(held(1, NOW + 10, [ticket(2)]), owner(1), NOW)).toEqual({
      lock: free(NOW, [ticket(2)]),
      wakes: 'waiters',
    });
    expect(leaveStep(held(1), owner(1), NOW)?.wakes).toBe('nobody');
    expect(leaveStep(held(1, NOW + 10, [ticket(2), ticket(3)]), owner(2), NOW)).toEqual({
      lock: held(1, NOW + 10, [ticket(3)]),
      wakes: 'nobody',
    });
    expect(leaveStep(free(NOW - 500, [ticket(2), ticket(3)]), owner(2), NOW)).toEqual({
      lock: free(NOW, [ticket(3)]),
      wakes: 'waiters',
    });
    expect(leaveStep(held(1), owner(2), NOW)).toBeNull();
  });

  it('stands no longer than its lease after the clock has gone back, once somebody has looked', () => {
    const before = held(1, NOW + 10_000, [ticket(2)]);
    const backMs = NOW - 3_600_000;

    const step = acquireStep(before, owner(2), TERMS, backMs);

    expect(step).toMatchObject({
      kind: 'wait',
      mended: { holder: { untilMs: backMs + 10_000 }, queue: [{ untilMs: backMs + 5_000 }] },
    });
    expect(acquireStep(free(NOW, [ticket(2), ticket(3)]), owner(3), TERMS, backMs)).toMatchObject({
      kind: 'wait',
      mended: { freeSinceMs: backMs },
    });
  });

  it('is kept for as long as anything in it counts', () => {
    expect(lockLifeMs(NO_LOCK, NOW)).toBe(1_000);
    expect(lockLifeMs(held(1), NOW)).toBe(20_000 + TURN_MS);
    expect(lockLifeMs(free(NOW, [ticket(2), ticket(3, NOW + 9_000)]), NOW)).toBe(9_000 + TURN_MS);
  });
});

describe('the bytes of a lock', () => {
  const anOwner = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((n) => n.toString(16).padStart(32, '0'));
  const aTicket = fc.record({ owner: anOwner, waitMs: fc.nat(), untilMs: fc.nat() });
  const aLock: fc.Arbitrary<Lock> = fc.record({
    holder: fc.option(fc.record({ owner: anOwner, leaseMs: fc.nat(), untilMs: fc.nat() })),
    freeSinceMs: fc.nat(),
    queue: fc.array(aTicket, { maxLength: 20 }),
  });

  it('come back as they were', () => {
    fc.assert(
      fc.property(aLock, (lock) => {
        expect(decodeLock(encodeLock(lock))).toEqual(lock);
      }),
    );
    expect(decodeLock(new Uint8Array(0))).toEqual(NO_LOCK);
  });

  it('are no lock when they are anything else', () => {
    for (const bytes of [[2], [1, 0], new Array<number>(37).fill(1), new Array<number>(10).fill(1)])
      expect(decodeLock(Uint8Array.from(bytes))).toBeNull();
  });

  it('fit into a cell with the longest queue there may be', () => {
    const queue = Array.from({ length: QUEUE_MAX }, (_, i) => ticket(i));

    expect(encodeLock(held(9_999, NOW, queue)).byteLength).toBeLessThanOrEqual(16_384);
  });
});
