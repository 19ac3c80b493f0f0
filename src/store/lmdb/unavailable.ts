import { statfs } from 'node:fs/promises';
import { StoreUnavailable, type StoreUnavailableReason } from '../contract.ts';

/** Codes of <errno.h> and lmdb.h as the driver passes them on. */
const REASONS: ReadonlyMap<number, StoreUnavailableReason> = new Map<number, StoreUnavailableReason>([
  [12, 'out_of_memory'],
  [27, 'disk_full'],
  [28, 'disk_full'],
  [122, 'disk_full'],
  [13, 'readonly'],
  [30, 'readonly'],
  [-30790, 'busy'],
  [-30792, 'full'],
  [-30793, 'corrupt'],
  [-30796, 'corrupt'],
  [-30797, 'corrupt'],
]);

const EIO = 5;
const MDB_PANIC = -30795;
/** A disk with less is full: the driver reports a write that the disk took only in part as EIO. */
const FREE_BYTES_MIN = 16 * 1024 * 1024;

export type Failure = {
  readonly error: StoreUnavailable;
  /** fatal: nothing written after it can be trusted to last (fault 35): the process must open the store anew. */
  readonly kind: 'passing' | 'fatal';
};

/**
 * What a failed operation of the driver on the environment in directory `path` means. Also waits for the reason that
 * a failed commit names later.
 */
export async function failureOf(error: unknown, path: string): Promise<Failure> {
  if (error instanceof StoreUnavailable) return { error, kind: 'passing' };
  const cause = await rootOf(error);
  const code = codeOf(cause);
  const message = cause instanceof Error ? cause.message : String(cause);
  const full = code === EIO && (await freeBytes(path)) < FREE_BYTES_MIN;
  const fatal = (code === EIO && !full) || code === MDB_PANIC;
  const reason = full ? 'disk_full' : ((code === null ? undefined : REASONS.get(code)) ?? 'error');
  return {
    error: new StoreUnavailable(fatal ? 'disk_failed' : reason, `the store could not write: ${message}`, {
      cause,
    }),
    kind: fatal ? 'fatal' : 'passing',
  };
}

async function freeBytes(path: string): Promise<number> {
  try {
    const stats = await statfs(path);
    return stats.bavail * stats.bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** A rejected commit carries its reason in a promise of its own, which must be looked at or ends the process. */
async function rootOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (reason) {
    return reason;
  }
}

function codeOf(error: unknown): number | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : null;
}
