import type { CellKey } from '../core/cell.ts';
import { leaveStep } from '../core/lock.ts';
import { StoreUnavailable } from '../store/contract.ts';
import { changeLock, type LockCells, type SeenLock } from './lock-cell.ts';

/** Gives locks back, and places in queues: in the background, again and again until the lease is over. */

export type LeaveOptions = LockCells & {
  readonly onError: (error: unknown) => void;
  readonly pause?: (ms: number) => Promise<void>;
};

const LEAVE_RETRY_MS = 25;
const LEAVE_RETRY_MS_MAX = 500;
/** Locks whose end could not be written at once; beyond it they are left to their leases. */
const LEAVING_MAX = 1_000;

export type Leave = {
  /** `onLost`: it was somebody else's by then; null where it may never have been ours. */
  begin(
    left: { readonly cellKey: CellKey; readonly owner: string; readonly seen: SeenLock | null },
    forMs: number,
    onLost: (() => void) | null,
  ): void;
  count(): number;
};

export function createLeave(options: LeaveOptions): Leave {
  const { monotonicMs, pause = systemPause, onError } = options;
  let leaving = 0;

  async function leave({ cellKey, owner, seen }: Parameters<Leave['begin']>[0]): Promise<'left' | 'lost'> {
    const changed = await changeLock<'left' | 'lost'>(options, cellKey, seen, ({ lock }, { latestMs }) => {
      const left = leaveStep(lock, owner, latestMs);
      return left === null
        ? { lock: null, wakes: 'nobody', result: 'lost' }
        : { lock: left.lock, wakes: left.wakes, result: 'left' };
    });
    return changed.result;
  }

  async function keepTrying(
    left: Parameters<Leave['begin']>[0],
    endMs: number,
    onLost: (() => void) | null,
  ): Promise<void> {
    let tried = left;
    for (let waitMs = LEAVE_RETRY_MS; ; waitMs = Math.min(LEAVE_RETRY_MS_MAX, waitMs * 2)) {
      try {
        // A second try may find the first one done.
        if ((await leave(tried)) === 'lost' && tried === left) onLost?.();
        return;
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        if (leaving > LEAVING_MAX || monotonicMs() + waitMs >= endMs) return;
      }
      tried = { ...left, seen: null };
      await pause(waitMs);
    }
  }

  return {
    begin(left, forMs, onLost) {
      leaving += 1;
      keepTrying(left, monotonicMs() + forMs, onLost)
        .catch(onError)
        .finally(() => {
          leaving -= 1;
        });
    },
    count: () => leaving,
  };
}

function systemPause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
