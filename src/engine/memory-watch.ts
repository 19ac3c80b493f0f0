import {
  type MemoryUse,
  nextPressure,
  type Pressure,
  type PressureLimits,
  usedShare,
} from '../core/overload.ts';

/** Looks at the memory of the process now and then, so that load is shed before there is none left (fault 44). */
export type MemoryWatch = {
  pressure(): Pressure;
  stop(): void;
};

export type MemoryWatchOptions = {
  readonly read: () => MemoryUse;
  readonly limits: PressureLimits;
  /** Calls its second argument every so many milliseconds until the returned function is called. */
  readonly ticker: (periodMs: number, tick: () => void) => () => void;
  readonly onChange: (pressure: Pressure, share: number) => void;
};

/** A flood fills a small heap within a second; a look takes some 50 µs. */
const PERIOD_MS = 100;

export function createMemoryWatch(options: MemoryWatchOptions): MemoryWatch {
  let pressure: Pressure = 'none';
  const stop = options.ticker(PERIOD_MS, () => {
    const share = usedShare(options.read());
    const next = nextPressure(pressure, share, options.limits);
    if (next === pressure) return;
    pressure = next;
    options.onChange(next, share);
  });
  return { pressure: () => pressure, stop };
}
