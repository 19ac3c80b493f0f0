import type { Claim, RecordState } from '../../src/core/record.ts';
import type { Store } from '../../src/store/contract.ts';
import { FULL, granted, newRecordKey, requestOf } from './harness.ts';

/** Brings a fresh key into each state a record can be in. */
export const INTO_STATE: readonly (readonly [
  RecordState,
  (store: Store, unitMs: number) => Promise<Claim>,
])[] = [
  [
    'claimed',
    async (store, unitMs) =>
      (await granted(store, newRecordKey(), requestOf(unitMs, { state: 'claimed', lease: 30 }))).claim,
  ],
  [
    'dispatched',
    async (store, unitMs) => (await granted(store, newRecordKey(), requestOf(unitMs, { lease: 30 }))).claim,
  ],
  [
    'completed',
    async (store, unitMs) => {
      const { claim } = await granted(store, newRecordKey(), requestOf(unitMs));
      await store.complete(claim, FULL, 20 * unitMs);
      return claim;
    },
  ],
  [
    'unknown',
    async (store, unitMs) => {
      const { claim } = await granted(store, newRecordKey(), requestOf(unitMs));
      await store.park(claim, 'reset');
      return claim;
    },
  ],
  [
    'released',
    async (store, unitMs) => {
      const { claim } = await granted(store, newRecordKey(), requestOf(unitMs));
      await store.release(claim, null);
      return claim;
    },
  ],
];
