import type { StoreTime } from '../../core/standing.ts';

/** What the machine offers; an edge reads it (`system-clock.ts`), tests bring their own. */
export type MachineClock = {
  /** CLOCK_MONOTONIC: the same for all processes of one boot. */
  monotonicMs(): number;
  /** Asked once, at the first opening after a boot. */
  wallMs(): number;
  /** Another value after every boot: monotonic times of two boots cannot be compared. */
  readonly bootId: string;
};

/**
 * Store time is counted on CLOCK_MONOTONIC from a base that the first opener of a boot writes into the environment,
 * so that no jump of the wall clock ends a lease or a record early (fault 29).
 */
export type ClockBase = {
  readonly bootId: string;
  readonly monotonicMs: number;
  readonly timeMs: number;
  /** Counts the boots: a lease of an older epoch is over. */
  readonly epoch: number;
};

/**
 * The base for this boot: the one stored, or the next. The store's time never goes back: it goes on from the last
 * base or the last token, and the wall clock can only move it forward.
 */
export function baseForBoot(stored: ClockBase | null, lastToken: number, machine: MachineClock): ClockBase {
  if (stored !== null && stored.bootId === machine.bootId) return stored;
  return {
    bootId: machine.bootId,
    monotonicMs: machine.monotonicMs(),
    timeMs: Math.max(machine.wallMs(), lastToken / 1000, stored?.timeMs ?? 0),
    epoch: (stored?.epoch ?? 0) + 1,
  };
}

export function storeTime(base: ClockBase, machine: MachineClock): StoreTime {
  return {
    nowMs: base.timeMs + Math.max(0, machine.monotonicMs() - base.monotonicMs),
    epoch: base.epoch,
    epochStartMs: base.timeMs,
  };
}
