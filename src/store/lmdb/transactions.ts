import { StoreUnavailable, type StoreUnavailableReason } from '../contract.ts';
import { type Environment, type EnvironmentOptions, writeProbe } from './environment.ts';
import { failureOf } from './unavailable.ts';

/** The way every write takes, and what is known of whether writing works. */
export type Transactions = {
  /**
   * One atomic step; resolves when it is committed, and synced where the durability says so. Steps that come together
   * share a commit, so a step must throw before its first write: what it wrote until then would stay.
   * Throws StoreUnavailable.
   */
  run<Result>(step: () => Result): Promise<Result>;
  /** For claims: the same, but not tried for a moment after a write that failed. */
  runUnlessTroubled<Result>(step: () => Result): Promise<Result>;
  /** Inside a transaction: writes something if the last write failed, so that success means that writing works. */
  probe(): void;
};

/** Reasons that the next write will most likely meet again. */
const LASTING: ReadonlySet<StoreUnavailableReason> = new Set(['disk_full', 'readonly', 'out_of_memory']);
/** How long claims are refused without a try: the driver prints every failed commit to stderr. */
const TROUBLE_MS = 250;

export function createTransactions(
  environment: Environment,
  options: Pick<EnvironmentOptions, 'path' | 'clock'>,
): Transactions {
  const { records, meta } = environment;
  const { path, clock } = options;
  let trouble: { readonly error: StoreUnavailable; readonly sinceMs: number } | null = null;
  let disk: 'well' | 'failed' = 'well';

  async function run<Result>(step: () => Result): Promise<Result> {
    if (disk === 'failed') {
      throw new StoreUnavailable(
        'error',
        'the disk failed under the store: restart the process when it is well',
      );
    }
    try {
      return await records.transaction(step);
    } catch (error) {
      const failure = await failureOf(error, path);
      if (failure.kind === 'fatal') disk = 'failed';
      if (LASTING.has(failure.error.reason)) trouble = { error: failure.error, sinceMs: clock.monotonicMs() };
      throw failure.error;
    }
  }

  return {
    run,
    async runUnlessTroubled(step) {
      if (trouble !== null && clock.monotonicMs() - trouble.sinceMs < TROUBLE_MS) throw trouble.error;
      const result = await run(step);
      trouble = null;
      return result;
    },
    probe() {
      if (trouble !== null) writeProbe(meta);
    },
  };
}
