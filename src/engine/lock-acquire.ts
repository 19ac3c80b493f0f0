import type { CellKey } from '../core/cell.ts';
import { acquireStep, type LockTerms } from '../core/lock.ts';
import { unreachable } from '../core/unreachable.ts';
import { StoreUnavailable } from '../store/contract.ts';
import {
  type Changed,
  changeLock,
  type DecideLock,
  type LockCells,
  readLock,
  type SeenLock,
} from './lock-cell.ts';
import type { LockDesk } from './lock-desk.ts';
import { wakeWithin } from './wake.ts';

/** One lock, just taken. */
export type GotLock = {
  readonly cellKey: CellKey;
  readonly owner: string;
  /** The version of the write that took it. */
  readonly token: number;
  readonly leaseMs: number;
  /** Monotonic time before the store's time was asked for, from which the lease counts. */
  readonly leasedMs: number;
  readonly seen: SeenLock;
};

/** A hint is only a hint: the first in a queue looks this often, those behind it more seldom. */
const LOOK_MS = 250;
const LOOK_MS_MAX = 500;
/** Who may not wait at all may still stand in line for a moment; a store that hangs would hold up all of it. */
const LINE_MS_MAX = 1_000;
export type Acquired =
  | { readonly kind: 'held'; readonly lock: GotLock }
  /** `queued` maybe: to be taken out of the queue, or of the lock itself. */
  | { readonly kind: 'locked' | 'gone'; readonly queued: 'maybe' | 'no' }
  | { readonly kind: 'down'; readonly error: StoreUnavailable; readonly queued: 'maybe' | 'no' };

export type Wanted = {
  readonly cellKey: CellKey;
  readonly owner: string;
  readonly terms: LockTerms;
  readonly endMs: number;
  readonly gone: AbortSignal;
};

/** Waits for its turn, up to endMs. */
export async function acquireLock(desk: LockDesk, options: LockCells, wanted: Wanted): Promise<Acquired> {
  const { cells, monotonicMs } = options;
  const { cellKey, endMs, gone } = wanted;
  let lookMs: number | null = null;
  try {
    for (;;) {
      const leftMs = endMs - monotonicMs();
      // Subscribed first, read second; not before the first look, which mostly finds it free.
      const woken =
        lookMs === null
          ? null
          : wakeWithin(Math.min(lookMs, Math.max(0, leftMs)), gone, (signal) =>
              cells.changed(cellKey, signal),
            );
      try {
        const tried = await tryOnce(desk, options, wanted, lookMs === null ? 'alone' : 'together');
        if (tried.kind !== 'waiting') return tried;
        if (gone.aborted) return { kind: 'gone', queued: 'maybe' };
        if (leftMs <= 0) return { kind: 'locked', queued: 'maybe' };
        lookMs = Math.min(LOOK_MS_MAX, LOOK_MS * (1 + tried.ahead));
        await woken?.promise;
      } finally {
        woken?.cancel();
      }
    }
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return { kind: 'down', error, queued: error.sent === 'no' && lookMs === null ? 'no' : 'maybe' };
  }
}

type Tried = Acquired | { readonly kind: 'waiting'; readonly ahead: number };
type Place = 'held' | 'full' | { readonly ahead: number };

/** To wait costs a look. Who comes stands in line with the others of this process; whose turn has come does not. */
async function tryOnce(
  desk: LockDesk,
  options: LockCells,
  { cellKey, owner, terms, endMs }: Wanted,
  look: 'alone' | 'together',
): Promise<Tried> {
  const decide: DecideLock<Place> = ({ lock }, { nowMs }) => {
    // Counted anew at every try: races that are lost take time as well.
    const waitMs = Math.max(0, endMs - options.monotonicMs());
    const step = acquireStep(lock, owner, { ...terms, waitMs }, nowMs);
    switch (step.kind) {
      case 'take':
        return { lock: step.lock, wakes: 'nobody', result: 'held' };
      case 'join':
        return { lock: step.lock, wakes: 'nobody', result: { ahead: step.lock.queue.length - 1 } };
      case 'wait':
        return { lock: step.mended, wakes: 'nobody', result: { ahead: step.ahead } };
      case 'full':
        return { lock: null, wakes: 'nobody', result: 'full' };
      default:
        return unreachable(step);
    }
  };
  const lateMs = Math.max(endMs, options.monotonicMs() + LINE_MS_MAX);
  const first = look === 'alone' ? await readLock(options, cellKey) : await desk.look(cellKey);
  const decided = decide(first, { nowMs: first.nowMs, latestMs: first.nowMs });
  const write = async (newest: SeenLock): Promise<Changed<Place>> =>
    options.monotonicMs() > lateMs
      ? { result: 'full', seen: newest, from: newest }
      : await changeLock(options, cellKey, newest, decide);
  const { result, seen, from } =
    decided.lock === null
      ? { result: decided.result, seen: first, from: first }
      : look === 'together' && decided.result === 'held'
        ? await write(first)
        : await desk.inTurn(cellKey, first, write);
  if (result === 'full') return { kind: 'locked', queued: 'no' };
  if (result !== 'held') return { kind: 'waiting', ahead: result.ahead };
  const { leaseMs } = terms;
  return {
    kind: 'held',
    lock: { cellKey, owner, leaseMs, seen, token: seen.version, leasedMs: from.atMs },
  };
}
