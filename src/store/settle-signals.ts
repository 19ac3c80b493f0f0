import type { RecordKey } from '../core/record.ts';
import { StoreUnavailable } from './contract.ts';

/** Who waits for which record in this process. */
export type SettleSignals = {
  /** Resolves at a wake of the key, or when the signal aborts. Throws StoreUnavailable `busy` over waitersMax. */
  wait(recordKey: RecordKey, signal: AbortSignal): Promise<void>;
  wake(recordKey: RecordKey): void;
  wakeAll(): void;
  waitsFor(recordKey: RecordKey): 'somebody' | 'nobody';
  /** Keys that somebody waits for. */
  keys(): IterableIterator<RecordKey>;
};

export function createSettleSignals(waitersMax: number): SettleSignals {
  const waiting = new Map<RecordKey, Set<() => void>>();
  let count = 0;

  function leave(recordKey: RecordKey, waiter: () => void): void {
    const waiters = waiting.get(recordKey);
    if (waiters === undefined || !waiters.delete(waiter)) return;
    count -= 1;
    if (waiters.size === 0) waiting.delete(recordKey);
  }

  function wake(recordKey: RecordKey): void {
    for (const waiter of waiting.get(recordKey) ?? []) waiter();
  }

  return {
    wait(recordKey, signal) {
      if (signal.aborted) return Promise.resolve();
      if (count >= waitersMax)
        return Promise.reject(new StoreUnavailable('busy', `more than ${waitersMax} waiters`));
      return new Promise((resolve) => {
        const waiter = (): void => {
          // Both ways out take both listeners along: a waiter leaves nothing behind.
          signal.removeEventListener('abort', waiter);
          leave(recordKey, waiter);
          resolve();
        };
        signal.addEventListener('abort', waiter, { once: true });
        const waiters = waiting.get(recordKey);
        if (waiters === undefined) waiting.set(recordKey, new Set([waiter]));
        else waiters.add(waiter);
        count += 1;
      });
    },
    wake,
    wakeAll() {
      for (const recordKey of [...waiting.keys()]) wake(recordKey);
    },
    waitsFor: (recordKey) => (waiting.has(recordKey) ? 'somebody' : 'nobody'),
    keys: () => waiting.keys(),
  };
}
