import type { CellKey } from '../core/cell.ts';
import { type LockTerms, renewStep } from '../core/lock.ts';
import { type Cells, StoreUnavailable } from '../store/contract.ts';
import { systemTicker, type Ticker } from '../store/ticker.ts';
import { acquireLock, type GotLock } from './lock-acquire.ts';
import { changeLock, type SeenLock } from './lock-cell.ts';
import { createLockDesk } from './lock-desk.ts';
import { createLeave } from './lock-leave.ts';

/** Takes locks, renews those in hand with one ticker for all, and gives them back. */
export type LockKeeper = {
  /**
   * All of them, one after the other in the order given, which has to be the same for everybody; or none.
   * Never rejects with StoreUnavailable.
   */
  take(wanted: WantedLocks): Promise<TakenLocks>;
  /** In hand. */
  held(): number;
  /** Given back and not yet known to be. */
  leaving(): number;
  /** Stops renewing: what is still held is left to its leases. */
  stop(): void;
};

export type WantedLocks = {
  /** A resource has a cell for each secret, as a record has a key. */
  readonly resources: readonly (readonly CellKey[])[];
  readonly terms: LockTerms;
  /** Nobody waits any more. */
  readonly gone: AbortSignal;
  /** Another may hold one of them. Called once at most. */
  readonly onLost: () => void;
};

export type TakenLocks =
  | { readonly kind: 'held'; readonly locks: HeldLocks }
  /** Nothing is held. */
  | { readonly kind: 'locked' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'down'; readonly error: StoreUnavailable };

export type HeldLocks = {
  /** One for each resource. */
  readonly tokens: readonly number[];
  /** The least that is left of any lease, by this process's clock; never more than the store grants. 0 once lost. */
  leaseLeftMs(): number;
  /** Gives them back, in the background. */
  release(): void;
  /** Leaves them to their leases: something may still be at work. */
  abandon(): void;
};

export type LockKeeperOptions = {
  readonly cells: Cells;
  readonly monotonicMs: () => number;
  readonly newOwner: () => string;
  readonly ticker?: Ticker;
  /** An error that is no StoreUnavailable: a defect, which must not end the renewals. */
  readonly onError: (error: unknown) => void;
  readonly pause?: (ms: number) => Promise<void>;
};

type Held = GotLock & {
  readonly onLost: () => void;
  leasedMs: number;
  seen: SeenLock;
  renewal: 'idle' | 'under-way';
};

/** A renewal comes at most a tick late: two more fit into the lease. */
const TICKS_PER_LEASE = 12;
const TICK_MS_MIN = 5;
const TICK_MS_MAX = 250;
export function createLockKeeper(options: LockKeeperOptions): LockKeeper {
  const holds = createHolds(options);
  const leave = createLeave(options);
  const desk = createLockDesk(options);
  const { monotonicMs, newOwner } = options;

  function heldLocks(held: readonly Held[], tokens: readonly number[]): HeldLocks {
    return {
      tokens,
      leaseLeftMs: () => Math.min(...held.map((each) => holds.leaseLeftMs(each))),
      release() {
        for (const each of held)
          if (holds.remove(each) === 'held') leave.begin(each, each.leaseMs, each.onLost);
      },
      abandon() {
        for (const each of held) holds.remove(each);
      },
    };
  }

  return {
    async take({ resources, terms, gone, onLost }) {
      const owner = newOwner();
      const endMs = monotonicMs() + terms.waitMs;
      const lost = once(onLost);
      const held: Held[] = [];
      const tokens: number[] = [];
      try {
        for (const cellKeys of resources) {
          let token = 0;
          for (const cellKey of cellKeys) {
            const got = await acquireLock(desk, options, { cellKey, owner, terms, endMs, gone });
            if (got.kind === 'held') {
              const one: Held = { ...got.lock, onLost: lost, renewal: 'idle' };
              holds.add(one);
              held.push(one);
              token = Math.max(token, one.token);
              continue;
            }
            if (got.queued === 'maybe') leave.begin({ cellKey, owner, seen: null }, terms.leaseMs, null);
            heldLocks(held, []).release();
            return got.kind === 'down' ? { kind: 'down', error: got.error } : { kind: got.kind };
          }
          tokens.push(token);
        }
        const locks = heldLocks(held, tokens);
        // A wait for the last may have outlasted the lease of the first.
        if (locks.leaseLeftMs() > 0) return { kind: 'held', locks };
        locks.release();
        return { kind: 'locked' };
      } catch (error) {
        heldLocks(held, []).release();
        throw error;
      }
    },
    held: () => holds.count(),
    leaving: () => leave.count(),
    stop: () => holds.stop(),
  };
}

type Holds = {
  add(held: Held): void;
  remove(held: Held): 'held' | 'gone';
  leaseLeftMs(held: Held): number;
  count(): number;
  stop(): void;
};

function createHolds(options: LockKeeperOptions): Holds {
  const { monotonicMs, ticker = systemTicker, onError } = options;
  const holds = new Set<Held>();
  let stopTicking: (() => void) | null = null;
  let periodMs = TICK_MS_MAX;

  function tick(): void {
    if (holds.size === 0) {
      stop();
      return;
    }
    const nowMs = monotonicMs();
    for (const held of holds)
      if (held.renewal === 'idle' && nowMs - held.leasedMs >= held.leaseMs / 3) void renew(held);
  }

  async function renew(held: Held): Promise<void> {
    held.renewal = 'under-way';
    try {
      const { cellKey, owner, leaseMs } = held;
      const changed = await changeLock(options, cellKey, held.seen, ({ lock }, { latestMs }) => {
        const renewed = renewStep(lock, owner, leaseMs, latestMs);
        return { lock: renewed, wakes: 'nobody', result: renewed === null ? 'lost' : 'held' };
      });
      held.seen = changed.seen;
      if (changed.result === 'held') held.leasedMs = changed.sentMs;
      // One that was given back meanwhile is not lost.
      else if (holds.delete(held)) held.onLost();
    } catch (error) {
      // Nothing is known: the next tick tries again, also after the lease, which a renewal can bring back.
      if (!(error instanceof StoreUnavailable)) onError(error);
    } finally {
      held.renewal = 'idle';
    }
  }

  function stop(): void {
    stopTicking?.();
    stopTicking = null;
  }

  return {
    add(held) {
      holds.add(held);
      const wantedMs = Math.min(
        TICK_MS_MAX,
        Math.max(TICK_MS_MIN, Math.floor(held.leaseMs / TICKS_PER_LEASE)),
      );
      if (stopTicking !== null && periodMs <= wantedMs) return;
      stopTicking?.();
      periodMs = wantedMs;
      stopTicking = ticker(periodMs, tick);
    },
    remove: (held) => (holds.delete(held) ? 'held' : 'gone'),
    leaseLeftMs: (held) => (holds.has(held) ? Math.max(0, held.leasedMs + held.leaseMs - monotonicMs()) : 0),
    count: () => holds.size,
    stop() {
      holds.clear();
      stop();
    },
  };
}

/** Several locks lost are one incident. */
function once(run: () => void): () => void {
  let done: 'no' | 'yes' = 'no';
  return () => {
    if (done === 'no') run();
    done = 'yes';
  };
}
