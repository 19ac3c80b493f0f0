import { describe, expect, test } from 'vitest';
import {
  FULL,
  granted,
  newOwner,
  newRecordKey,
  requestOf,
  responseOf,
  type StoreHarness,
} from './harness.ts';

export function lifecycle(harness: () => StoreHarness): void {
  describe('life of a claim', () => {
    test('an absent key is granted at the first attempt', async () => {
      const { store, unitMs } = harness();

      const { claim, attempt } = await granted(store, newRecordKey(), requestOf(unitMs));

      expect(attempt).toBe(1);
      expect(Number.isSafeInteger(claim.token)).toBe(true);
    });

    test('a claim in flight says whose it is and how long it holds', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs, { lease: 10 }));

      const result = await store.claim(key, requestOf(unitMs, { fingerprint: 'other', policyId: 'other' }));

      expect(result).toMatchObject({
        kind: 'inFlight',
        token: claim.token,
        fingerprint: 'fingerprint-1',
        policyId: 'policy-1',
      });
      const leaseLeftMs = result.kind === 'inFlight' ? result.leaseLeftMs : -1;
      expect(leaseLeftMs).toBeGreaterThan(5 * unitMs);
      expect(leaseLeftMs).toBeLessThanOrEqual(10 * unitMs);
    });

    test('a claim resent by its owner finds itself the holder', async () => {
      const { store, unitMs, second } = harness();
      const other = await second();
      const key = newRecordKey();
      const request = requestOf(unitMs, { lease: 30 });
      const first = await granted(store, key, request);

      const again = await granted(other, key, request);

      expect(again).toEqual(first);
      expect(await store.complete(again.claim, FULL, 20 * unitMs)).toBe('ok');
    });

    test('a claim resent by its owner after it was completed is answered with the response', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const request = requestOf(unitMs);
      const { claim } = await granted(store, key, request);
      await store.complete(claim, FULL, 20 * unitMs);

      expect(responseOf(await store.claim(key, request))).toEqual(FULL);
    });

    test('a claim resent by its owner after a lapse on a dispatched claim is unknown', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const request = requestOf(unitMs);
      await granted(store, key, request);

      await advance(3 * unitMs);

      expect((await store.claim(key, request)).kind).toBe('unknown');
    });

    test('a renewed claim outlives its first lease', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs, { lease: 3 }));
      await advance(unitMs);
      expect(await store.renew(claim, 8 * unitMs)).toBe('ok');

      await advance(4 * unitMs);

      expect((await store.claim(key, requestOf(unitMs))).kind).toBe('inFlight');
    });

    test('a renewal brings a dispatched claim back that had lapsed', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await advance(3 * unitMs);
      expect((await store.claim(key, requestOf(unitMs))).kind).toBe('unknown');

      expect(await store.renew(claim, 20 * unitMs)).toBe('ok');

      expect((await store.claim(key, requestOf(unitMs))).kind).toBe('inFlight');
    });

    test('a parked claim cannot be renewed', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.park(claim, 'reset');

      expect(await store.renew(claim, 20 * unitMs)).toBe('lost');

      expect((await store.claim(key, requestOf(unitMs))).kind).toBe('unknown');
    });

    test('a released key is free, and its next attempt is counted', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const first = await granted(store, key, requestOf(unitMs));
      expect(await store.release(first.claim, 1500)).toBe('ok');

      const next = await granted(store, key, requestOf(unitMs));

      expect(next.attempt).toBe(2);
      expect(next.claim.token).toBeGreaterThan(first.claim.token);
    });

    test('a release stays visible to a joiner, with the time to retry', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.release(claim, 1500);

      await advance(3 * unitMs);

      expect(await store.inspect(key)).toMatchObject({
        state: 'released',
        token: claim.token,
        retryAfterMs: 1500,
      });
    });

    test('a release by owner frees the claim whose reply was lost', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const request = requestOf(unitMs);
      await granted(store, key, request);

      expect(await store.releaseOwner(key, request.owner)).toBe('ok');

      expect((await store.claim(key, requestOf(unitMs))).kind).toBe('claimed');
    });

    test('a release by owner touches no record of another owner', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      await granted(store, key, requestOf(unitMs, { lease: 30 }));

      expect(await store.releaseOwner(key, newOwner())).toBe('lost');

      expect((await store.claim(key, requestOf(unitMs))).kind).toBe('inFlight');
    });

    test('a release by owner leaves a completed record alone', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const request = requestOf(unitMs);
      const { claim } = await granted(store, key, request);
      await store.complete(claim, FULL, 20 * unitMs);

      expect(await store.releaseOwner(key, request.owner)).toBe('lost');

      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(FULL);
    });

    test('a park leaves an unknown that carries its reason and its age', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs, { lease: 30 }));
      expect(await store.park(claim, 'truncated')).toBe('ok');

      await advance(2 * unitMs);

      const result = await store.claim(key, requestOf(unitMs));
      expect(result).toMatchObject({ kind: 'unknown', reason: 'truncated', token: claim.token });
      const ageMs = result.kind === 'unknown' ? result.unknownForMs : -1;
      expect(ageMs).toBeGreaterThanOrEqual(2 * unitMs);
      expect(ageMs).toBeLessThan(20 * unitMs);
    });

    test('an unknown that is parked after its lease counts its age from the park', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await advance(7 * unitMs);

      // Until now its exchange was open: the quiet time of a retry begins here.
      expect(await store.park(claim, 'timed-out')).toBe('ok');

      const result = await store.claim(key, requestOf(unitMs));
      expect(result).toMatchObject({ kind: 'unknown', reason: 'timed-out' });
      expect(result.kind === 'unknown' ? result.unknownForMs : -1).toBeLessThan(4 * unitMs);
    });

    test('a late answer completes a parked claim', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.park(claim, 'timed-out');

      expect(await store.complete(claim, FULL, 20 * unitMs)).toBe('ok');

      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(FULL);
    });

    test('a late answer completes a dispatched claim that had lapsed', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await advance(5 * unitMs);

      expect(await store.complete(claim, FULL, 20 * unitMs)).toBe('ok');

      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(FULL);
    });

    test('a complete sent twice keeps the first response', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, 20 * unitMs);

      expect(await store.complete(claim, FULL, 20 * unitMs)).toBe('ok');

      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(FULL);
    });

    test('complete keeps the fingerprint and the policy of the claim', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(
        store,
        key,
        requestOf(unitMs, { fingerprint: 'digest-a', policyId: 'rules-a' }),
      );
      await store.complete(claim, FULL, 20 * unitMs);

      const repeat = await store.claim(
        key,
        requestOf(unitMs, { fingerprint: 'digest-b', policyId: 'rules-b' }),
      );

      expect(repeat).toMatchObject({
        kind: 'completed',
        fingerprint: 'digest-a',
        policyId: 'rules-a',
        token: claim.token,
      });
    });
  });
}
