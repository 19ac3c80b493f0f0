import type { ClaimResult, RecordKey, RecordView } from '../core/record.ts';

/**
 * The quiet time of an unknown outcome by a second clock. A server judges it by its wall clock, and a jump of that makes
 * a live claim look as if it had been unknown for an hour: released then, its request would be executed again beside
 * the first (fault 29). So the process that would release it must itself have seen it unknown for as long.
 */
export type QuietWatch = {
  /** `leaseMs`: what was asked for, which may be longer than any lease at the start. */
  claimed(recordKey: RecordKey, result: ClaimResult, leaseMs: number): void;
  inspected(recordKey: RecordKey, view: RecordView | null): void;
  /** Whether it has been unknown under this token for quietMs by the clock of this process. */
  isQuiet(recordKey: RecordKey, token: number, quietMs: number): 'yes' | 'not-yet';
};

type Sight = {
  readonly token: number;
  readonly firstMs: number;
  /** What the store said then. */
  readonly firstUnknownForMs: number;
  readonly lastMs: number;
};

/** Beyond it, what is new waits until others have been resolved or were not asked for in a while. */
const SIGHTS_MAX = 10_000;
const FORGET_MS = 3_600_000;
/** By how much the two clocks may differ over the time between two looks; more is a jump, and counting starts anew. */
const DRIFT_MS = 2_000;

/**
 * `leaseMsMax`: the longest lease of any route. No quiet time is shorter: within it a live holder has renewed, and is
 * seen in flight.
 */
export function createQuietWatch(
  monotonicMs: () => number,
  leaseMsMax: number,
  sightsMax = SIGHTS_MAX,
): QuietWatch {
  /** The one seen longest ago comes first. */
  const sights = new Map<RecordKey, Sight>();
  let longestMs = leaseMsMax;

  function see(recordKey: RecordKey, token: number, unknownForMs: number): void {
    const nowMs = monotonicMs();
    const known = sights.get(recordKey);
    const isSame =
      known?.token === token &&
      Math.abs(unknownForMs - known.firstUnknownForMs - (nowMs - known.firstMs)) <= DRIFT_MS;
    sights.delete(recordKey);
    for (const [other, { lastMs }] of sights) {
      if (nowMs - lastMs < FORGET_MS) break;
      sights.delete(other);
    }
    if (sights.size >= sightsMax) return;
    const first = isSame ? known : { token, firstMs: nowMs, firstUnknownForMs: unknownForMs };
    sights.set(recordKey, { ...first, lastMs: nowMs });
  }

  return {
    claimed(recordKey, result, leaseMs) {
      longestMs = Math.max(longestMs, leaseMs);
      if (result.kind === 'unknown') see(recordKey, result.token, result.unknownForMs);
      else if (sights.size > 0) sights.delete(recordKey);
    },
    inspected(recordKey, view) {
      if (view?.state === 'unknown') see(recordKey, view.token, view.unknownForMs);
      else if (sights.size > 0) sights.delete(recordKey);
    },
    isQuiet(recordKey, token, quietMs) {
      const sight = sights.get(recordKey);
      return sight?.token === token && monotonicMs() - sight.firstMs >= Math.max(quietMs, longestMs)
        ? 'yes'
        : 'not-yet';
    },
  };
}
