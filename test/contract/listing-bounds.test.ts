import { afterEach, describe, expect, test } from 'vitest';
import type { RecordView } from '../../src/core/record.ts';
import type { Store } from '../../src/store/contract.ts';
import { keyNames } from '../../src/store/redis/key-names.ts';
import { type ListSource, listRecords } from '../../src/store/redis/listing.ts';
import { FULL, granted, listAll, requestOf } from './harness.ts';
import { cleanUp, newDirectory, openAt, TestClock } from './lmdb-support.ts';

/** A page is read while requests wait for it, or for the server it asks: it ends early, with a cursor. */

afterEach(cleanUp);

const open = (): Promise<Store> => openAt(newDirectory(), new TestClock());

async function fill(store: Store, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => granted(store, `a${i}`, requestOf(1000))));
}

async function unknownAt(store: Store, key: string): Promise<void> {
  const { claim } = await granted(store, key, requestOf(1000));
  await store.park(claim, 'reset');
}

describe('a page of a large LMDB store', () => {
  test('ends after some hundred records that do not fit, and the next ones find what does', async () => {
    const store = await open();
    await fill(store, 1200);
    await unknownAt(store, 'z');

    const first = await store.list(null, { state: 'unknown', limit: 100 });

    expect([first.records, first.cursor === null]).toEqual([[], false]);
    expect((await listAll(store, 'unknown')).map(({ recordKey }) => recordKey)).toEqual(['z']);
  });

  test('ends after some megabytes of responses', async () => {
    const store = await open();
    const response = { ...FULL, body: Buffer.alloc(256 * 1024, 'x') };
    for (let i = 0; i < 20; i += 1) {
      const { claim } = await granted(store, `a${i}`, requestOf(1000));
      await store.complete(claim, response, 100_000);
    }

    const { cursor } = await store.list(null, { state: 'unknown', limit: 100 });

    expect(cursor).not.toBeNull();
    expect(await listAll(store, 'completed')).toHaveLength(20);
  });

  test('ends a listing at a cursor that is no key', async () => {
    const store = await open();

    expect(await store.list('z'.repeat(8000), { state: null, limit: 1 })).toEqual({
      records: [],
      cursor: null,
    });
  });
});

describe('a page of a large Redis store', () => {
  const RECORDS = 20_000;

  function source(): ListSource & { inspected: number } {
    const names = keyNames('p:');
    const counted = {
      inspected: 0,
      names,
      async scan(cursor: string, _pattern: string, countHint: number) {
        const from = Number(cursor);
        const to = Math.min(RECORDS, from + countHint);
        const found = Array.from({ length: to - from }, (_, i) => names.record(`k${from + i}`));
        return [to === RECORDS ? '0' : String(to), found] as const;
      },
      async inspect(recordKey: string) {
        counted.inspected += 1;
        const state = recordKey === `k${RECORDS - 1}` ? 'unknown' : 'completed';
        return { recordKey, state } as RecordView;
      },
    };
    return counted;
  }

  test('ends after some thousand records that do not fit, and the next ones find what does', async () => {
    const counted = source();

    const first = await listRecords(counted, null, { state: 'unknown', limit: 100 });

    expect([first.records, first.cursor === null]).toEqual([[], false]);
    expect(counted.inspected).toBeLessThanOrEqual(1200);
    const all = await listAll({ list: (cursor, filter) => listRecords(counted, cursor, filter) }, 'unknown');
    expect(all.map(({ recordKey }) => recordKey)).toEqual([`k${RECORDS - 1}`]);
  });
});
