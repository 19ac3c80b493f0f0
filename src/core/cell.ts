/**
 * A small value beside the records that is only ever replaced by who has seen it: what locks, versions of resources and
 * sequences agree on between replicas.
 */

/** HMAC like a record key, with a tag of its own (`cell-key.ts`): 43 characters of base64url. */
export type CellKey = string;

/** Of a value. Whoever keeps a queue or a window in it bounds it below this. */
export const CELL_VALUE_BYTES_MAX = 16_384;

export type Cell = {
  /** 0: absent. Grows with every write, over expiry, removal and restart too, so that it can fence. */
  readonly version: number;
  /** Empty when absent. */
  readonly value: Uint8Array;
  /** The store's clock at this reading, in whole milliseconds: the only one by which times in values are judged. */
  readonly nowMs: number;
};

export type CellWrite = {
  /** The version that was read; 0 where there must be none. */
  readonly expectedVersion: number;
  /** At most CELL_VALUE_BYTES_MAX. */
  readonly value: Uint8Array;
  /** From now. It is absent afterwards. */
  readonly lifeMs: number;
  /** waiters: `changed` resolves for all who wait for it, in every process. */
  readonly wakes: 'waiters' | 'nobody';
};

export type CellWriteResult =
  | { readonly kind: 'written'; readonly version: number; readonly nowMs: number }
  /** Nothing was written: another version is there, or none. */
  | { readonly kind: 'changed'; readonly cell: Cell };

/** As a store without a server of its own keeps it. Times are the store's. */
export type StoredCell = {
  readonly version: number;
  readonly value: Uint8Array;
  readonly expiresAtMs: number;
};

export type CellStep =
  | { readonly kind: 'write'; readonly stored: StoredCell; readonly result: CellWriteResult }
  | { readonly kind: 'changed'; readonly result: CellWriteResult };

const NO_VALUE = new Uint8Array(0);

/** What a cell is by now: an expired one is absent. */
export function cellAt(stored: StoredCell | null, storeMs: number): Cell {
  const nowMs = Math.floor(storeMs);
  return stored === null || stored.expiresAtMs <= storeMs
    ? { version: 0, value: NO_VALUE, nowMs }
    : { version: stored.version, value: stored.value, nowMs };
}

/** `lastVersion`: the highest the store ever gave, over all cells and records. */
export function cellStep(
  stored: StoredCell | null,
  write: CellWrite,
  storeMs: number,
  lastVersion: number,
): CellStep {
  const cell = cellAt(stored, storeMs);
  if (cell.version !== write.expectedVersion) return { kind: 'changed', result: { kind: 'changed', cell } };
  // An expired cell that is still there counts too: its version was a fence to somebody.
  const version = Math.max(lastVersion + 1, (stored?.version ?? 0) + 1, Math.floor(storeMs * 1000));
  return {
    kind: 'write',
    stored: { version, value: write.value, expiresAtMs: storeMs + write.lifeMs },
    result: { kind: 'written', version, nowMs: cell.nowMs },
  };
}
