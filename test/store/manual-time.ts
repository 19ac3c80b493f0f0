import type { Ticker } from '../../src/store/ticker.ts';

/** Time that a test moves by hand: the clock and every ticker that hangs on it. */
export type ManualTime = {
  readonly nowMs: () => number;
  readonly ticker: Ticker;
  /** Tickers that run. */
  readonly running: () => number;
  /** Moves on by steps of a millisecond; what a tick started is given a turn after each. */
  pass(ms: number): Promise<void>;
};

type Ticking = { readonly periodMs: number; readonly tick: () => void; dueMs: number };

export function createManualTime(): ManualTime {
  let nowMs = 1000;
  const ticking = new Set<Ticking>();
  return {
    nowMs: () => nowMs,
    ticker: (periodMs, tick) => {
      const entry = { periodMs, tick, dueMs: nowMs + periodMs };
      ticking.add(entry);
      return () => ticking.delete(entry);
    },
    running: () => ticking.size,
    async pass(ms) {
      for (let i = 0; i < ms; i += 1) {
        nowMs += 1;
        for (const entry of [...ticking]) {
          if (!ticking.has(entry) || entry.dueMs > nowMs) continue;
          entry.dueMs = nowMs + entry.periodMs;
          entry.tick();
          await Promise.resolve();
          await Promise.resolve();
        }
      }
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    },
  };
}
