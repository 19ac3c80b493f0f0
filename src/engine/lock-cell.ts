import type { CellKey } from '../core/cell.ts';
import { type Lock, lockLifeMs } from '../core/lock.ts';
import { decodeLock, encodeLock } from '../core/lock-value.ts';
import { type Cells, StoreUnavailable } from '../store/contract.ts';

/** A lock as it was last seen in its cell. */
export type SeenLock = {
  readonly version: number;
  readonly lock: Lock;
  /** The store's time, and the monotonic time before it was asked for: the store's cannot be further on by now. */
  readonly nowMs: number;
  readonly atMs: number;
};

/** What is to become of a lock. `lock` null: nothing is to be written. */
export type LockChange<Result> = {
  readonly lock: Lock | null;
  readonly wakes: 'waiters' | 'nobody';
  readonly result: Result;
};

/** `nowMs`: the store's time when the lock was seen. `latestMs`: what it can be at most by now. */
export type DecideLock<Result> = (
  seen: SeenLock,
  times: { readonly nowMs: number; readonly latestMs: number },
) => LockChange<Result>;

export type Changed<Result> = {
  readonly result: Result;
  /** The lock as it is by now, under the version of the write where there was one. */
  readonly seen: SeenLock;
  /** What the decision was made on. */
  readonly from: SeenLock;
};

export type LockCells = { readonly cells: Cells; readonly monotonicMs: () => number };

/** Each lost race is another's success; so many in a row are none. */
const TRIES_MAX = 1_000;

/**
 * Decides on the lock as it is and writes what comes of it, over and over until nobody was faster. `first`: as it was
 * seen last, which saves a read where it still is so. Throws StoreUnavailable: whether it was written is not known.
 */
export async function changeLock<Result>(
  { cells, monotonicMs }: LockCells,
  cellKey: CellKey,
  first: SeenLock | null,
  decide: DecideLock<Result>,
): Promise<Changed<Result>> {
  let seen = first ?? (await readLock({ cells, monotonicMs }, cellKey));
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const sentMs = monotonicMs();
    const latestMs = Math.ceil(seen.nowMs + sentMs - seen.atMs);
    const { lock, wakes, result } = decide(seen, { nowMs: seen.nowMs, latestMs });
    if (lock === null) return { result, seen, from: seen };
    const written = await cells.write(cellKey, {
      expectedVersion: seen.version,
      value: encodeLock(lock),
      lifeMs: lockLifeMs(lock, latestMs),
      wakes,
    });
    if (written.kind === 'written') {
      const { version, nowMs } = written;
      return { result, seen: { version, lock, nowMs, atMs: sentMs }, from: seen };
    }
    seen = seenIn(written.cell, sentMs);
  }
  throw new StoreUnavailable('busy', 'a lock is written over and over by others');
}

export async function readLock({ cells, monotonicMs }: LockCells, cellKey: CellKey): Promise<SeenLock> {
  const atMs = monotonicMs();
  return seenIn(await cells.read(cellKey), atMs);
}

function seenIn(cell: Awaited<ReturnType<Cells['read']>>, atMs: number): SeenLock {
  const lock = decodeLock(cell.value);
  if (lock === null) throw new StoreUnavailable('corrupt', 'a lock in the store cannot be read');
  return { version: cell.version, lock, nowMs: cell.nowMs, atMs };
}
