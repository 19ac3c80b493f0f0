import type { CellKey } from '../core/cell.ts';
import { type LockTerms, renewStep } from '../core/lock.ts';
import type { WriteResult } from '../core/record.ts';
import type { Cells, StoreUnavailable } from '../store/contract.ts';
import { createKeepAlive, type Hold } from '../store/keep-alive.ts';
import type { Ticker } from '../store/ticker.ts';
import { acquireLock, type GotLock } from './lock-acquire.ts';
import { changeLock, type LockCells, type SeenLock } from './lock-cell.ts';
import { createLockDesk } from './lock-desk.ts';
import { createLeave } from './lock-leave.ts';
import { once } from './once.ts';

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

/** `seen`: as it was when it was taken or renewed last. */
type Held = Omit<GotLock, 'seen'> & { seen: SeenLock };
type InHand = { readonly held: Held; readonly hold: Hold; readonly onLost: () => void };

export function createLockKeeper(options: LockKeeperOptions): LockKeeper {
  const { monotonicMs, newOwner, onError } = options;
  const ticker = options.ticker === undefined ? {} : { ticker: options.ticker };
  const keepAlive = createKeepAlive<Held>({
    renew: (held, leaseMs) => renew(options, held, leaseMs),
    ...{ monotonicMs, onError, ...ticker },
  });
  const leave = createLeave(options);
  const desk = createLockDesk(options);

  function heldLocks(inHand: readonly InHand[], tokens: readonly number[]): HeldLocks {
    return {
      tokens,
      leaseLeftMs: () => Math.min(...inHand.map(({ hold }) => hold.leaseLeftMs())),
      release() {
        for (const { held, hold, onLost } of inHand)
          if (hold.release() === 'held') leave.begin(held, held.leaseMs, onLost);
      },
      abandon() {
        for (const { hold } of inHand) hold.release();
      },
    };
  }

  return {
    async take({ resources, terms, gone, onLost }) {
      const owner = newOwner();
      const endMs = monotonicMs() + terms.waitMs;
      // Several locks lost are one incident.
      const lost = once(onLost);
      const inHand: InHand[] = [];
      const tokens: number[] = [];
      try {
        for (const cellKeys of resources) {
          let token = 0;
          for (const cellKey of cellKeys) {
            const got = await acquireLock(desk, options, { cellKey, owner, terms, endMs, gone });
            if (got.kind === 'held') {
              const held: Held = { ...got.lock };
              const hold = keepAlive.hold(held, held.leaseMs, held.leasedMs, lost);
              inHand.push({ held, hold, onLost: lost });
              token = Math.max(token, held.token);
              continue;
            }
            if (got.queued === 'maybe') leave.begin({ cellKey, owner, seen: null }, terms.leaseMs, null);
            heldLocks(inHand, []).release();
            return got.kind === 'down' ? { kind: 'down', error: got.error } : { kind: got.kind };
          }
          tokens.push(token);
        }
        const locks = heldLocks(inHand, tokens);
        // A wait for the last may have outlasted the lease of the first.
        if (locks.leaseLeftMs() > 0) return { kind: 'held', locks };
        locks.release();
        return { kind: 'locked' };
      } catch (error) {
        heldLocks(inHand, []).release();
        throw error;
      }
    },
    held: () => keepAlive.held(),
    leaving: () => leave.count(),
    stop: () => keepAlive.stop(),
  };
}

async function renew(cells: LockCells, held: Held, leaseMs: number): Promise<WriteResult> {
  const { cellKey, owner } = held;
  const changed = await changeLock<WriteResult>(cells, cellKey, held.seen, ({ lock }, { latestMs }) => {
    const renewed = renewStep(lock, owner, leaseMs, latestMs);
    return { lock: renewed, wakes: 'nobody', result: renewed === null ? 'lost' : 'ok' };
  });
  held.seen = changed.seen;
  return changed.result;
}
