import type { RecordKey, StoredResponse, WriteResult } from '../core/record.ts';
import { type Store, StoreUnavailable } from '../store/contract.ts';

/**
 * Writes responses anew that were read in an older form: under a key that is no longer current, or plain. The replay
 * does not wait for it. What fails, or finds no place, is tried at the next read.
 */
export type Resealer = {
  /** `make` seals; it runs after the replay has gone out. */
  offer(recordKey: RecordKey, token: number, make: () => StoredResponse): void;
  pending(): number;
};

/** At once, with their responses in memory. More would compete with claims for the store. */
const RESEALS_MAX = 8;

export type ResealerOptions = {
  readonly store: Pick<Store, 'reseal'>;
  readonly onEnded: (result: WriteResult | 'failed') => void;
  /** A defect, not the store's failure. */
  readonly onError: (error: unknown) => void;
};

export function createResealer(options: ResealerOptions): Resealer {
  const busy = new Set<RecordKey>();

  async function reseal(recordKey: RecordKey, token: number, make: () => StoredResponse): Promise<void> {
    try {
      options.onEnded(await options.store.reseal(recordKey, token, make()));
    } catch (error) {
      options.onEnded('failed');
      if (!(error instanceof StoreUnavailable)) options.onError(error);
    } finally {
      busy.delete(recordKey);
    }
  }

  return {
    offer(recordKey, token, make) {
      // A hundred repeats at once read one old form: one of them is enough.
      if (busy.size >= RESEALS_MAX || busy.has(recordKey)) return;
      busy.add(recordKey);
      setImmediate(() => void reseal(recordKey, token, make));
    },
    pending: () => busy.size,
  };
}
