import { createBreaker } from './breaker.ts';
import { type Cells, type Store, StoreUnavailable, type StoreUnavailableReason } from './contract.ts';
import { createDeadlines } from './deadlines.ts';
import type { QuietWatch } from './quiet-watch.ts';
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
  'cellRead',
  'cellWrite',
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
  /**
   * Operations that the store has and has not answered, those that were given up included: beyond it a claim fails at
   * once, so that a store that is slow or hangs is not handed more and more.
   */
  readonly underWayMax?: number;
  /** For a store whose quiet times are judged by a wall clock. */
  readonly quiet?: QuietWatch;
  /** Unanswered operations in a row, within windowMs, that make claims fail at once for openMs. */
  readonly breaker?: { readonly failures: number; readonly windowMs: number; readonly openMs: number };
};

/** What ends a claim is refused much later than new ones: only by a store that takes things in and answers nothing. */
const SETTLING_FACTOR = 4;
/** They look at much, so that their time-out says nothing of a claim: whoever lists keys must not stop requests. */
const LONG: ReadonlySet<StoreOperation> = new Set(['list', 'stats', 'sweep']);
const BREAKER = { failures: 5, windowMs: 10_000, openMs: 500 };

type Runner = {
  run<Result>(
    operation: StoreOperation,
    call: () => Promise<Result>,
    onResult?: (result: Result) => void,
  ): Promise<Result>;
  refuse(operation: StoreOperation, reason: StoreUnavailableReason): Promise<never>;
  /** The reason for which a new claim is not even sent, or null. */
  refusesClaims(): StoreUnavailableReason | null;
  stop(): void;
};

function createRunner(options: GuardOptions): Runner {
  const { deadlineMs, monotonicMs, ticker = systemTicker, observe = () => undefined } = options;
  const deadlines = createDeadlines(deadlineMs, monotonicMs, ticker);
  const breaker = createBreaker(options.breaker ?? BREAKER, monotonicMs);
  const { underWayMax = Number.POSITIVE_INFINITY } = options;
  let underWay = 0;

  function run<Result>(
    operation: StoreOperation,
    call: () => Promise<Result>,
    onResult?: (result: Result) => void,
  ): Promise<Result> {
    if (underWay >= underWayMax * SETTLING_FACTOR) return refuse(operation, 'busy');
    const startMs = monotonicMs();
    underWay += 1;
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void => {
        const unavailable = asUnavailable(options, operation, error);
        if (!LONG.has(operation)) breaker.failed(unavailable.reason);
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
          underWay -= 1;
          // An answer after the deadline is dropped: its caller was told that nothing is known.
          if (!deadlines.remove(pending)) return;
          breaker.answered();
          observe(operation, 'ok', (monotonicMs() - startMs) / 1000);
          onResult?.(result);
          resolve(result);
        },
        (error: unknown) => {
          underWay -= 1;
          if (deadlines.remove(pending)) fail(error);
        },
      );
    });
  }

  function refuse(operation: StoreOperation, reason: StoreUnavailableReason): Promise<never> {
    observe(operation, reason, 0);
    const message =
      reason === 'busy'
        ? 'the store has more operations than it answers'
        : 'the store does not answer; claims pause for a moment';
    return Promise.reject(new StoreUnavailable(reason, message, { sent: 'no' }));
  }

  return {
    run,
    refuse,
    refusesClaims: () => (underWay >= underWayMax ? 'busy' : breaker.refuses()),
    stop: () => deadlines.stop(),
  };
}

/**
 * A store of which every operation ends in time, and fails with StoreUnavailable only. `settled`, `changed` and `close`
 * pass as they are: the ones are meant to wait, the other to finish.
 */
export function guardStore(store: Store, options: GuardOptions): Store {
  const runner = createRunner(options);
  const { run, refuse, refusesClaims, stop } = runner;
  const { quiet } = options;
  return {
    kind: store.kind,
    cells: guardCells(store.cells, runner),
    claim(recordKey, request) {
      const refused = refusesClaims();
      if (refused !== null) return refuse('claim', refused);
      return run(
        'claim',
        () => store.claim(recordKey, request),
        quiet === undefined ? undefined : (result) => quiet.claimed(recordKey, result, request.leaseMs),
      );
    },
    dispatch: (claim) => run('dispatch', () => store.dispatch(claim)),
    renew: (claim, leaseMs) => run('renew', () => store.renew(claim, leaseMs)),
    complete: (claim, response, retainMs) => run('complete', () => store.complete(claim, response, retainMs)),
    release: (claim, retryAfterMs) => run('release', () => store.release(claim, retryAfterMs)),
    releaseOwner: (recordKey, owner) => run('releaseOwner', () => store.releaseOwner(recordKey, owner)),
    park: (claim, reason) => run('park', () => store.park(claim, reason)),
    resolve(recordKey, token, to) {
      const quietMs = to.kind === 'released' ? to.quietMs : 0;
      if (quietMs > 0 && quiet?.isQuiet(recordKey, token, quietMs) === 'not-yet')
        return Promise.resolve('lost');
      return run('resolve', () => store.resolve(recordKey, token, to));
    },
    reseal: (recordKey, token, response) => run('reseal', () => store.reseal(recordKey, token, response)),
    inspect: (recordKey) =>
      run(
        'inspect',
        () => store.inspect(recordKey),
        quiet === undefined ? undefined : (view) => quiet.inspected(recordKey, view),
      ),
    list: (cursor, filter) =>
      run(
        'list',
        () => store.list(cursor, filter),
        quiet === undefined
          ? undefined
          : ({ records }) => {
              for (const view of records) quiet.inspected(view.recordKey, view);
            },
      ),
    forget: (recordKey, how) => run('forget', () => store.forget(recordKey, how)),
    settled: (recordKey, signal) => store.settled(recordKey, signal),
    sweep: (recordsMax) => run('sweep', () => store.sweep(recordsMax)),
    stats: () => run('stats', () => store.stats()),
    ping: () => run('ping', () => store.ping()),
    async close() {
      stop();
      await store.close();
    },
  };
}

/** A read begins something new, and is refused like a claim; a write may give back what somebody waits for. */
function guardCells(cells: Cells, { run, refuse, refusesClaims }: Runner): Cells {
  return {
    read(cellKey) {
      const refused = refusesClaims();
      return refused === null ? run('cellRead', () => cells.read(cellKey)) : refuse('cellRead', refused);
    },
    write: (cellKey, write) => run('cellWrite', () => cells.write(cellKey, write)),
    changed: (cellKey, signal) => cells.changed(cellKey, signal),
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
