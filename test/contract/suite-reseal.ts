import { describe, expect, test } from 'vitest';
import type { StoredResponse } from '../../src/core/record.ts';
import { FULL, granted, newRecordKey, requestOf, responseOf, type StoreHarness } from './harness.ts';
import { INTO_STATE } from './states.ts';

const OTHER_FORM: StoredResponse = { ...FULL, body: Buffer.from('the same under a newer key, and longer') };

export function resealing(harness: () => StoreHarness): void {
  describe('resealing', () => {
    test.each(INTO_STATE.filter(([state]) => state !== 'completed'))(
      'a %s record takes no other form of a response',
      async (state, into) => {
        const { store, unitMs } = harness();
        const claim = await into(store, unitMs);

        expect(await store.reseal(claim.recordKey, claim.token, OTHER_FORM)).toBe('lost');

        expect(await store.inspect(claim.recordKey)).toMatchObject({ state, response: null });
      },
    );

    test.each([
      ['an earlier', -1],
      ['a later', 1],
    ])('with %s token it is lost and the response stays', async (_which, difference) => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, 20 * unitMs);

      expect(await store.reseal(key, claim.token + difference, OTHER_FORM)).toBe('lost');

      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(FULL);
    });

    test('with the token of an execution that was forgotten it is lost, and the new response stays', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const first = await granted(store, key, requestOf(unitMs));
      await store.complete(first.claim, OTHER_FORM, 20 * unitMs);
      await store.forget(key, 'settled-only');
      const second = await granted(store, key, requestOf(unitMs));
      await store.complete(second.claim, FULL, 20 * unitMs);

      expect(await store.reseal(key, first.claim.token, OTHER_FORM)).toBe('lost');

      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(FULL);
    });

    test('an absent key stays absent', async () => {
      const { store } = harness();
      const key = newRecordKey();

      expect(await store.reseal(key, 1_795_000_000_000_000, OTHER_FORM)).toBe('lost');

      expect(await store.inspect(key)).toBeNull();
    });

    test('an expired record is not brought back', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, unitMs);
      await advance(2 * unitMs);

      expect(await store.reseal(key, claim.token, OTHER_FORM)).toBe('lost');

      expect(await store.inspect(key)).toBeNull();
    });

    test('the other form is what every repeat gets, and nothing else of the record changes', async () => {
      const { store, unitMs, second } = harness();
      const other = await second();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, 20 * unitMs);
      const before = await store.inspect(key);

      expect(await store.reseal(key, claim.token, OTHER_FORM)).toBe('ok');

      const after = await other.inspect(key);
      expect({ ...after, response: null }).toEqual({
        ...before,
        response: null,
        expiresInMs: expect.any(Number),
      });
      expect(responseOf(await other.claim(key, requestOf(unitMs)))).toEqual(OTHER_FORM);
    });

    test('it lengthens no life: the record is gone when it would have been', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, 3 * unitMs);
      await advance(unitMs);
      const before = await store.inspect(key);

      await store.reseal(key, claim.token, OTHER_FORM);

      const after = await store.inspect(key);
      expect(after?.expiresInMs).toBeLessThanOrEqual(before?.expiresInMs ?? 0);
      await advance(3 * unitMs);
      expect(await store.inspect(key)).toBeNull();
    });

    test('it shortens no life either', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, 20 * unitMs);

      await store.reseal(key, claim.token, OTHER_FORM);

      expect((await store.inspect(key))?.expiresInMs).toBeGreaterThan(10 * unitMs);
    });

    test('sent twice it is ok twice', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, 20 * unitMs);

      expect(await store.reseal(key, claim.token, OTHER_FORM)).toBe('ok');
      expect(await store.reseal(key, claim.token, OTHER_FORM)).toBe('ok');

      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(OTHER_FORM);
    });

    test('a completion sent again afterwards is ok and brings the old form not back', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, 20 * unitMs);
      await store.reseal(key, claim.token, OTHER_FORM);

      expect(await store.complete(claim, FULL, 20 * unitMs)).toBe('ok');

      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(OTHER_FORM);
    });

    test('a record that was resolved can be resealed as well', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.park(claim, 'reset');
      await store.resolve(key, claim.token, { kind: 'completed', response: FULL, retainMs: 20 * unitMs });

      expect(await store.reseal(key, claim.token, OTHER_FORM)).toBe('ok');

      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(OTHER_FORM);
    });

    test('it outlives the store being opened again', async ({ skip }) => {
      const { store, unitMs, reopen } = harness();
      if (reopen === null) return skip('its records do not outlive it');
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, 20 * unitMs);
      await store.reseal(key, claim.token, OTHER_FORM);

      const again = await reopen();

      expect(responseOf(await again.claim(key, requestOf(unitMs)))).toEqual(OTHER_FORM);
    });
  });
}
