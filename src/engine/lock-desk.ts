import type { CellKey } from '../core/cell.ts';
import { type Changed, type LockCells, readLock, type SeenLock } from './lock-cell.ts';

/**
 * What those of one process who want the same lock do together: with a hundred of them each look would be a hundred
 * reads, and each place in the queue a hundred lost races.
 */
export type LockDesk = {
  /** One read for all who ask in the same turn of the event loop; it begins after the last of them has asked. */
  look(cellKey: CellKey): Promise<SeenLock>;
  /** One writer at a time; each begins with the newest that was seen, by itself or by the one before. */
  inTurn<Result>(
    cellKey: CellKey,
    seen: SeenLock,
    change: (newest: SeenLock) => Promise<Changed<Result>>,
  ): Promise<Changed<Result>>;
};

type Line = { tail: Promise<void>; length: number; seen: SeenLock | null };

export function createLockDesk(cells: LockCells): LockDesk {
  const looks = new Map<CellKey, Promise<SeenLock>>();
  const lines = new Map<CellKey, Line>();

  return {
    look(cellKey) {
      const begun = looks.get(cellKey);
      if (begun !== undefined) return begun;
      const look = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        looks.delete(cellKey);
        return readLock(cells, cellKey);
      });
      looks.set(cellKey, look);
      return look;
    },
    async inTurn(cellKey, seen, change) {
      const line: Line = lines.get(cellKey) ?? { tail: Promise.resolve(), length: 0, seen: null };
      lines.set(cellKey, line);
      const { tail } = line;
      const turn = Promise.withResolvers<void>();
      line.tail = turn.promise;
      line.length += 1;
      try {
        await tail;
        const changed = await change(line.seen !== null && line.seen.atMs > seen.atMs ? line.seen : seen);
        line.seen = changed.seen;
        return changed;
      } finally {
        line.length -= 1;
        if (line.length === 0) lines.delete(cellKey);
        turn.resolve();
      }
    },
  };
}
