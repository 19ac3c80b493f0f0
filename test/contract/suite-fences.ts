import { describe, expect, test } from 'vitest';
import type { Claim, RecordState } from '../../src/core/record.ts';
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
import { INTO_STATE } from './states.ts';

type Write = (store: Store, claim: Claim, unitMs: number) => Promise<string>;

/** Of every write of a holder: the states that take it, and what they are afterwards; all others refuse it. */
const WRITES: readonly (readonly [string, Write, { readonly [State in RecordState]?: RecordState }])[] = [
  ['dispatch', (store, claim) => store.dispatch(claim), { claimed: 'dispatched', dispatched: 'dispatched' }],
  [
    'renew',
    (store, claim, unitMs) => store.renew(claim, 30 * unitMs),
    { claimed: 'claimed', dispatched: 'dispatched' },
  ],
  [
    'complete',
    (store, claim, unitMs) => store.complete(claim, FULL, 20 * unitMs),
    { claimed: 'completed', dispatched: 'completed', unknown: 'completed', completed: 'completed' },
  ],
  [
    'release',
    (store, claim) => store.release(claim, null),
    { claimed: 'released', dispatched: 'released', released: 'released' },
  ],
  [
    'park',
    (store, claim) => store.park(claim, 'truncated'),
    { claimed: 'unknown', dispatched: 'unknown', unknown: 'unknown' },
  ],
  [
    'release by owner',
    (store, claim) => store.releaseOwner(claim.recordKey, claim.owner),
    { claimed: 'released', dispatched: 'released' },
  ],
];

const BY_TOKEN = WRITES.filter(([name]) => name !== 'release by owner');

/** Each comparison of a step by itself: the mutants of test/faults/fences.fault.ts die here. */
export function fences(harness: () => StoreHarness): void {
  describe('fences', () => {
    test.each(
      WRITES.flatMap(([name, write, taken]) =>
        INTO_STATE.map(([state, into]) => ({ name, write, state, into, after: taken[state] ?? null })),
      ),
    )('$name by its own holder on a $state record', async ({ write, state, into, after }) => {
      const { store, unitMs } = harness();
      const claim = await into(store, unitMs);

      expect(await write(store, claim, unitMs)).toBe(after === null ? 'lost' : 'ok');

      expect(await store.inspect(claim.recordKey)).toMatchObject({
        state: after ?? state,
        token: claim.token,
      });
    });

    test.each(
      BY_TOKEN.flatMap(([name, write]) => [
        { name, write, what: 'another owner', forge: (claim: Claim) => ({ ...claim, owner: newOwner() }) },
        {
          name,
          write,
          what: 'an earlier token',
          forge: (claim: Claim) => ({ ...claim, token: claim.token - 1 }),
        },
        {
          name,
          write,
          what: 'a later token',
          forge: (claim: Claim) => ({ ...claim, token: claim.token + 1 }),
        },
      ]),
    )('$name with $what alone wrong is lost', async ({ write, forge }) => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs, { state: 'claimed', lease: 30 }));

      expect(await write(store, forge(claim), unitMs)).toBe('lost');

      expect((await store.inspect(key))?.state).toBe('claimed');
    });

    test.each([
      ...WRITES.map(([name, write]) => ({ name, write })),
      {
        name: 'resolve',
        write: (store: Store, { recordKey, token }: Claim, unitMs: number) =>
          store.resolve(recordKey, token, { kind: 'completed', response: FULL, retainMs: 20 * unitMs }),
      },
    ])('$name does not bring an expired record back', async ({ write }) => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const request = requestOf(unitMs, { lease: 1, retain: 1, unknownRetain: 1 });
      const { claim } = await granted(store, key, request);
      await advance(3 * unitMs);

      expect(await write(store, claim, unitMs)).toBe('lost');

      expect(await store.inspect(key)).toBeNull();
    });

    test('an expired record is nothing that could be kept from being forgotten', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      await granted(store, key, requestOf(unitMs, { lease: 1, retain: 1, unknownRetain: 1 }));
      await advance(3 * unitMs);

      expect(await store.forget(key, 'settled-only')).toBe('ok');
    });

    test('an undispatched claim that lapsed can neither be renewed nor resolved', async () => {
      const { store, unitMs, advance } = harness();
      const key = newRecordKey();
      const { claim } = await granted(store, key, requestOf(unitMs, { state: 'claimed' }));
      await advance(3 * unitMs);

      expect(await store.renew(claim, 30 * unitMs)).toBe('lost');
      expect(await store.resolve(key, claim.token, { kind: 'released', quietMs: 0 })).toBe('lost');

      expect((await granted(store, key, requestOf(unitMs))).claim.token).toBeGreaterThan(claim.token);
    });

    test('fifty concurrent claims that are not dispatched yet have one winner', async () => {
      const { store, unitMs, second } = harness();
      const other = await second();
      const key = newRecordKey();

      const results = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          (i % 2 === 0 ? store : other).claim(key, requestOf(unitMs, { state: 'claimed', lease: 30 })),
        ),
      );

      expect(results.filter((result) => result.kind === 'claimed')).toHaveLength(1);
    });
  });

  describe('a claim that its owner sends again', () => {
    test.each(['claimed', 'dispatched'] as const)('while %s is the same claim', async (state) => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const request = requestOf(unitMs, { state, lease: 30 });
      const first = await granted(store, key, request);

      expect(await granted(store, key, request)).toEqual(first);

      expect((await store.inspect(key))?.state).toBe(state);
    });

    test('after it was completed changes nothing of the record', async () => {
      const { store, unitMs } = harness();
      const key = newRecordKey();
      const request = requestOf(unitMs, { lease: 30 });
      const { claim } = await granted(store, key, request);
      await store.complete(claim, FULL, 20 * unitMs);

      await store.claim(key, request);

      expect(responseOf(await store.claim(key, requestOf(unitMs)))).toEqual(FULL);
    });

    test('after it was parked, or lapsed, leaves the record unknown', async () => {
      const { store, unitMs, advance } = harness();
      const [parked, lapsed] = [newRecordKey(), newRecordKey()];
      const [long, short] = [requestOf(unitMs, { lease: 30 }), requestOf(unitMs)];
      await store.park((await granted(store, parked, long)).claim, 'reset');
      await granted(store, lapsed, short);
      await advance(3 * unitMs);

      await store.claim(parked, long);
      await store.claim(lapsed, short);

      expect((await store.claim(parked, requestOf(unitMs))).kind).toBe('unknown');
      expect((await store.claim(lapsed, requestOf(unitMs))).kind).toBe('unknown');
    });

    test('after it was released, or lapsed before dispatch, is a new claim', async () => {
      const { store, unitMs, advance } = harness();
      const [released, lapsed] = [newRecordKey(), newRecordKey()];
      const [long, short] = [requestOf(unitMs, { lease: 30 }), requestOf(unitMs, { state: 'claimed' })];
      const first = await granted(store, released, long);
      await store.release(first.claim, null);
      const second = await granted(store, lapsed, short);
      await advance(3 * unitMs);

      expect((await granted(store, released, long)).claim.token).toBeGreaterThan(first.claim.token);
      expect((await granted(store, lapsed, short)).claim.token).toBeGreaterThan(second.claim.token);
    });
  });
}
