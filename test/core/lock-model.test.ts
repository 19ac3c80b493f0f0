import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellAt, cellStep, type StoredCell } from '../../src/core/cell.ts';
import { acquireStep, type Lock, leaveStep, lockLifeMs, renewStep, TURN_MS } from '../../src/core/lock.ts';
import { decodeLock, encodeLock } from '../../src/core/lock-value.ts';

/**
 * Contenders that read a cell and write it over what they have read, in any order of their steps, some of which die.
 * What a contender believes of its lease is its own count from before the read.
 */

const LEASE_MS = 3_000;
const QUEUE_MAX = 3;
const CONTENDERS = 5;

type Seen = { readonly version: number; readonly lock: Lock; readonly nowMs: number };

type Contender = {
  readonly name: number;
  state: 'idle' | 'wanting' | 'holding' | 'dead';
  owner: string;
  waitEndMs: number;
  seen: Seen | null;
  leasedMs: number;
  queued: 'no' | 'yes';
};

class World {
  nowMs = 1_000_000;
  stored: StoredCell | null = null;
  owners = 0;
  /** In the order of their writes. */
  readonly tokens: number[] = [];
  readonly joined: string[] = [];
  readonly granted: string[] = [];
  readonly dropped: string[] = [];
  readonly contenders: Contender[] = Array.from({ length: CONTENDERS }, (_, name) => ({
    name,
    state: 'idle',
    owner: '',
    waitEndMs: 0,
    seen: null,
    leasedMs: 0,
    queued: 'no',
  }));

  read(): Seen {
    const cell = cellAt(this.stored, this.nowMs);
    const lock = decodeLock(cell.value);
    if (lock === null) throw new Error('no lock');
    expect(lock.queue.length).toBeLessThanOrEqual(QUEUE_MAX);
    return { version: cell.version, lock, nowMs: cell.nowMs };
  }

  /** The version, or null when another was first. */
  write(expectedVersion: number, lock: Lock): number | null {
    const lifeMs = lockLifeMs(lock, this.nowMs);
    const write = { expectedVersion, value: encodeLock(lock), lifeMs, wakes: 'nobody' } as const;
    const step = cellStep(this.stored, write, this.nowMs, 0);
    if (step.kind === 'changed') return null;
    this.stored = step.stored;
    return step.stored.version;
  }

  want(contender: Contender, waitMs: number): void {
    if (contender.state === 'dead') contender.state = 'idle';
    if (contender.state !== 'idle') return;
    this.owners += 1;
    contender.owner = this.owners.toString(16).padStart(32, '0');
    contender.state = 'wanting';
    contender.waitEndMs = this.nowMs + waitMs;
    contender.seen = null;
    contender.queued = 'no';
  }

  /** A read, or a decision and its write. */
  step(contender: Contender): void {
    if (contender.state !== 'wanting') return;
    if (contender.seen === null) {
      contender.seen = this.read();
      return;
    }
    const { version, lock, nowMs } = contender.seen;
    const waitMs = Math.max(0, contender.waitEndMs - this.nowMs);
    const taken = acquireStep(
      lock,
      contender.owner,
      { leaseMs: LEASE_MS, waitMs, queueMax: QUEUE_MAX },
      nowMs,
    );
    contender.seen = null;
    switch (taken.kind) {
      case 'take': {
        const token = this.write(version, taken.lock);
        if (token === null) return;
        contender.state = 'holding';
        contender.leasedMs = nowMs;
        this.tokens.push(token);
        this.granted.push(contender.owner);
        return;
      }
      case 'join':
        if (this.write(version, taken.lock) === null) return;
        if (contender.queued === 'yes') this.dropped.push(contender.owner);
        contender.queued = 'yes';
        this.joined.push(contender.owner);
        return;
      case 'wait':
        if (waitMs === 0) this.leave(contender);
        return;
      case 'full':
        // Without time left its place was over by itself.
        if (contender.queued === 'yes' && waitMs > 0) this.dropped.push(contender.owner);
        contender.state = 'idle';
        return;
    }
  }

  leave(contender: Contender): void {
    if (contender.state !== 'holding' && contender.state !== 'wanting') return;
    const { version, lock } = this.read();
    const left = leaveStep(lock, contender.owner, this.nowMs);
    if (left !== null) this.write(version, left.lock);
    contender.state = 'idle';
  }

  renew(contender: Contender): void {
    if (contender.state !== 'holding') return;
    const { version, lock } = this.read();
    const renewed = renewStep(lock, contender.owner, LEASE_MS, this.nowMs);
    if (renewed === null) contender.state = 'idle';
    else if (this.write(version, renewed) !== null) contender.leasedMs = this.nowMs;
  }

  /** Who believes to hold it. */
  believers(): readonly Contender[] {
    return this.contenders.filter(
      ({ state, leasedMs }) => state === 'holding' && leasedMs + LEASE_MS > this.nowMs,
    );
  }

  check(): void {
    expect(this.believers().length).toBeLessThanOrEqual(1);
    expect(this.tokens).toEqual([...new Set(this.tokens)].sort((a, b) => a - b));
  }
}

type Move =
  | { readonly kind: 'want'; readonly who: number; readonly waitMs: number }
  | { readonly kind: 'step' | 'leave' | 'renew' | 'die'; readonly who: number }
  | { readonly kind: 'pass'; readonly ms: number };

const who = fc.nat({ max: CONTENDERS - 1 });
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('want' as const), who, waitMs: fc.nat({ max: 8_000 }) }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('step' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('leave' as const, 'renew' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('die' as const), who }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat({ max: 1_500 }) }) },
);

function apply(world: World, made: Move): void {
  if (made.kind === 'pass') {
    world.nowMs += made.ms;
    return;
  }
  const contender = world.contenders[made.who];
  if (contender === undefined) return;
  switch (made.kind) {
    case 'want':
      world.want(contender, made.waitMs);
      return;
    case 'step':
      world.step(contender);
      return;
    case 'leave':
      world.leave(contender);
      return;
    case 'renew':
      world.renew(contender);
      return;
    case 'die':
      if (contender.state !== 'idle') contender.state = 'dead';
      return;
  }
}

/** Every living waiter looks until it can do no more, in an order of its own. */
function everybodyLooks(world: World, from: number): void {
  for (let round = 0; round < 4; round += 1) {
    for (let i = 0; i < CONTENDERS; i += 1) {
      const contender = world.contenders[(from + i) % CONTENDERS];
      if (contender === undefined) continue;
      // A read and its write, without another in between.
      contender.seen = null;
      world.step(contender);
      world.step(contender);
    }
  }
}

const LOOK_MS = 500;

describe('contenders for a lock', () => {
  it('never hold it together, exceed the queue or see a token again, whatever the order of their steps', () => {
    fc.assert(
      fc.property(fc.array(move, { minLength: 20, maxLength: 200 }), (moves) => {
        const world = new World();
        for (const made of moves) {
          apply(world, made);
          world.check();
        }
      }),
      { numRuns: 500 },
    );
  });

  it('get it in the order in which they queued, as long as they live and look', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(move, who), { minLength: 20, maxLength: 120 }), (moves) => {
        const world = new World();
        for (const [made, from] of moves) {
          // Nobody sleeps through its turn.
          let leftMs = made.kind === 'pass' ? made.ms : 0;
          do {
            apply(world, made.kind === 'pass' ? { kind: 'pass', ms: Math.min(leftMs, LOOK_MS) } : made);
            leftMs -= LOOK_MS;
            everybodyLooks(world, from);
            world.check();
          } while (leftMs > 0);
        }
        const inOrder = world.granted.filter((each) => world.joined.includes(each));
        const expected = world.joined.filter((each) => world.granted.includes(each));
        expect(inOrder).toEqual(expected);
        expect(world.dropped).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('all get it in the end by looking alone, however many die before them', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60 }), who, (moves, from) => {
        const world = new World();
        for (const made of moves) {
          apply(world, made);
          everybodyLooks(world, from);
        }
        const waiting = world.contenders.filter(({ state }) => state === 'wanting');
        for (const contender of waiting) contender.waitEndMs = world.nowMs + 10_000_000;
        const owed = new Set(waiting.map(({ owner }) => owner));

        const worstMs = (CONTENDERS + 1) * (LEASE_MS + TURN_MS) + 8_000;
        for (let passedMs = 0; passedMs < worstMs; passedMs += LOOK_MS) {
          for (const contender of world.contenders) if (contender.state === 'holding') world.leave(contender);
          world.nowMs += LOOK_MS;
          everybodyLooks(world, from);
        }

        expect(world.contenders.filter(({ state }) => state === 'wanting')).toEqual([]);
        for (const each of owed) expect(world.granted).toContain(each);
      }),
      { numRuns: 300 },
    );
  });
});
