import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type Claim, NOTE_BYTES_MAX } from '../../src/core/record.ts';
import type { Store } from '../../src/store/contract.ts';
import { FULL, granted, newRecordKey, requestOf, type StoreHarness } from './harness.ts';

async function noteOf(store: Store, recordKey: string): Promise<Uint8Array | null | undefined> {
  return (await store.inspect(recordKey))?.note;
}

/** What every note must survive, and what must end it. */
const SETTLED: readonly (readonly [
  string,
  (store: Store, claim: Claim, unitMs: number) => Promise<'ok' | 'lost'>,
])[] = [
  ['is completed', (store, claim, unitMs) => store.complete(claim, FULL, 20 * unitMs)],
  ['is released', (store, claim) => store.release(claim, null)],
  ['is released by its owner alone', (store, claim) => store.releaseOwner(claim.recordKey, claim.owner)],
  [
    'is resolved as completed',
    async (store, claim, unitMs) => {
      await store.park(claim, 'reset');
      const to = { kind: 'completed', response: FULL, retainMs: 20 * unitMs } as const;
      return store.resolve(claim.recordKey, claim.token, to);
    },
  ],
  [
    'is resolved as released',
    async (store, claim) => {
      await store.park(claim, 'reset');
      return store.resolve(claim.recordKey, claim.token, { kind: 'released', quietMs: 0 });
    },
  ],
];

export function notes(harness: () => StoreHarness): void {
  describe('the note of a claim', () => {
    test.each([
      ['bytes that are no text', Buffer.from([0, 1, 10, 13, 39, 92, 128, 255, 0])],
      ['one NUL', Buffer.from([0])],
      ['as many bytes as it may have', randomBytes(NOTE_BYTES_MAX)],
    ])('of %s is read back byte for byte', async (_name, note) => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      await granted(store, key, requestOf(unitMs, { lease: 30, note }));

      expect(Buffer.from((await noteOf(store, key)) ?? [])).toEqual(note);
      const listed = await store.list(null, { state: 'dispatched', limit: 10 });
      expect(listed.records.map((record) => Buffer.from(record.note ?? []))).toEqual([note]);
    });

    test('that came without one is null', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      await granted(store, key, requestOf(unitMs, { lease: 30 }));

      expect(await noteOf(store, key)).toBeNull();
      expect((await store.list(null, { state: null, limit: 10 })).records[0]?.note).toBeNull();
    });

    test('stays through dispatch, renewal, a claim resent, a lapse and a park', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const note = Buffer.from('note');
      const request = requestOf(unitMs, { lease: 6, state: 'claimed', note });
      const { claim } = await granted(store, key, request);
      const seen: unknown[] = [];
      const look = async (): Promise<void> => {
        seen.push(await noteOf(store, key));
      };

      await granted(store, key, { ...request, note: Buffer.from('other') });
      await look();
      await store.dispatch(claim);
      await look();
      await store.renew(claim, 2 * unitMs);
      await look();
      await advance(3 * unitMs);
      expect((await store.inspect(key))?.state).toBe('unknown');
      await look();
      await store.park(claim, 'reset');
      await look();

      expect(seen.map((found) => Buffer.from(found as Uint8Array))).toEqual(Array(5).fill(note));
    });

    test.each(SETTLED)('goes when the record %s', async (_name, settle) => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const request = requestOf(unitMs, { lease: 30, note: Buffer.from('note') });
      const { claim } = await granted(store, key, request);

      expect(await settle(store, claim, unitMs)).toBe('ok');

      expect(await noteOf(store, key)).toBeNull();
      expect((await store.list(null, { state: null, limit: 10 })).records[0]?.note).toBeNull();
    });

    test('is never that of an earlier claim of the key', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      await granted(store, key, requestOf(unitMs, { state: 'claimed', note: Buffer.from('first') }));
      await advance(3 * unitMs);

      await granted(store, key, requestOf(unitMs, { lease: 30 }));

      expect(await noteOf(store, key)).toBeNull();
    });

    test('is there after the store was opened again', async () => {
      const { store, unitMs, reopen } = harness();
      const key = newRecordKey();
      const note = randomBytes(200);
      const { claim } = await granted(store, key, requestOf(unitMs, { note }));
      await store.park(claim, 'reset');

      const after = reopen === null ? store : await reopen();

      expect(Buffer.from((await noteOf(after, key)) ?? [])).toEqual(note);
    });
  });
}
