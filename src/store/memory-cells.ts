import { type CellKey, cellAt, cellStep, type StoredCell } from '../core/cell.ts';
import { checkCellWrite } from './cell-codec.ts';
import type { Cells } from './contract.ts';
import { createExpiryHeap, type Expiring, NOT_IN_HEAP } from './expiry-heap.ts';
import { createSettleSignals } from './settle-signals.ts';

export type MemoryCells = Cells & {
  /** Returns how many went. */
  sweep(cellsMax: number): number;
  bytes(): number;
  wakeAll(): void;
};

export type MemoryCellsOptions = {
  /** Throws once the store is closed. */
  readonly nowMs: () => number;
  /** Throws StoreUnavailable when there is no room for one more. */
  readonly refuseWhenFull: () => void;
  readonly waitersMax: number;
};

type Entry = Expiring & { readonly cellKey: CellKey; stored: StoredCell };

/** Map entry, heap slot and key, roughly. */
const ENTRY_BYTES = 300;

export function createMemoryCells({ nowMs, refuseWhenFull, waitersMax }: MemoryCellsOptions): MemoryCells {
  const entries = new Map<CellKey, Entry>();
  const expiries = createExpiryHeap<Entry>();
  const signals = createSettleSignals(waitersMax);
  let lastVersion = 0;
  let bytes = 0;

  function put(cellKey: CellKey, stored: StoredCell): void {
    const { expiresAtMs, value } = stored;
    const before = entries.get(cellKey);
    const entry = before ?? { cellKey, stored, expiresAtMs, heapAt: NOT_IN_HEAP };
    bytes += value.byteLength + (before === undefined ? ENTRY_BYTES : -before.stored.value.byteLength);
    if (before === undefined) entries.set(cellKey, entry);
    entry.stored = stored;
    entry.expiresAtMs = expiresAtMs;
    expiries.put(entry);
  }

  return {
    async read(cellKey) {
      return cellAt(entries.get(cellKey)?.stored ?? null, nowMs());
    },
    async write(cellKey, write) {
      checkCellWrite(write);
      const storeMs = nowMs();
      const entry = entries.get(cellKey);
      const step = cellStep(entry?.stored ?? null, write, storeMs, lastVersion);
      if (step.kind === 'changed') return step.result;
      if (entry === undefined) refuseWhenFull();
      lastVersion = step.stored.version;
      // A copy that its writer cannot change.
      put(cellKey, { ...step.stored, value: Uint8Array.from(write.value) });
      if (write.wakes === 'waiters') signals.wake(cellKey);
      return step.result;
    },
    async changed(cellKey, signal) {
      nowMs();
      return signals.wait(cellKey, signal);
    },
    sweep(cellsMax) {
      const storeMs = nowMs();
      let removed = 0;
      for (let soonest = expiries.soonest(); removed < cellsMax; soonest = expiries.soonest()) {
        if (soonest === undefined || soonest.expiresAtMs > storeMs) break;
        entries.delete(soonest.cellKey);
        expiries.remove(soonest);
        bytes -= ENTRY_BYTES + soonest.stored.value.byteLength;
        removed += 1;
      }
      return removed;
    },
    bytes: () => bytes,
    wakeAll: () => signals.wakeAll(),
  };
}
