import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../../src/store/contract.ts';
import type { MachineClock } from '../../src/store/lmdb/clock.ts';
import { type LmdbStoreOptions, openLmdbStore } from '../../src/store/lmdb/lmdb-store.ts';

export const START_MS = 1_795_000_000_000;

export class TestClock implements MachineClock {
  bootId = 'boot-1';
  uptimeMs = 5_000;
  wall = START_MS;
  monotonicMs(): number {
    return this.uptimeMs;
  }
  wallMs(): number {
    return this.wall;
  }
  /** The machine starts again: its monotonic clock too. */
  reboot(wallMs: number): void {
    this.bootId = `${this.bootId}+`;
    this.uptimeMs = 100;
    this.wall = wallMs;
  }
}

/** Of the workers: every body names its key and is long enough to span pages. */
export function bodyOf(key: string): Buffer {
  return Buffer.from(`${key};`.repeat(400));
}

const opened: Store[] = [];
const directories: string[] = [];

export function newDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'onceward-lmdb-'));
  directories.push(path);
  return path;
}

export async function openAt(
  path: string,
  clock: MachineClock,
  change: Partial<LmdbStoreOptions> = {},
): Promise<Store> {
  const store = await openLmdbStore({
    path,
    clock,
    durability: 'commit',
    bytesMax: 64 * 1024 * 1024,
    ...change,
  });
  opened.push(store);
  return store;
}

export async function closeAll(): Promise<void> {
  for (const store of opened.splice(0)) await store.close();
}

export async function cleanUp(): Promise<void> {
  await closeAll();
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
}
