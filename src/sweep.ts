/** What has expired is removed as fast as it expires, and never at the cost of what is served meanwhile. */

export type SweepParts = {
  /** Removes at most so many expired records; returns how many it removed. */
  readonly sweep: (recordsMax: number) => Promise<number>;
  readonly monotonicMs: () => number;
  /** Resolves after so long, or at once when the signal aborts. */
  readonly rest: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** One step holds the write lock of LMDB, and the event loop: some milliseconds. */
export const SWEEP_STEP_RECORDS_MAX = 100;

/**
 * Steps until one finds nothing: a pass that ended after one step would fall behind as soon as more keys expire in an
 * interval than a step removes, and the store would fill with the dead. After each step it rests as long as the step
 * took, so that the store has at least half of its time for requests.
 */
export async function sweepPass(
  { sweep, monotonicMs, rest }: SweepParts,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const startMs = monotonicMs();
    if ((await sweep(SWEEP_STEP_RECORDS_MAX)) === 0) return;
    await rest(monotonicMs() - startMs, signal);
  }
}
