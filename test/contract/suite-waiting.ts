import { describe, expect, test } from 'vitest';
import { FULL, granted, newRecordKey, requestOf, type StoreHarness } from './harness.ts';
import { INTO_STATE } from './states.ts';

export function waiting(harness: () => StoreHarness): void {
  describe('waiting', () => {
    test.each(
      INTO_STATE.filter(([state]) => state === 'completed' || state === 'unknown' || state === 'released'),
    )('a waiter wakes when the record becomes %s through another connection', async (state) => {
      const { store, unitMs, advance, second } = harness();
      const other = await second();
      const { claim } = await granted(store, newRecordKey(), requestOf(unitMs, { lease: 30 }));
      const abort = new AbortController();
      const woken = store.settled(claim.recordKey, abort.signal);
      await advance(unitMs);

      if (state === 'completed') await other.complete(claim, FULL, 20 * unitMs);
      else if (state === 'unknown') await other.park(claim, 'reset');
      else await other.release(claim, null);
      await woken;

      expect(abort.signal.aborted).toBe(false);
      expect((await store.inspect(claim.recordKey))?.state).toBe(state);
    });

    test('a waiter whose signal aborts is let go', async () => {
      const { store, unitMs } = harness();
      const { claim } = await granted(store, newRecordKey(), requestOf(unitMs, { lease: 30 }));
      const abort = new AbortController();
      const woken = store.settled(claim.recordKey, abort.signal);

      abort.abort();

      await expect(woken).resolves.toBeUndefined();
    });

    test('a waiter that comes with an aborted signal does not wait', async () => {
      const { store, unitMs } = harness();
      const { claim } = await granted(store, newRecordKey(), requestOf(unitMs, { lease: 30 }));

      await expect(store.settled(claim.recordKey, AbortSignal.abort())).resolves.toBeUndefined();
    });

    test('a hundred waiters of one key all wake', async () => {
      const { store, unitMs, advance } = harness();
      const { claim } = await granted(store, newRecordKey(), requestOf(unitMs, { lease: 30 }));
      const abort = new AbortController();
      const woken = Array.from({ length: 100 }, () => store.settled(claim.recordKey, abort.signal));
      await advance(unitMs);

      await store.complete(claim, FULL, 20 * unitMs);

      expect(await Promise.all(woken)).toHaveLength(100);
    });
  });
}
