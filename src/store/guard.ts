import { createBreaker } from './breaker.ts';
import { type Store, StoreUnavailable, type StoreUnavailableReason } from './contract.ts';
import { createDeadlines } from './deadlines.ts';
import { systemTicker, type Ticker } from './ticker.ts';

/** Label of the store metrics. */
export const STORE_OPERATIONS = [
  'claim',
  'dispatch',
  'renew',
  'complete',
  'release',
  'releaseOwner',
  'park',
  'resolve',
  'reseal',
  'inspect',
  'list',
  'forget',
  'sweep',
  'stats',
  'ping',
] as const;
export type StoreOperation = (typeof STORE_OPERATIONS)[number];

export type GuardOptions = {
  /** An operation that takes longer is given up; what it did is unknown. */
  readonly deadlineMs: number;
  readonly monotonicMs: () => number;
  readonly ticker?: Ticker;
  /** One call for every operation; `refused` claims of an open breaker included. */
  readonly observe?: (
    operation: StoreOperation,
    result: 'ok' | StoreUnavailableReason,
    seconds: number,
  ) => void;
  /** What was thrown that is no StoreUnavailable: a defect of the store, worth a log line. */
  readonly onDefect?: (operation: StoreOperation, error: unknown) => void;
  /** Unanswered operations in a row, within windowMs, that make claims fail at once for openMs. */
  readonly breaker?: { readonly failures: number; readonly windowMs: number; readonly openMs: number };
};

const BREAKER = { failures: 5, windowMs: 10_000, openMs: 500 };

/**
 * A store of which every operation ends in time, and fails with StoreUnavailable only. `settled` and `close` pass
 * as they are: the one is meant to wait, the other to finish.
 */
export function guardStore(store: Store, options: GuardOptions): Store {
  const { deadlineMs, monotonicMs, ticker = systemTicker, observe = () => undefined } = options;
  const deadlines = createDeadlines(deadlineMs, monotonicMs, ticker);
  const breaker = createBreaker(options.breaker ?? BREAKER, monotonicMs);

  function run<Result>(operation: StoreOperation, call: () => Promise<Result>): Promise<Result> {
    const startMs = monotonicMs();
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void => {
        const unavailable = asUnavailable(options, operation, error);
        breaker.failed(unavailable.reason);
        observe(operation, unavailable.reason, (monotonicMs() - startMs) / 1000);
        reject(unavailable);
      };
      const pending = deadlines.add(startMs, () =>
        fail(
          new StoreUnavailable('timeout', `the store did not answer ${operation} within ${deadlineMs} ms`),
        ),
      );
      attempt(call).then(
        (result) => {
          // An answer after the deadline is dropped: its caller was told that nothing is known.
          if (!deadlines.remove(pending)) return;
          breaker.answered();
          observe(operation, 'ok', (monotonicMs() - startMs) / 1000);
          resolve(result);
        },
        (error: unknown) => {
          if (deadlines.remove(pending)) fail(error);
        },
      );
    });
  }

  return {
    kind: store.kind,
    claim(recordKey, request) {
      const refused = breaker.refuses();
      if (refused === null) return run('claim', () => store.claim(recordKey, request));
      observe('claim', refused, 0);
      return Promise.reject(
        new StoreUnavailable(refused, 'the store does not answer; claims pause for a moment', { sent: 'no' }),
      );
    },
    dispatch: (claim) => run('dispatch', () => store.dispatch(claim)),
    renew: (claim, leaseMs) => run('renew', () => store.renew(claim, leaseMs)),
    complete: (claim, response, retainMs) => run('complete', () => store.complete(claim, response, retainMs)),
    release: (claim, retryAfterMs) => run('release', () => store.release(claim, retryAfterMs)),
    releaseOwner: (recordKey, owner) => run('releaseOwner', () => store.releaseOwner(recordKey, owner)),
    park: (claim, reason) => run('park', () => store.park(claim, reason)),
    resolve: (recordKey, token, to) => run('resolve', () => store.resolve(recordKey, token, to)),
    reseal: (recordKey, token, response) => run('reseal', () => store.reseal(recordKey, token, response)),
    inspect: (recordKey) => run('inspect', () => store.inspect(recordKey)),
    list: (cursor, filter) => run('list', () => store.list(cursor, filter)),
    forget: (recordKey, how) => run('forget', () => store.forget(recordKey, how)),
    settled: (recordKey, signal) => store.settled(recordKey, signal),
    sweep: (recordsMax) => run('sweep', () => store.sweep(recordsMax)),
    stats: () => run('stats', () => store.stats()),
    ping: () => run('ping', () => store.ping()),
    async close() {
      deadlines.stop();
      await store.close();
    },
  };
}

function asUnavailable(options: GuardOptions, operation: StoreOperation, error: unknown): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error;
  options.onDefect?.(operation, error);
  return new StoreUnavailable('error', `${operation} failed unexpectedly`, { cause: error });
}

/** A throw before the first await is a rejection like any other. */
function attempt<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return call();
  } catch (error) {
    return Promise.reject(error);
  }
}
