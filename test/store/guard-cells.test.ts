import { describe, expect, test } from 'vitest';
import { type Cells, type Store, StoreUnavailable } from '../../src/store/contract.ts';
import { guardStore } from '../../src/store/guard.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { newRecordKey } from '../contract/harness.ts';
import { createManualTime, type ManualTime } from './manual-time.ts';

const DEADLINE_MS = 1000;
const WRITE = { expectedVersion: 0, value: Buffer.from('v'), lifeMs: 60_000, wakes: 'waiters' } as const;

type Scene = { readonly cells: Cells; readonly observed: string[]; readonly time: ManualTime };

/** `fault` takes the place of every read and write while it gives a promise. */
function scene(fault: () => Promise<never> | null): Scene {
  const time = createManualTime();
  const inner = createMemoryStore({ clock: { nowMs: time.nowMs }, bytesMax: 10_000_000 });
  const observed: string[] = [];
  const cells: Cells = {
    read: (...args) => fault() ?? inner.cells.read(...args),
    write: (...args) => fault() ?? inner.cells.write(...args),
    changed: (...args) => inner.cells.changed(...args),
  };
  const faulty: Store = Object.create(inner, { cells: { value: cells } });
  const store = guardStore(faulty, {
    deadlineMs: DEADLINE_MS,
    monotonicMs: time.nowMs,
    ticker: time.ticker,
    observe: (operation, result) => observed.push(`${operation} ${result}`),
    breaker: { failures: 3, windowMs: 10_000, openMs: 500 },
  });
  return { cells: store.cells, observed, time };
}

describe('the guard of a store’s cells', () => {
  test('passes reads, writes and hints on, and reports them', async () => {
    const { cells, observed } = scene(() => null);
    const key = newRecordKey();
    const woken = cells.changed(key, new AbortController().signal);

    expect((await cells.read(key)).version).toBe(0);
    expect((await cells.write(key, WRITE)).kind).toBe('written');
    await woken;

    expect(observed).toEqual(['cellRead ok', 'cellWrite ok']);
  });

  test('gives them up at their deadline', async () => {
    const { cells, observed, time } = scene(() => new Promise(() => undefined));
    const key = newRecordKey();
    const ends = [cells.read(key), cells.write(key, WRITE)].map((each) =>
      expect(each).rejects.toMatchObject({ name: 'StoreUnavailable', reason: 'timeout', sent: 'maybe' }),
    );

    await time.pass(DEADLINE_MS * 1.2);

    await Promise.all(ends);
    expect(observed).toEqual(['cellRead timeout', 'cellWrite timeout']);
  });

  test('refuses reads while the breaker is open, and lets writes through', async () => {
    let sick = true;
    const { cells } = scene(() => (sick ? Promise.reject(new StoreUnavailable('timeout', 'planned')) : null));
    const key = newRecordKey();
    for (let i = 0; i < 3; i += 1) await cells.read(key).catch(() => undefined);
    sick = false;

    await expect(cells.read(key)).rejects.toMatchObject({ sent: 'no' });

    expect((await cells.write(key, WRITE)).kind).toBe('written');
    expect((await cells.read(key)).version).toBeGreaterThan(0);
  });
});
