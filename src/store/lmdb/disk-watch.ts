import { accessSync, constants, statfsSync } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { StoreUnavailable } from '../contract.ts';

/**
 * Keeps writes away from a disk that cannot take them. The driver must not find out by itself: it writes the message of
 * a failed write beyond the end of its buffer (lmdb 3.5.6, `mdb_page_flush`), which sooner or later ends the process.
 */
export type DiskWatch = {
  /**
   * Throws StoreUnavailable `disk_full` or `readonly`. A claim leaves the last of the disk to the settlements of what is
   * in flight. `bytes`: what will be written besides a few pages.
   */
  admit(what: WriteKind, bytes: number): void;
  /** After a write that failed: rejects with what another one says, into a file of its own. */
  prove(): Promise<void>;
};

export type WriteKind = 'claim' | 'settle';

/** What is known of the disk holds this long; meanwhile the own writes are subtracted. */
const LOOK_MS = 100;
/** A transaction writes pages of three trees and a list of free ones. */
const WRITE_BYTES = 64 * 1024;
const RESERVE_BYTES_MAX = 16 * 1024 * 1024;
const RESERVE_PART = 1 / 20;
/** Below it a settlement waits too. */
const LAST_PART = 1 / 8;
const PROBE_FILE = 'probe';
const PROBE = Buffer.alloc(WRITE_BYTES);

export function createDiskWatch(path: string, monotonicMs: () => number): DiskWatch {
  let lookedMs = Number.NEGATIVE_INFINITY;
  let freeBytes = 0;
  let reserveBytes = 0;
  let refusal: StoreUnavailable | null = null;

  function look(): void {
    refusal = null;
    try {
      accessSync(path, constants.W_OK);
      const { bavail, blocks, bsize } = statfsSync(path);
      freeBytes = bavail * bsize;
      reserveBytes = Math.min(RESERVE_BYTES_MAX, blocks * bsize * RESERVE_PART);
    } catch (error) {
      refusal = new StoreUnavailable('readonly', `the store cannot be written: ${messageOf(error)}`);
    }
  }

  function leastBytes(what: WriteKind): number {
    return what === 'claim' ? reserveBytes : reserveBytes * LAST_PART;
  }

  return {
    admit(what, bytes) {
      const neededBytes = bytes + WRITE_BYTES;
      const nowMs = monotonicMs();
      // Looked at again also where the estimate alone says no.
      if (nowMs - lookedMs >= LOOK_MS || refusal !== null || freeBytes - neededBytes < leastBytes(what)) {
        look();
        lookedMs = nowMs;
      }
      if (refusal !== null) throw refusal;
      if (freeBytes - neededBytes < leastBytes(what)) {
        throw new StoreUnavailable('disk_full', `the disk has ${freeBytes} bytes left`);
      }
      freeBytes -= neededBytes;
    },
    async prove() {
      const file = join(path, PROBE_FILE);
      const handle = await open(file, 'w', 0o600);
      try {
        await handle.write(PROBE);
        await handle.datasync();
      } finally {
        await handle.close();
        // Another process may have been quicker.
        await unlink(file).catch(() => undefined);
      }
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
