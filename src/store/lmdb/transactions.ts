import { StoreUnavailable, type StoreUnavailableReason } from '../contract.ts';
import { createDiskWatch, type WriteKind } from './disk-watch.ts';
import { type Environment, type EnvironmentOptions, inNewest } from './environment.ts';
import { failureOf } from './unavailable.ts';

/** The way every write takes, and what is known of whether writing works. */
export type Transactions = {
  /**
   * One atomic step; resolves when it is committed, and synced where the durability says so. Steps that come together
   * share a commit, so a step must throw before its first write: what it wrote until then would stay.
   * `bytes`: of the response in it. Throws StoreUnavailable.
   */
  run<Result>(what: WriteKind, bytes: number, step: () => Result): Promise<Result>;
};

/** Reasons that the next write will most likely meet again. */
const LASTING: ReadonlySet<StoreUnavailableReason> = new Set(['disk_full', 'readonly', 'out_of_memory']);
/** How long writes are refused without a try. */
const TROUBLE_MS = 250;

type Trouble = { readonly error: StoreUnavailable; readonly sinceMs: number };

export function createTransactions(
  environment: Environment,
  { path, clock }: Pick<EnvironmentOptions, 'path' | 'clock'>,
): Transactions {
  const watch = createDiskWatch(path, () => clock.monotonicMs());
  let trouble: Trouble | null = null;
  let proving: Promise<void> | null = null;
  let disk: 'well' | 'failed' = 'well';

  function notice(error: StoreUnavailable): void {
    trouble = { error, sinceMs: clock.monotonicMs() };
  }

  /** Not the driver's next write, but one of our own says whether writing works again. One for all that wait. */
  function proveOnce(reason: StoreUnavailableReason): Promise<void> {
    proving ??= watch
      .prove()
      .then(
        () => {
          trouble = null;
        },
        (error: unknown) => {
          const message = error instanceof Error ? error.message : String(error);
          const found = new StoreUnavailable(reason, `the store still cannot be written: ${message}`);
          notice(found);
          throw found;
        },
      )
      .finally(() => {
        proving = null;
      });
    return proving;
  }

  return {
    async run(what, bytes, step) {
      if (disk === 'failed') {
        throw new StoreUnavailable(
          'disk_failed',
          'the disk failed under the store: restart the process when it is well',
        );
      }
      if (trouble !== null) {
        if (clock.monotonicMs() - trouble.sinceMs < TROUBLE_MS) throw trouble.error;
        await proveOnce(trouble.error.reason);
      }
      watch.admit(what, bytes);
      try {
        return await inNewest(environment, step);
      } catch (error) {
        const failure = await failureOf(error, path);
        if (failure.kind === 'fatal') disk = 'failed';
        if (LASTING.has(failure.error.reason)) notice(failure.error);
        throw failure.error;
      }
    },
  };
}
