import { expect, it } from 'vitest';
import type { ClaimRequest, StoredResponse } from '../../src/core/record.ts';
import { join } from '../../src/engine/join.ts';
import { createWaiters } from '../../src/engine/waiters.ts';
import type { Store } from '../../src/store/contract.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { contextWith } from './context.ts';

/** What a joiner is told about the execution that it joined, and about no other. */

const KEY = 'record key';
const DONE: StoredResponse = { kind: 'unstored', status: 200, receivedAtMs: 0 };

function claimRequest(owner: string): ClaimRequest {
  return {
    owner,
    fingerprint: 'digest',
    policyId: 'policy',
    leaseMs: 15_000,
    retainMs: 60_000,
    unknownRetainMs: 60_000,
    state: 'dispatched',
    note: null,
  };
}

async function claimed(store: Store, owner: string) {
  const result = await store.claim(KEY, claimRequest(owner));
  if (result.kind !== 'claimed') throw new Error(`not claimed: ${result.kind}`);
  return { recordKey: KEY, owner, token: result.token };
}

type Case = {
  readonly what: string;
  readonly code: string;
  readonly executed: string;
  readonly settle: (store: Store, claim: Awaited<ReturnType<typeof claimed>>) => Promise<unknown>;
};

const CASES: readonly Case[] = [
  {
    what: 'was released',
    code: 'released',
    executed: 'no',
    settle: (store, claim) => store.release(claim, null),
  },
  {
    what: 'was parked',
    code: 'outcome-unknown',
    executed: 'unknown',
    settle: (store, claim) => store.park(claim, 'reset'),
  },
  {
    what: 'completed without a body kept',
    code: 'response-not-stored',
    executed: 'yes',
    settle: (store, claim) => store.complete(claim, DONE, 60_000),
  },
  {
    what: 'is gone with its record',
    code: 'in-flight',
    executed: 'unknown',
    settle: (store) => store.forget(KEY, 'forced'),
  },
  {
    what: 'was followed by another claim in flight',
    code: 'in-flight',
    executed: 'unknown',
    settle: async (store, claim) => {
      await store.release(claim, null);
      await claimed(store, 'second');
    },
  },
  {
    what: 'was followed by another claim that was released',
    code: 'in-flight',
    executed: 'unknown',
    settle: async (store, claim) => {
      await store.release(claim, null);
      await store.release(await claimed(store, 'second'), null);
    },
  },
  {
    what: 'was followed by another claim that completed',
    code: 'in-flight',
    executed: 'unknown',
    settle: async (store, claim) => {
      await store.release(claim, null);
      await store.complete(await claimed(store, 'second'), DONE, 60_000);
    },
  },
];

it.for(CASES)('a joiner whose execution $what is told $code', async ({ code, executed, settle }) => {
  const store = createMemoryStore({ clock: { nowMs: () => 1_000_000 }, bytesMax: 1_000_000 });
  const claim = await claimed(store, 'first');
  const answers: unknown[] = [];
  const context = contextWith(
    {
      store,
      waiters: createWaiters(100, () => 'none'),
      monotonicMs: () => 0,
      wallMs: () => 0,
      newUuid: () => '00000000-0000-4000-8000-000000000000',
      metrics: { problem: () => undefined },
    },
    (_status, body) => answers.push(JSON.parse(body)),
  );

  await settle(store, claim);
  await join(context, KEY, { kind: 'join', token: claim.token, waitMs: 2_000, waitersMax: 10 });
  await store.close();

  expect(answers).toMatchObject([{ code, executed }]);
});
