import type { StoreUnavailableReason } from './contract.ts';

/** Lets claims fail at once while the store does not answer, so that requests do not queue up behind a deadline. */
export type Breaker = {
  /** The reason of the last failure while claims are refused, else null. Half-open, it lets one claim through. */
  refuses(): StoreUnavailableReason | null;
  failed(reason: StoreUnavailableReason): void;
  answered(): void;
};

/** Only silence counts. A store that refuses, for being full say, answers: it may still have a replay to give. */
const SILENT: ReadonlySet<StoreUnavailableReason> = new Set(['timeout', 'connection', 'loading']);

export function createBreaker(
  limits: { readonly failures: number; readonly windowMs: number; readonly openMs: number },
  monotonicMs: () => number,
): Breaker {
  let failures = 0;
  let firstMs = 0;
  let openUntilMs = Number.NEGATIVE_INFINITY;
  let reason: StoreUnavailableReason | null = null;

  return {
    refuses() {
      if (reason === null) return null;
      const nowMs = monotonicMs();
      if (nowMs < openUntilMs) return reason;
      // Half-open: this claim asks the store, those behind it wait for what it learns.
      openUntilMs = nowMs + limits.openMs;
      return null;
    },
    failed(cause) {
      if (!SILENT.has(cause)) return;
      const nowMs = monotonicMs();
      if (failures === 0 || nowMs - firstMs > limits.windowMs) {
        failures = 0;
        firstMs = nowMs;
      }
      failures += 1;
      if (failures < limits.failures && reason === null) return;
      reason = cause;
      openUntilMs = nowMs + limits.openMs;
    },
    answered() {
      failures = 0;
      reason = null;
    },
  };
}
