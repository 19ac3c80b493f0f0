import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { CellWriteResult } from '../../src/core/cell.ts';
import type { Store } from '../../src/store/contract.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { newRecordKey } from './harness.ts';
import { cleanUp, newDirectory, openAt, TestClock } from './lmdb-support.ts';

afterEach(cleanUp);

const LIFE_MS = 10_000;

function write(store: Store, key: string, expectedVersion = 0, bytes = 4_000): Promise<CellWriteResult> {
  const value = Buffer.alloc(bytes, 7);
  return store.cells.write(key, { expectedVersion, value, lifeMs: LIFE_MS, wakes: 'nobody' });
}

/** Writes new cells until the store refuses one. */
async function fill(store: Store): Promise<unknown> {
  for (let i = 0; i < 1_000; i += 1) {
    try {
      await write(store, newRecordKey());
    } catch (error) {
      return error;
    }
  }
  return null;
}

describe('a store full of cells', () => {
  const stores = [
    [
      'memory',
      async () => {
        const clock = { nowMs: 1_795_000_000_000 };
        const store = createMemoryStore({ clock: { nowMs: () => clock.nowMs }, bytesMax: 200_000 });
        return { store, pass: (ms: number) => (clock.nowMs += ms) };
      },
    ],
    [
      'lmdb',
      async () => {
        const clock = new TestClock();
        const store = await openAt(newDirectory(), clock, { bytesMax: 400_000 });
        return { store, pass: (ms: number) => (clock.uptimeMs += ms) };
      },
    ],
  ] as const;

  test.each(stores)(
    '%s refuses a new one, takes what gives one back, and has room after their end',
    async (_name, open) => {
      const { store, pass } = await open();
      const key = newRecordKey();
      const held = await write(store, key);

      expect(await fill(store)).toMatchObject({ reason: 'full' });
      expect(await write(store, key, held.kind === 'written' ? held.version : 0, 1)).toMatchObject({
        kind: 'written',
      });
      pass(LIFE_MS + 1);
      for (let i = 0; i < 20; i += 1) await store.sweep(100);

      expect(await write(store, newRecordKey())).toMatchObject({ kind: 'written' });
    },
  );
});

describe('an lmdb file whose cells are damaged', () => {
  test('is refused where a key is not its own, and tells of a damaged value when it is read', async () => {
    const path = newDirectory();
    const clock = new TestClock();
    const store = await openAt(path, clock);
    const key = newRecordKey();
    await write(store, key, 0, 64);
    await store.close();
    const file = join(path, 'data.mdb');
    const whole = readFileSync(file);

    writeFileSync(file, changedAt(whole, Buffer.alloc(64, 7)));
    const damaged = await openAt(path, clock);
    await expect(damaged.cells.read(key)).rejects.toMatchObject({ reason: 'corrupt' });
    await expect(write(damaged, key)).rejects.toMatchObject({ reason: 'corrupt' });
    await damaged.close();

    writeFileSync(file, changedAt(whole, Buffer.from(key)));
    await expect(openAt(path, clock)).rejects.toThrow(/a cell stands under a key that is not its own/);
  });
});

/** Another last byte wherever the text stands. */
function changedAt(whole: Buffer, text: Buffer): Buffer {
  const bytes = Buffer.from(whole);
  for (let at = whole.indexOf(text); at !== -1; at = whole.indexOf(text, at + 1)) {
    const last = at + text.length - 1;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
  }
  return bytes;
}
