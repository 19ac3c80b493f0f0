import { describe, expect, test } from 'vitest';
import { FULL, granted, newRecordKey, requestOf, responseOf, type StoreHarness } from './harness.ts';

export function retention(harness: () => StoreHarness): void {
  describe('retention', () => {
    test('a completed record outlives a kill of the store', async ({ skip }) => {
      const { store, unitMs, reopen } = harness();
      if (reopen === null) return skip('its records do not outlive it');
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, 100 * unitMs);

      const reopened = await reopen();

      expect(responseOf(await reopened.claim(key, requestOf(unitMs)))).toEqual(FULL);
    });

    test('a dispatched claim outlives a kill of the store and becomes unknown', async ({ skip }) => {
      const { store, unitMs, reopen, advance } = harness();
      if (reopen === null) return skip('its records do not outlive it');
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs, { unknownRetain: 100, retain: 100 }));

      const reopened = await reopen();
      await advance(3 * unitMs);

      expect(await reopened.claim(key, requestOf(unitMs))).toMatchObject({
        kind: 'unknown',
        token: claim.token,
      });
    });

    test('tokens grow over a kill of the store', async ({ skip }) => {
      const { store, unitMs, reopen } = harness();
      if (reopen === null) return skip('its records do not outlive it');
      const key = newRecordKey();
      const first = await granted(store, key, requestOf(unitMs, { unknownRetain: 100, retain: 100 }));
      await store.release(first.claim, null);

      const reopened = await reopen();

      expect((await granted(reopened, key, requestOf(unitMs))).claim.token).toBeGreaterThan(
        first.claim.token,
      );
    });

    test('tokens grow over release, lapse and a forced forget', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const tokens: number[] = [];
      const first = await granted(store, key, requestOf(unitMs));
      tokens.push(first.claim.token);
      await store.release(first.claim, null);
      tokens.push((await granted(store, key, requestOf(unitMs, { state: 'claimed' }))).claim.token);
      await advance(3 * unitMs);
      tokens.push((await granted(store, key, requestOf(unitMs))).claim.token);
      await store.forget(key, 'forced');
      tokens.push((await granted(store, key, requestOf(unitMs))).claim.token);

      expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
    });

    test('a completed key is granted again once its retention is over', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const first = await granted(store, key, requestOf(unitMs));
      await store.complete(first.claim, FULL, 3 * unitMs);

      await advance(4 * unitMs);

      const next = await granted(store, key, requestOf(unitMs));
      expect(next.claim.token).toBeGreaterThan(first.claim.token);
      expect(next.attempt).toBe(1);
    });

    test('an unknown key is granted again once its retention is over', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const first = await granted(store, key, requestOf(unitMs, { lease: 1, retain: 4, unknownRetain: 4 }));

      await advance(7 * unitMs);

      const next = await granted(store, key, requestOf(unitMs));
      expect(next.claim.token).toBeGreaterThan(first.claim.token);
    });

    test('at the instant of expiry a retry gets the whole response or a new claim, nothing between', async () => {
      const { store, unitMs, advance } = harness();
      const claims = await Promise.all(
        Array.from({ length: 20 }, () => granted(store, newRecordKey(), requestOf(unitMs))),
      );
      await Promise.all(claims.map(({ claim }, i) => store.complete(claim, FULL, unitMs + (i - 10))));
      await advance(unitMs);

      const results = await Promise.all(
        claims.map(({ claim }) => store.claim(claim.recordKey, requestOf(unitMs))),
      );

      for (const [i, result] of results.entries()) {
        if (result.kind === 'completed') expect(responseOf(result)).toEqual(FULL);
        else
          expect(result.kind === 'claimed' ? result.token : 0).toBeGreaterThan(claims[i]?.claim.token ?? 0);
      }
    });
  });
}
