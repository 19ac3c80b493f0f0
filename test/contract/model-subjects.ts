import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../../src/store/contract.ts';
import type { MachineClock } from '../../src/store/lmdb/clock.ts';
import { openLmdbStore } from '../../src/store/lmdb/lmdb-store.ts';
import { createMemoryStore } from '../../src/store/memory.ts';

const START_MS = 1_795_000_000_000;

/** The store under test, with its clock in hand. */
export type Subject = {
  readonly store: () => Store;
  advance(ms: number): void;
  reopen(): Promise<void>;
  /** ended: what was in flight lost its lease. lasts: there is no boot for this store. */
  reboot(passedMs: number): Promise<'ended' | 'lasts'>;
  close(): Promise<void>;
};

export function memorySubject(): Promise<Subject> {
  let nowMs = START_MS;
  const store = createMemoryStore({ clock: { nowMs: () => nowMs }, bytesMax: 1_000_000 });
  return Promise.resolve({
    store: () => store,
    advance: (ms) => {
      nowMs += ms;
    },
    reopen: () => Promise.resolve(),
    reboot: () => Promise.resolve('lasts'),
    close: () => store.close(),
  });
}

export async function lmdbSubject(): Promise<Subject> {
  const path = mkdtempSync(join(tmpdir(), 'onceward-model-'));
  let uptimeMs = 5000;
  let wallMs = START_MS;
  let boots = 0;
  const openHere = (): Promise<Store> => {
    const clock: MachineClock = {
      monotonicMs: () => uptimeMs,
      wallMs: () => wallMs,
      bootId: `boot-${boots}`,
    };
    return openLmdbStore({ path, durability: 'commit', bytesMax: 16 * 1024 * 1024, clock });
  };
  let store = await openHere();
  const advance = (ms: number): void => {
    uptimeMs += ms;
    wallMs += ms;
  };
  return {
    store: () => store,
    advance,
    async reopen() {
      await store.close();
      store = await openHere();
    },
    async reboot(passedMs) {
      await store.close();
      // Off for a while: only the wall clock, which a battery keeps, goes on.
      wallMs += passedMs;
      uptimeMs = 100;
      boots += 1;
      store = await openHere();
      return 'ended';
    },
    async close() {
      await store.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
}
