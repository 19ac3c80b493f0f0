import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { LOCK_FILE } from './files.ts';

/**
 * The count of commits that processes share in the lock file. LMDB's master3 line sets it whenever an environment is
 * opened, to what was read from the data file a moment before: where another process has committed meanwhile, the count
 * goes back, and the next transaction of whoever comes first begins before that commit and writes over it. So every
 * transaction compares where it begins with the data file, and puts the count right where it is behind.
 */

/** `behind`: nothing may be written in this transaction; the next one begins at the newest commit. */
export type Beginning = 'newest' | 'behind';

export type CommitCount = {
  /** To be asked within a write transaction: its lock is what keeps others from writing. */
  look(): Beginning;
  /** After the environment: closing any descriptor of the lock file gives up the locks of the process on it. */
  close(): void;
};

/** A lock file begins with a magic number and a format of four bytes each; then comes the count. */
const LOCK_MAGIC = 0xbeefc0de;
const COUNT_AT = 8;

/** What the driver can and does not declare. */
type Driver = {
  getWriteTxnId(): number;
  /** Of the data file. */
  info(): { readonly lastTxnId: number };
};

/** Throws Error where the driver or its lock file is not what this knows. */
export function openCommitCount(root: RootDatabase<Buffer, string>, path: string): CommitCount {
  const driver = driverOf(root);
  const file = join(path, LOCK_FILE);
  const lock = openSync(file, 'r+');
  const bytes = Buffer.alloc(16);
  if (readSync(lock, bytes, 0, 16, 0) !== 16 || bytes.readUInt32LE(0) !== LOCK_MAGIC)
    throw new Error(`${file} is none that this program knows`);
  return {
    look() {
      const begins = driver.getWriteTxnId() - 1;
      const newest = driver.info().lastTxnId;
      if (begins === newest) return 'newest';
      bytes.writeBigUInt64LE(BigInt(newest), COUNT_AT);
      writeSync(lock, bytes, COUNT_AT, 8, COUNT_AT);
      return 'behind';
    },
    close: () => closeSync(lock),
  };
}

function driverOf(root: RootDatabase<Buffer, string>): Driver {
  const { env } = root as unknown as { readonly env?: Partial<Driver> };
  if (env?.getWriteTxnId === undefined || env.info === undefined)
    throw new Error('the driver of the store does not tell its transactions');
  return env as Driver;
}
