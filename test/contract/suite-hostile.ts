import { describe, expect, test } from 'vitest';
import type { Claim } from '../../src/core/record.ts';
import type { Store } from '../../src/store/contract.ts';
import {
  FULL,
  granted,
  newOwner,
  newRecordKey,
  requestOf,
  responseOf,
  type StoreHarness,
} from './harness.ts';

/** Every late write of a holder that has been overtaken. */
const LATE_WRITES: readonly (readonly [string, (store: Store, claim: Claim) => Promise<string>])[] = [
  ['dispatch', (store, claim) => store.dispatch(claim)],
  ['renew', (store, claim) => store.renew(claim, 60_000)],
  ['complete', (store, claim) => store.complete(claim, FULL, 60_000)],
  ['release', (store, claim) => store.release(claim, null)],
  ['park', (store, claim) => store.park(claim, 'reset')],
  ['release by owner', (store, claim) => store.releaseOwner(claim.recordKey, claim.owner)],
];

export function hostileHolders(harness: () => StoreHarness): void {
  describe('hostile holders', () => {
    test('a third contender after a rejected second is rejected too', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));

      const second = await store.claim(key, requestOf(unitMs));
      const third = await store.claim(key, requestOf(unitMs));

      expect([second.kind, third.kind]).toEqual(['inFlight', 'inFlight']);
      expect(await store.complete(claim, FULL, 20 * unitMs)).toBe('ok');
      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(FULL);
    });

    test.each(LATE_WRITES)('a holder overtaken after a lapse cannot %s', async (_name, lateWrite) => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const stale = await granted(store, key, requestOf(unitMs, { state: 'claimed' }));
      await advance(3 * unitMs);
      const fresh = await granted(store, key, requestOf(unitMs, { lease: 30 }));

      expect(await lateWrite(store, stale.claim)).toBe('lost');

      const view = await store.inspect(key);
      expect([view?.state, view?.token]).toEqual(['dispatched', fresh.claim.token]);
    });

    test.each(LATE_WRITES)('a holder whose key an operator re-opened cannot %s', async (_name, lateWrite) => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const stale = await granted(store, key, requestOf(unitMs));
      await advance(3 * unitMs);
      expect(await store.resolve(key, stale.claim.token, { kind: 'released', quietMs: 0 })).toBe('ok');
      const fresh = await granted(store, key, requestOf(unitMs, { lease: 30 }));

      expect(await lateWrite(store, stale.claim)).toBe('lost');

      const view = await store.inspect(key);
      expect([view?.state, view?.token]).toEqual(['dispatched', fresh.claim.token]);
    });

    test('a late answer is refused once an operator re-opened the key, before anybody claims it again', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.park(claim, 'timed-out');
      await store.resolve(key, claim.token, { kind: 'released', quietMs: 0 });

      expect(await store.complete(claim, FULL, 20 * unitMs)).toBe('lost');

      expect((await store.claim(key, requestOf(unitMs))).kind).toBe('claimed');
    });

    test('a late answer does not replace the response that an operator gave', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.park(claim, 'timed-out');
      await store.resolve(key, claim.token, { kind: 'completed', response: FULL, retainMs: 20 * unitMs });

      expect(await store.complete(claim, { ...FULL, status: 500 }, 20 * unitMs)).toBe('lost');

      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(FULL);
    });

    test.each(LATE_WRITES)('a forged token cannot %s', async (_name, lateWrite) => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs, { lease: 30 }));

      expect(await lateWrite(store, { ...claim, token: claim.token + 1, owner: newOwner() })).toBe('lost');

      expect((await store.inspect(key))?.state).toBe('dispatched');
    });

    test('a right token with a wrong owner completes nothing', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs, { lease: 30 }));

      expect(await store.complete({ ...claim, owner: newOwner() }, FULL, 20 * unitMs)).toBe('lost');

      expect((await store.inspect(key))?.state).toBe('dispatched');
    });

    test('a right owner with a wrong token completes nothing', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs, { lease: 30 }));

      expect(await store.complete({ ...claim, token: claim.token - 1 }, FULL, 20 * unitMs)).toBe('lost');

      expect((await store.inspect(key))?.state).toBe('dispatched');
    });

    test.each(LATE_WRITES)('%s on an absent key is lost and creates nothing', async (_name, lateWrite) => {
      const { store } = harness();
      const key = newRecordKey();

      expect(await lateWrite(store, { recordKey: key, owner: newOwner(), token: 1 })).toBe('lost');

      expect(await store.inspect(key)).toBeNull();
    });

    test('two claims of one process are two claims', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();

      const results = await Promise.all([
        store.claim(key, requestOf(unitMs)),
        store.claim(key, requestOf(unitMs)),
      ]);

      expect(results.map((result) => result.kind).sort()).toEqual(['claimed', 'inFlight']);
    });

    test('fifty concurrent claims over two connections have one winner', async () => {
      const { store, unitMs, second } = harness();
      const other = await second();
      const key = newRecordKey();

      const results = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          (i % 2 === 0 ? store : other).claim(key, requestOf(unitMs, { lease: 30 })),
        ),
      );

      const kinds = results.map((result) => result.kind);
      expect(kinds.filter((kind) => kind === 'claimed')).toHaveLength(1);
      expect(kinds.filter((kind) => kind === 'inFlight')).toHaveLength(49);
    });

    test('fifty claims of a lapsed undispatched claim have one winner', async () => {
      const { store, unitMs, advance, second } = harness();
      const other = await second();
      const key = newRecordKey();
      await granted(store, key, requestOf(unitMs, { state: 'claimed' }));
      await advance(3 * unitMs);

      const results = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          (i % 2 === 0 ? store : other).claim(key, requestOf(unitMs, { lease: 30 })),
        ),
      );

      expect(results.filter((result) => result.kind === 'claimed')).toHaveLength(1);
    });

    test('a dead holder becomes unknown, never absent', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));

      await advance(7 * unitMs);

      const result = await store.claim(key, requestOf(unitMs));
      expect(result).toMatchObject({
        kind: 'unknown',
        token: claim.token,
        fingerprint: 'fingerprint-1',
        policyId: 'policy-1',
      });
      expect(result.kind === 'unknown' ? result.unknownForMs : 0).toBeGreaterThanOrEqual(4 * unitMs);
      expect((await store.inspect(key))?.state).toBe('unknown');
    });

    test('a holder that died between the claim and its mark of dispatch gives the key back', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const first = await granted(store, key, requestOf(unitMs, { state: 'claimed' }));

      await advance(3 * unitMs);

      const next = await granted(store, key, requestOf(unitMs));
      expect(next.claim.token).toBeGreaterThan(first.claim.token);
      expect(next.attempt).toBe(2);
    });

    test('a holder that died after its mark of dispatch leaves an unknown', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs, { state: 'claimed' }));
      expect(await store.dispatch(claim)).toBe('ok');

      await advance(3 * unitMs);

      expect((await store.claim(key, requestOf(unitMs))).kind).toBe('unknown');
    });

    test('a dispatch after the lapse is lost', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs, { state: 'claimed' }));

      await advance(3 * unitMs);

      expect(await store.dispatch(claim)).toBe('lost');
    });
  });
}
