import {
  type MemoryUse,
  nextPressure,
  type Pressure,
  type PressureLimits,
  usedShare,
} from '../core/overload.ts';

/** Looks at the memory of the process now and then, so that load is shed before there is none left (fault 44). */
export type MemoryWatch = {
  /** To be asked for every connection and request: looks anew where the last look is too old. */
  pressure(): Pressure;
  stop(): void;
};

export type MemoryWatchOptions = {
  readonly read: () => MemoryUse;
  readonly limits: PressureLimits;
  readonly monotonicMs: () => number;
  /** Calls its second argument every so many milliseconds until the returned function is called. */
  readonly ticker: (periodMs: number, tick: () => void) => () => void;
  readonly onChange: (pressure: Pressure, share: number) => void;
};

const PERIOD_MS = 100;
/**
 * In a flood the event loop takes in connections and requests for seconds before it comes to a timer: whoever lets one
 * in looks as well. A look takes some 50 µs.
 */
const LOOK_MS = 20;

export function createMemoryWatch(options: MemoryWatchOptions): MemoryWatch {
  const { read, limits, monotonicMs, onChange } = options;
  let pressure: Pressure = 'none';
  let lookedMs = Number.NEGATIVE_INFINITY;

  function look(): void {
    const nowMs = monotonicMs();
    if (nowMs - lookedMs < LOOK_MS) return;
    lookedMs = nowMs;
    const share = usedShare(read());
    const next = nextPressure(pressure, share, limits);
    if (next === pressure) return;
    pressure = next;
    onChange(next, share);
  }

  const stop = options.ticker(PERIOD_MS, look);
  return {
    pressure() {
      look();
      return pressure;
    },
    stop,
  };
}
