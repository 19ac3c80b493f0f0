import { afterEach, describe, expect, it } from 'vitest';
import type { RecordKey } from '../../src/core/record.ts';
import type { ListPage, Store } from '../../src/store/contract.ts';
import { findRecords } from '../../src/store/find-records.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { granted, requestOf } from '../contract/harness.ts';
import { closeAll, newDirectory, openAt, START_MS, TestClock } from '../contract/lmdb-support.ts';

const RECORDS = 1200;
const UNKNOWN_AT = 1100;
const keyOf = (number: number): RecordKey => String(number).padStart(43, '0');

afterEach(closeAll);

async function filled(store: Store): Promise<Store> {
  await Promise.all(
    Array.from({ length: RECORDS }, async (_, number) => {
      const { claim } = await granted(store, keyOf(number), requestOf(60_000));
      if (number === UNKNOWN_AT) await store.park(claim, 'reset');
    }),
  );
  return store;
}

const stores: readonly (readonly [string, () => Promise<Store>])[] = [
  ['memory', async () => createMemoryStore({ clock: { nowMs: () => START_MS }, bytesMax: 1e8 })],
  ['LMDB', () => openAt(newDirectory(), new TestClock())],
];

describe.each(stores)('one record of many in %s', (_name, open) => {
  it('is found over pages that look at a bounded number of records, and are empty with a cursor', async () => {
    const store = await filled(await open());
    const pages: ListPage[] = [];

    for (let cursor: string | null = null; pages.length === 0 || cursor !== null; ) {
      const page: ListPage = await store.list(cursor, { state: 'unknown', limit: 100 });
      pages.push(page);
      cursor = page.cursor;
    }

    expect(pages.map(({ records }) => records.map(({ recordKey }) => recordKey))).toEqual([
      [],
      [],
      [keyOf(UNKNOWN_AT)],
    ]);
  });

  it('is found by one search, and other work gets its turn between the pages', async () => {
    const store = await filled(await open());
    let turns = 0;
    const turn = (): void => {
      turns += 1;
      timer = setImmediate(turn);
    };
    let timer = setImmediate(turn);

    const found = await findRecords(store, null, { state: 'unknown', limit: 100 }, () => 0);
    clearImmediate(timer);

    expect(found.records.map(({ recordKey }) => recordKey)).toEqual([keyOf(UNKNOWN_AT)]);
    expect(found.cursor).toBeNull();
    expect(turns).toBeGreaterThanOrEqual(2);
  });

  it('is found by the next search where the time of the first is over', async () => {
    const store = await filled(await open());
    let nowMs = 0;
    const slowly: Pick<Store, 'list'> = {
      list: async (cursor, filter) => {
        nowMs += 60;
        return await store.list(cursor, filter);
      },
    };
    const search = (cursor: string | null) =>
      findRecords(slowly, cursor, { state: 'unknown', limit: 100 }, () => nowMs);

    const first = await search(null);
    const second = await search(first.cursor);

    expect(first.records).toEqual([]);
    expect(first.cursor).not.toBeNull();
    expect(second.records.map(({ recordKey }) => recordKey)).toEqual([keyOf(UNKNOWN_AT)]);
  });

  it('and its like never exceed what was asked for, and none is lost between two searches', async () => {
    const store = await filled(await open());
    const seen = new Set<RecordKey>();

    for (let cursor: string | null = null, first = true; first || cursor !== null; first = false) {
      const found: ListPage = await findRecords(store, cursor, { state: null, limit: 700 }, () => 0);
      expect(found.records.length).toBeLessThanOrEqual(700);
      for (const { recordKey } of found.records) seen.add(recordKey);
      cursor = found.cursor;
    }

    expect(seen.size).toBe(RECORDS);
  });
});

it('a page of LMDB looks at few records where they are long', async () => {
  const store = await openAt(newDirectory(), new TestClock());
  const body = Buffer.alloc(1024 * 1024);
  for (let number = 0; number < 12; number += 1) {
    const { claim } = await granted(store, keyOf(number), requestOf(60_000));
    const response = { kind: 'full', status: 200, rawHeaders: [], body, receivedAtMs: 1 } as const;
    await store.complete(claim, response, 60_000);
  }

  const page = await store.list(null, { state: null, limit: 100 });

  expect(page.records.length).toBeLessThan(6);
  expect(page.cursor).not.toBeNull();
});
