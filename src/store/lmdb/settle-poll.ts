import type { RecordKey } from '../../core/record.ts';
import type { SettleSignals } from '../settle-signals.ts';

/**
 * Tells waiters what other processes settled: the environment has no events, so the keys that somebody waits for are
 * read again and again. What this process settles wakes its waiters at once, without this.
 */
export type SettlePoll = {
  /** Called after a waiter was added. */
  watch(): void;
  stop(): void;
};

const TICK_MS = 10;
/** The gap between two looks at a key doubles from one tick to this many. */
const GAP_TICKS_MAX = 8;

type Watched = { dueTick: number; gapTicks: number };

export function createSettlePoll(
  signals: SettleSignals,
  isSettled: (recordKey: RecordKey) => 'settled' | 'open',
): SettlePoll {
  let watched = new Map<RecordKey, Watched>();
  let timer: NodeJS.Timeout | null = null;
  let ticks = 0;

  function tick(): void {
    ticks += 1;
    const still = new Map<RecordKey, Watched>();
    for (const recordKey of [...signals.keys()]) {
      const watch = watched.get(recordKey) ?? { dueTick: ticks, gapTicks: 1 };
      if (watch.dueTick <= ticks) {
        if (isSettled(recordKey) === 'settled') {
          signals.wake(recordKey);
          continue;
        }
        watch.dueTick = ticks + watch.gapTicks;
        watch.gapTicks = Math.min(GAP_TICKS_MAX, watch.gapTicks * 2);
      }
      still.set(recordKey, watch);
    }
    watched = still;
    if (still.size === 0) stop();
  }

  function stop(): void {
    if (timer !== null) clearInterval(timer);
    timer = null;
  }

  return {
    watch() {
      if (timer !== null) return;
      timer = setInterval(tick, TICK_MS);
      timer.unref();
    },
    stop,
  };
}
