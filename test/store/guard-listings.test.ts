import { expect, test } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import { guardStore } from '../../src/store/guard.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { newRecordKey, requestOf } from '../contract/harness.ts';
import { createManualTime } from './manual-time.ts';

test('listings that take too long are given up and stop no request', async () => {
  const time = createManualTime();
  const inner = createMemoryStore({ clock: { nowMs: time.nowMs }, bytesMax: 1e7 });
  const slow: Store = Object.create(inner, {
    list: { value: () => new Promise(() => undefined) },
    claim: { value: (...args: Parameters<Store['claim']>) => inner.claim(...args) },
  });
  const store = guardStore(slow, {
    ...{ deadlineMs: 1000, monotonicMs: time.nowMs, ticker: time.ticker },
    breaker: { failures: 3, windowMs: 10_000, openMs: 500 },
  });
  const listings = Array.from({ length: 5 }, () =>
    store.list(null, { state: null, limit: 1 }).catch(() => 'given up'),
  );
  await time.pass(1200);
  expect(await Promise.all(listings)).toEqual(Array.from({ length: 5 }, () => 'given up'));

  expect(await store.claim(newRecordKey(), requestOf(1000))).toMatchObject({ kind: 'claimed' });
});
