import { describe, expect, test } from 'vitest';
import type { RecordState } from '../../src/core/record.ts';
import { type Store, StoreUnavailable } from '../../src/store/contract.ts';
import { FULL, granted, newRecordKey, requestOf, responseOf, type StoreHarness } from './harness.ts';
import { INTO_STATE } from './states.ts';

const FORGOTTEN: Readonly<Record<RecordState, 'ok' | 'refused'>> = {
  claimed: 'refused',
  dispatched: 'refused',
  unknown: 'refused',
  completed: 'ok',
  released: 'ok',
};

async function listed(store: Store, state: RecordState | null, limit: number): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let cursor: string | null = null;
  for (let pages = 0; pages < 1000; pages += 1) {
    const page: Awaited<ReturnType<Store['list']>> = await store.list(cursor, { state, limit });
    for (const record of page.records) {
      expect(record.response).toBeNull();
      found.set(record.recordKey, record.state);
    }
    if (page.cursor === null) return found;
    cursor = page.cursor;
  }
  throw new Error('the listing does not end');
}

export function administration(harness: () => StoreHarness): void {
  describe('administration', () => {
    test('resolving an unknown as completed makes it a replay', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.park(claim, 'reset');

      expect(
        await store.resolve(key, claim.token, { kind: 'completed', response: FULL, retainMs: 20 * unitMs }),
      ).toBe('ok');

      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(FULL);
    });

    test('resolving an unknown as released frees the key', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await advance(3 * unitMs);

      expect(await store.resolve(key, claim.token, { kind: 'released', quietMs: 0 })).toBe('ok');

      expect((await granted(store, key, requestOf(unitMs))).claim.token).toBeGreaterThan(claim.token);
    });

    test('an unknown is not released before it has been quiet for as long as asked', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.park(claim, 'reset');

      expect(await store.resolve(key, claim.token, { kind: 'released', quietMs: 1000 * unitMs })).toBe(
        'lost',
      );
      await advance(2 * unitMs);

      expect(await store.resolve(key, claim.token, { kind: 'released', quietMs: unitMs })).toBe('ok');
    });

    test('a holder that woke up and parked since makes the quiet time begin anew', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs, { lease: 1 }));
      await advance(4 * unitMs);
      await store.renew(claim, unitMs);
      await store.park(claim, 'reset');

      expect(await store.resolve(key, claim.token, { kind: 'released', quietMs: 3 * unitMs })).toBe('lost');
    });

    test('resolving with another token is lost', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.park(claim, 'reset');

      expect(await store.resolve(key, claim.token - 1, { kind: 'released', quietMs: 0 })).toBe('lost');

      expect((await store.inspect(key))?.state).toBe('unknown');
    });

    test.each(INTO_STATE.filter(([state]) => state !== 'unknown'))(
      'resolving a %s record is lost',
      async (state, into) => {
        const { store, unitMs } = harness();
        const claim = await into(store, unitMs);

        expect(await store.resolve(claim.recordKey, claim.token, { kind: 'released', quietMs: 0 })).toBe(
          'lost',
        );

        expect((await store.inspect(claim.recordKey))?.state).toBe(state);
      },
    );

    test('a completed record is given free again for who read its response, and for nobody after', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, 20 * unitMs);

      expect(await store.resolve(key, claim.token, { kind: 'restarted' })).toBe('ok');
      expect(await store.inspect(key)).toMatchObject({ state: 'released', response: null });
      expect(await store.resolve(key, claim.token, { kind: 'restarted' })).toBe('lost');
      // What the old holder still had to say came too late.
      expect(await store.complete(claim, FULL, 20 * unitMs)).toBe('lost');
      const anew = await granted(store, key, requestOf(unitMs));
      expect(anew.claim.token).toBeGreaterThan(claim.token);
      await store.complete(anew.claim, FULL, 20 * unitMs);
      expect(await store.resolve(key, claim.token, { kind: 'restarted' })).toBe('lost');
      expect((await store.inspect(key))?.state).toBe('completed');
    });

    test.each(INTO_STATE.filter(([state]) => state !== 'completed'))(
      'restarting a %s record is lost',
      async (state, into) => {
        const { store, unitMs } = harness();
        const claim = await into(store, unitMs);

        expect(await store.resolve(claim.recordKey, claim.token, { kind: 'restarted' })).toBe('lost');

        expect((await store.inspect(claim.recordKey))?.state).toBe(state);
      },
    );

    test('inspecting an absent key gives nothing', async () => {
      expect(await harness().store.inspect(newRecordKey())).toBeNull();
    });

    test.each(INTO_STATE)('inspect shows a %s record', async (state, into) => {
      const { store, unitMs } = harness();
      const claim = await into(store, unitMs);

      const view = await store.inspect(claim.recordKey);

      expect(view).toMatchObject({
        recordKey: claim.recordKey,
        state,
        token: claim.token,
        reason: state === 'unknown' ? 'reset' : '',
      });
      expect(view?.expiresInMs).toBeGreaterThan(0);
      expect(view?.response === null).toBe(state !== 'completed');
    });

    test.each(INTO_STATE)('the lease of a %s record shows only while it matters', async (state, into) => {
      const { store, unitMs } = harness();
      const claim = await into(store, unitMs);

      const view = await store.inspect(claim.recordKey);

      const leaseLeftMs = view?.leaseLeftMs ?? -1;
      if (state === 'claimed' || state === 'dispatched') expect(leaseLeftMs).toBeGreaterThan(10 * unitMs);
      else expect(leaseLeftMs).toBe(0);
    });

    test.each(INTO_STATE)('forgetting a %s record obeys its rule', async (state, into) => {
      const { store, unitMs } = harness();
      const claim = await into(store, unitMs);

      expect(await store.forget(claim.recordKey, 'settled-only')).toBe(FORGOTTEN[state]);

      const view = await store.inspect(claim.recordKey);
      expect(view?.state ?? 'gone').toBe(FORGOTTEN[state] === 'ok' ? 'gone' : state);
    });

    test.each(INTO_STATE)('a %s record is forgotten by force', async (_state, into) => {
      const { store, unitMs } = harness();
      const claim = await into(store, unitMs);

      expect(await store.forget(claim.recordKey, 'forced')).toBe('ok');

      expect(await store.inspect(claim.recordKey)).toBeNull();
    });

    test('forgetting a lapsed dispatched record is refused', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      await granted(store, key, requestOf(unitMs));
      await advance(3 * unitMs);

      expect(await store.forget(key, 'settled-only')).toBe('refused');
    });

    test('forgetting an absent key is ok', async () => {
      expect(await harness().store.forget(newRecordKey(), 'settled-only')).toBe('ok');
    });

    test('a listing shows every record once, in the state it is in by now', async () => {
      const { store, unitMs, advance } = harness();
      const expected = new Map<string, string>();
      for (const [state, into] of INTO_STATE) {
        for (let i = 0; i < 3; i += 1) expected.set((await into(store, unitMs)).recordKey, state);
      }
      const lapsed = newRecordKey();
      await granted(store, lapsed, requestOf(unitMs));
      await advance(3 * unitMs);
      expected.set(lapsed, 'unknown');

      expect(await listed(store, null, 4)).toEqual(expected);
    });

    test('a listing can be narrowed to one state', async () => {
      const { store, unitMs } = harness();
      const unknown = new Map<string, string>();
      for (const [state, into] of INTO_STATE) {
        for (let i = 0; i < 3; i += 1) {
          const { recordKey } = await into(store, unitMs);
          if (state === 'unknown') unknown.set(recordKey, state);
        }
      }

      expect(await listed(store, 'unknown', 2)).toEqual(unknown);
    });

    test('a listing leaves out what has expired', async () => {
      const { store, unitMs, advance } = harness();
      const { claim } = await granted(store, newRecordKey(), requestOf(unitMs));
      await store.complete(claim, FULL, unitMs);

      await advance(2 * unitMs);

      expect([...(await listed(store, null, 10)).keys()]).not.toContain(claim.recordKey);
      expect(await store.inspect(claim.recordKey)).toBeNull();
    });

    test('a sweep removes no more than it was told, and nothing that still lives', async () => {
      const { store, unitMs, advance, expiry } = harness();
      for (let i = 0; i < 5; i += 1) {
        const { claim } = await granted(store, newRecordKey(), requestOf(unitMs));
        await store.complete(claim, FULL, unitMs);
      }
      const kept = newRecordKey();
      await granted(store, kept, requestOf(unitMs, { lease: 1 }));
      await advance(3 * unitMs);

      const removed = [
        await store.sweep(2),
        await store.sweep(2),
        await store.sweep(2),
        await store.sweep(2),
      ];

      expect(removed).toEqual(expiry === 'by-sweep' ? [2, 2, 1, 0] : [0, 0, 0, 0]);
      expect((await store.inspect(kept))?.state).toBe('unknown');
    });

    test('a record claimed anew after its expiry is not swept', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs));
      await store.complete(claim, FULL, unitMs);
      await advance(2 * unitMs);
      await granted(store, key, requestOf(unitMs, { lease: 30 }));

      await store.sweep(10);

      expect((await store.inspect(key))?.state).toBe('dispatched');
    });

    test('the store counts its records where it can', async () => {
      const { store, unitMs } = harness();
      for (let i = 0; i < 3; i += 1) await granted(store, newRecordKey(), requestOf(unitMs, { lease: 30 }));

      const { records, bytes } = await store.stats();

      expect(records ?? 3).toBeGreaterThanOrEqual(3);
      expect(bytes ?? 1).toBeGreaterThan(0);
    });

    test('a healthy store answers a ping', async () => {
      await expect(harness().store.ping()).resolves.toBeUndefined();
    });

    test('a closed store is unavailable', async () => {
      const { store, unitMs, second } = harness();
      // Where there is one connection only, it is this one.
      const other = await second();
      const closing = other === store ? store : other;
      await closing.close();

      await expect(closing.claim(newRecordKey(), requestOf(unitMs))).rejects.toBeInstanceOf(StoreUnavailable);
      await expect(closing.ping()).rejects.toBeInstanceOf(StoreUnavailable);
    });
  });
}
