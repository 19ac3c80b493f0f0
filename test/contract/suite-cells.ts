import { describe, expect, test } from 'vitest';
import { CELL_VALUE_BYTES_MAX, type Cell, type CellWrite } from '../../src/core/cell.ts';
import type { Store } from '../../src/store/contract.ts';
import { granted, listAll, newRecordKey, requestOf, type StoreHarness } from './harness.ts';

/** A cell key looks like a record key. */
const newCellKey = newRecordKey;

function text(cell: Cell): string {
  return Buffer.from(cell.value).toString('latin1');
}

function writeOf(expectedVersion: number, value: string, lifeMs: number): CellWrite {
  return { expectedVersion, value: Buffer.from(value, 'latin1'), lifeMs, wakes: 'waiters' };
}

/** Writes what must be writable, and returns its version. */
async function written(store: Store, cellKey: string, write: CellWrite): Promise<number> {
  const result = await store.cells.write(cellKey, write);
  if (result.kind !== 'written') throw new Error(`the cell should be at ${write.expectedVersion}`);
  return result.version;
}

export function cells(harness: () => StoreHarness): void {
  describe('cells', () => {
    test('an absent cell has version 0, no value, and the store’s time', async () => {
      const { store, unitMs, advance } = harness();
      const key = newCellKey();

      const before = await store.cells.read(key);
      await advance(unitMs);
      const after = await store.cells.read(key);

      expect([before.version, before.value.byteLength]).toEqual([0, 0]);
      expect(Number.isInteger(before.nowMs)).toBe(true);
      expect(after.nowMs - before.nowMs).toBeGreaterThanOrEqual(unitMs - 1);
    });

    test('what was written is read, with its version, through every connection', async () => {
      const { store, unitMs, second } = harness();
      const key = newCellKey();

      const version = await written(store, key, writeOf(0, 'one\0\xff', 10 * unitMs));
      const read = await (await second()).cells.read(key);

      expect([read.version, text(read)]).toEqual([version, 'one\0\xff']);
      expect(version).toBeGreaterThanOrEqual(read.nowMs - 60_000);
    });

    test('a write that expects another version changes nothing and tells what is there', async () => {
      const { store, unitMs } = harness();
      const key = newCellKey();
      const version = await written(store, key, writeOf(0, 'one', 20 * unitMs));

      const results = [
        await store.cells.write(key, writeOf(0, 'two', 20 * unitMs)),
        await store.cells.write(key, writeOf(version - 1, 'two', 20 * unitMs)),
        await store.cells.write(key, writeOf(version + 1, 'two', 20 * unitMs)),
        await store.cells.write(newCellKey(), writeOf(version, 'two', 20 * unitMs)),
      ];

      expect(
        results.map((result) =>
          result.kind === 'changed' ? [result.cell.version, text(result.cell)] : result,
        ),
      ).toEqual([
        [version, 'one'],
        [version, 'one'],
        [version, 'one'],
        [0, ''],
      ]);
      expect(text(await store.cells.read(key))).toBe('one');
    });

    test('of many that write over the same version one does', async () => {
      const { store, unitMs, second } = harness();
      const other = await second();
      const key = newCellKey();
      let version = 0;
      for (let round = 0; round < 5; round += 1) {
        const results = await Promise.all(
          Array.from({ length: 8 }, (_, i) =>
            (i % 2 === 0 ? store : other).cells.write(key, writeOf(version, `${round}-${i}`, 50 * unitMs)),
          ),
        );
        const winners = results.flatMap((result, i) => (result.kind === 'written' ? [{ result, i }] : []));
        const read = await store.cells.read(key);

        expect(winners).toHaveLength(1);
        expect(text(read)).toBe(`${round}-${winners[0]?.i}`);
        expect(read.version).toBe(winners[0]?.result.version);
        version = read.version;
      }
    });

    test('counting through it from two connections loses nothing', async () => {
      const { store, unitMs, second } = harness();
      const other = await second();
      const key = newCellKey();
      async function add(through: Store): Promise<void> {
        for (;;) {
          const cell = await through.cells.read(key);
          const next = String(Number(text(cell)) + 1);
          const result = await through.cells.write(key, writeOf(cell.version, next, 100 * unitMs));
          if (result.kind === 'written') return;
        }
      }

      await Promise.all(Array.from({ length: 12 }, (_, i) => add(i % 2 === 0 ? store : other)));

      expect(text(await store.cells.read(key))).toBe('12');
    });

    test('an expired cell is absent, to a read and to a write, and its version still grows', async () => {
      const { store, unitMs, advance } = harness();
      const key = newCellKey();
      const first = await written(store, key, writeOf(0, 'one', 2 * unitMs));
      await advance(3 * unitMs);

      const read = await store.cells.read(key);
      const late = await store.cells.write(key, writeOf(first, 'late', 2 * unitMs));
      const second = await written(store, key, writeOf(0, 'two', 20 * unitMs));
      const third = await written(store, key, writeOf(second, 'three', 20 * unitMs));

      expect([read.version, read.value.byteLength]).toEqual([0, 0]);
      expect(late).toMatchObject({ kind: 'changed', cell: { version: 0 } });
      expect([first, second, third]).toEqual([...new Set([first, second, third])].sort((a, b) => a - b));
    });

    test('a write begins its life anew', async () => {
      const { store, unitMs, advance } = harness();
      const key = newCellKey();
      const first = await written(store, key, writeOf(0, 'one', 4 * unitMs));
      await advance(2 * unitMs);
      await written(store, key, writeOf(first, 'two', 20 * unitMs));
      await advance(4 * unitMs);

      expect(text(await store.cells.read(key))).toBe('two');
    });

    test('a sweep takes expired cells and no others, and their versions still grow', async ({ skip }) => {
      const { store, unitMs, advance, expiry } = harness();
      if (expiry === 'by-itself') return skip('the store removes them by itself');
      const short = newCellKey();
      const long = newCellKey();
      const shortened = newCellKey();
      const first = await written(store, short, writeOf(0, 'short', 2 * unitMs));
      await written(store, long, writeOf(0, 'long', 50 * unitMs));
      const before = await written(store, shortened, writeOf(0, 'long', 50 * unitMs));
      await written(store, shortened, writeOf(before, 'short', 2 * unitMs));
      await advance(3 * unitMs);

      const removed = [await store.sweep(2), await store.sweep(2), await store.sweep(2)];
      const again = await written(store, short, writeOf(0, 'again', 2 * unitMs));

      expect(removed.reduce((sum, each) => sum + each)).toBe(2);
      expect(Math.max(...removed)).toBeLessThanOrEqual(2);
      expect(text(await store.cells.read(long))).toBe('long');
      expect(again).toBeGreaterThan(first);
    });

    test('a cell of one millisecond and one of the greatest size are kept as told', async () => {
      const { store, unitMs, advance } = harness();
      const brief = newCellKey();
      const large = newCellKey();
      const value = Buffer.alloc(CELL_VALUE_BYTES_MAX, 0xe9);
      await written(store, brief, writeOf(0, 'x', 1));
      await written(store, large, { ...writeOf(0, '', 20 * unitMs), value });
      await advance(unitMs);

      expect((await store.cells.read(brief)).version).toBe(0);
      expect(Buffer.compare((await store.cells.read(large)).value, value)).toBe(0);
    });

    test.each([
      ['a value that is too long', { value: Buffer.alloc(CELL_VALUE_BYTES_MAX + 1) }],
      ['no life', { lifeMs: 0 }],
      ['an endless life', { lifeMs: Number.POSITIVE_INFINITY }],
    ])('%s is refused and changes nothing', async (_what, change) => {
      const { store, unitMs } = harness();
      const key = newCellKey();

      await expect(
        store.cells.write(key, { ...writeOf(0, 'x', 20 * unitMs), ...change }),
      ).rejects.toMatchObject({ reason: 'error', sent: 'no' });

      expect((await store.cells.read(key)).version).toBe(0);
    });

    test('a cell and its versions outlive a kill of the store', async ({ skip }) => {
      const { store, unitMs, reopen } = harness();
      if (reopen === null) return skip('its records do not outlive it');
      const key = newCellKey();
      const version = await written(store, key, writeOf(0, 'kept', 200 * unitMs));

      const reopened = await reopen();
      const read = await reopened.cells.read(key);

      expect([read.version, text(read)]).toEqual([version, 'kept']);
      expect(await written(reopened, key, writeOf(version, 'next', 20 * unitMs))).toBeGreaterThan(version);
    });

    test('cells and records know nothing of each other', async () => {
      const { store, unitMs } = harness();
      const key = newCellKey();
      await written(store, key, writeOf(0, 'cell', 50 * unitMs));

      const { claim } = await granted(store, key, requestOf(unitMs, { lease: 30 }));
      await store.release(claim, null);

      expect(text(await store.cells.read(key))).toBe('cell');
      expect((await listAll(store, null)).map(({ recordKey }) => recordKey)).toEqual([key]);
    });
  });

  waitingForCells(harness);
}

function waitingForCells(harness: () => StoreHarness): void {
  describe('waiting for a cell', () => {
    test('a write through another connection wakes every waiter', async () => {
      const { store, unitMs, advance, second } = harness();
      const other = await second();
      const key = newCellKey();
      const version = await written(store, key, writeOf(0, 'one', 100 * unitMs));
      const abort = new AbortController();
      const woken = Array.from({ length: 20 }, () => store.cells.changed(key, abort.signal));
      await advance(unitMs);

      await written(other, key, writeOf(version, 'two', 100 * unitMs));

      expect(await Promise.all(woken)).toHaveLength(20);
      expect(abort.signal.aborted).toBe(false);
    });

    test('a write between the subscription and the read is not missed', async () => {
      const { store, unitMs, second } = harness();
      const other = await second();
      const key = newCellKey();
      let version = await written(store, key, writeOf(0, '0', 100 * unitMs));
      for (let round = 1; round <= 5; round += 1) {
        const abort = new AbortController();
        const woken = store.cells.changed(key, abort.signal);
        version = await written(other, key, writeOf(version, String(round), 100 * unitMs));
        await woken;

        expect(text(await store.cells.read(key))).toBe(String(round));
      }
    });

    test('a waiter whose signal aborts is let go, before or after it came', async () => {
      const { store } = harness();
      const key = newCellKey();
      const abort = new AbortController();
      const woken = store.cells.changed(key, abort.signal);

      abort.abort();

      await expect(woken).resolves.toBeUndefined();
      await expect(store.cells.changed(key, AbortSignal.abort())).resolves.toBeUndefined();
    });
  });
}
