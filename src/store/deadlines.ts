import type { Ticker } from './ticker.ts';

/** Many equal deadlines on one ticker: an operation costs an entry in a set, not a timer. */
export type Deadlines = {
  add(startMs: number, onOver: () => void): Pending;
  /** False when the deadline was over first. */
  remove(pending: Pending): boolean;
  stop(): void;
};

export type Pending = { readonly dueMs: number; readonly onOver: () => void };

/** A deadline may be late by this part of itself. */
const TICKS_PER_DEADLINE = 10;
const TICK_MS_MIN = 5;

export function createDeadlines(deadlineMs: number, monotonicMs: () => number, ticker: Ticker): Deadlines {
  // Equal deadlines: the order of insertion is the order in which they are over.
  const pendings = new Set<Pending>();
  const periodMs = Math.max(TICK_MS_MIN, Math.ceil(deadlineMs / TICKS_PER_DEADLINE));
  let stopTicking: (() => void) | null = null;

  function tick(): void {
    if (pendings.size === 0) {
      stop();
      return;
    }
    const nowMs = monotonicMs();
    for (const pending of pendings) {
      if (pending.dueMs > nowMs) break;
      pendings.delete(pending);
      pending.onOver();
    }
  }

  function stop(): void {
    stopTicking?.();
    stopTicking = null;
  }

  return {
    add(startMs, onOver) {
      const pending = { dueMs: startMs + deadlineMs, onOver };
      pendings.add(pending);
      stopTicking ??= ticker(periodMs, tick);
      return pending;
    },
    remove: (pending) => pendings.delete(pending),
    stop,
  };
}
