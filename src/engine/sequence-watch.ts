import type { CellKey } from '../core/cell.ts';
import type { RecordKey } from '../core/record.ts';
import type { Store } from '../store/contract.ts';

/** A wake-up is a hint: what is waited for is read again at least this often. */
const POLL_MS = 250;

export type Watch = { readonly woken: Promise<void>; readonly cancel: () => void };

/** Woken by a write of the cell, a settlement of the record, the time, or `gone`. To be made before what it is about is read. */
export function watchTurn(
  store: Pick<Store, 'cells' | 'settled'>,
  cellKey: CellKey,
  settles: RecordKey | null,
  withinMs: number,
  gone: AbortSignal,
): Watch {
  const ended = new AbortController();
  const cancel = (): void => {
    clearTimeout(timer);
    gone.removeEventListener('abort', cancel);
    ended.abort();
  };
  const timer = setTimeout(cancel, Math.max(0, Math.min(POLL_MS, withinMs)));
  gone.addEventListener('abort', cancel, { once: true });
  if (gone.aborted) cancel();
  const aborted = new Promise<void>((resolve) => {
    if (ended.signal.aborted) resolve();
    else ended.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const hints = [
    store.cells.changed(cellKey, ended.signal).catch(() => aborted),
    ...(settles === null ? [] : [store.settled(settles, ended.signal).catch(() => aborted)]),
  ];
  return { woken: Promise.race([...hints, aborted]).finally(cancel), cancel };
}
