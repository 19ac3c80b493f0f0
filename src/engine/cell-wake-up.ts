import type { CellKey } from '../core/cell.ts';
import type { Cells } from '../store/contract.ts';

export type WakeUp = { readonly promise: Promise<void>; cancel(): void };

/** Wakes when the cell may have changed, or after `withinMs`. Called before the reading that it waits after. */
export function cellWakeUp(cells: Cells, cellKey: CellKey, withinMs: number): WakeUp {
  const ended = new AbortController();
  const cancel = (): void => {
    clearTimeout(timer);
    ended.abort();
  };
  const timer = setTimeout(cancel, Math.max(0, withinMs));
  const aborted = new Promise<void>((resolve) =>
    ended.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  // A store that cannot tell is asked again after the time, not at once.
  const hinted = cells.changed(cellKey, ended.signal).catch(() => aborted);
  return { promise: Promise.race([hinted, aborted]).finally(cancel), cancel };
}
