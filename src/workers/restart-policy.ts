/** When a worker that ended is started again. Pure; times are by a monotonic clock. */

/** A worker that took requests for this long was sound: whatever ended it came from outside, or is rare. */
const SOUND_MS = 1_000;
const FIRST_DELAY_MS = 100;
const DELAY_MS_MAX = 5_000;
/** Ends in a row, each soon after the start: the next one would end as well. */
export const FAILED_STARTS_MAX = 6;

export type RestartDecision =
  | { readonly kind: 'restart'; readonly delayMs: number; readonly failedStarts: number }
  | { readonly kind: 'give-up' };

export type WorkerEnd = {
  /** How long it took requests; null: it never did. */
  readonly listenedMs: number | null;
  /** In a row, before this end. */
  readonly failedStarts: number;
  /** Others that take requests at this moment. */
  readonly othersListening: number;
};

/**
 * While others serve, a worker that cannot be started is tried again for ever, every five seconds: an end of all
 * would turn a loss of room into an outage. When nobody serves and nobody can be started, it is over.
 */
export function afterEnd({ listenedMs, failedStarts, othersListening }: WorkerEnd): RestartDecision {
  if (listenedMs !== null && listenedMs >= SOUND_MS) return { kind: 'restart', delayMs: 0, failedStarts: 0 };
  const failed = failedStarts + 1;
  if (failed >= FAILED_STARTS_MAX && othersListening === 0) return { kind: 'give-up' };
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** Math.min(failedStarts, 20), DELAY_MS_MAX);
  return { kind: 'restart', delayMs, failedStarts: failed };
}
