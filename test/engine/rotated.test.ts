import { expect, it } from 'vitest';
import { recordKeysOf } from '../../src/core/record-key.ts';
import { claim } from '../../src/engine/claim.ts';
import { refuseRotated } from '../../src/engine/rotated.ts';
import { createSettler } from '../../src/engine/settler.ts';
import type { RequestContext } from '../../src/engine/types.ts';
import { type Store, StoreUnavailable } from '../../src/store/contract.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { until } from '../support/until.ts';
import { contextWith } from './context.ts';

/** Two callers with the same request under the same key, every order of their store operations. */

const OLD = Buffer.from('0123456789abcdef0123456789abcdef');
const NEW = Buffer.from('fedcba9876543210fedcba9876543210');

type Gate = (operation: string) => Promise<void>;

/** Each operation waits at the gate first. */
function gated(store: Store, gate: Gate): Store {
  const behind = <Part extends object>(part: Part): Part =>
    new Proxy(part, {
      get(target, name): unknown {
        const value: unknown = Reflect.get(target, name);
        if (name === 'cells') return behind(store.cells);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]): Promise<unknown> => {
          await gate(String(name));
          return Reflect.apply(value, target, args);
        };
      },
    });
  return behind(store);
}

type Told = { rotated: number; sent: number[] };

async function attempt(store: Store, caller: string, secrets: readonly Uint8Array[], told: Told) {
  const made = contextWith(
    {
      store,
      monotonicMs: () => 0,
      wallMs: () => 0,
      newUuid: () => 'uuid',
      newOwner: () => caller.padStart(32, '0'),
      settler: createSettler({ store, monotonicMs: () => 0, onGivenUp: () => undefined }),
      metrics: {
        rotatedCredential: () => {
          told.rotated += 1;
        },
        problem: () => undefined,
      },
      log: { credentialRotated: () => undefined, storeUnavailable: () => undefined },
    },
    (status) => told.sent.push(status),
  );
  const policy: RequestContext['policy'] = { ...made.policy, rotated: 'refuse' };
  const scope = Buffer.from(caller);
  const snapshot = {
    ...made.snapshot,
    secrets,
    config: { ...made.snapshot.config, storePolicy: { settleWaitMs: 0 } },
  } as unknown as RequestContext['snapshot'];
  const context = { ...made, policy, scope, snapshot };
  const recordKeys = recordKeysOf(secrets, policy.keyspace, scope, 'k1');
  const claimed = await claim(context, recordKeys, 'digest', Buffer.alloc(0));
  if (claimed.kind !== 'answered') throw new Error('the store is down');
  const ending = await refuseRotated(context, claimed, recordKeys, 'digest');
  return ending === null ? { kind: 'executes', claimed } : { kind: 'refused', claimed, ending };
}

/** Runs both callers; `order` says whose operation is next, then whoever is left. Returns who executed and what was open. */
async function race(
  order: readonly number[],
  secrets: readonly [readonly Uint8Array[], readonly Uint8Array[]],
  store: Store = createMemoryStore({ clock: { nowMs: () => 1000 }, bytesMax: 1e6 }),
) {
  const waiting: (((value?: undefined) => void) | null)[] = [null, null];
  const done = [false, false];
  const told: Told = { rotated: 0, sent: [] };
  const runs = ['alice', 'bob'].map((caller, index) =>
    attempt(
      gated(store, () => new Promise<void>((resolve) => (waiting[index] = resolve))),
      caller,
      secrets[index === 0 ? 0 : 1],
      told,
    ).finally(() => {
      done[index] = true;
    }),
  );
  const step = async (index: number): Promise<void> => {
    while (waiting[index] === null && done[index] !== true) await new Promise(setImmediate);
    const go = waiting[index];
    waiting[index] = null;
    go?.();
  };
  for (const index of order) await step(index);
  while (done.includes(false)) for (const index of [0, 1]) if (done[index] === false) await step(index);
  return { ended: await Promise.all(runs), told, store };
}

function orders(alice: number, bob: number): readonly (readonly number[])[] {
  if (alice === 0) return [Array.from({ length: bob }, () => 1)];
  if (bob === 0) return [Array.from({ length: alice }, () => 0)];
  return [
    ...orders(alice - 1, bob).map((rest) => [0, ...rest]),
    ...orders(alice, bob - 1).map((rest) => [1, ...rest]),
  ];
}

/** Alice was granted the key once, and gave it back. */
async function givenBack() {
  const store = createMemoryStore({ clock: { nowMs: () => 1000 }, bytesMax: 1e6 });
  const { claimed } = await attempt(store, 'alice', [OLD], { rotated: 0, sent: [] });
  if (claimed.result.kind !== 'claimed') throw new Error('not granted');
  const { recordKey, owner } = claimed;
  await store.release({ recordKey, owner, token: claimed.result.token }, null);
  return { store };
}

it('in every order exactly one executes where one of them has been there before and gave its claim back', async () => {
  for (const order of orders(4, 5)) {
    const { ended } = await race(order, [[OLD], [OLD]], (await givenBack()).store);

    expect([order, ended.map(({ kind }) => kind).toSorted()]).toEqual([order, ['executes', 'refused']]);
  }
});

it('in every order of their operations exactly one of two callers executes, and the other has given its claim back', async () => {
  // claim, read, write and one look more: what follows of an order is run out in turns.
  for (const order of orders(4, 4)) {
    const { ended, told, store } = await race(order, [[OLD], [OLD]]);

    const states = await Promise.all(
      ended.map(async ({ claimed }) => (await store.inspect(claimed.recordKey))?.state),
    );
    const kinds = ended.map(({ kind }) => kind);
    expect([order, kinds.toSorted()]).toEqual([order, ['executes', 'refused']]);
    expect(states[kinds.indexOf('refused')]).toBe('released');
    expect([told.rotated, told.sent]).toEqual([1, [409]]);
  }
});

it('in every order at most one executes while two replicas have the secrets in another order', async () => {
  for (const order of orders(6, 6)) {
    const { ended } = await race(order, [
      [OLD, NEW],
      [NEW, OLD],
    ]);

    expect([order, ended.filter(({ kind }) => kind === 'executes').length <= 1]).toEqual([order, true]);
  }
});

it('a caller whose request was given back leaves the key to another, and is then the one that is refused', async () => {
  const { store } = await givenBack();
  const told: Told = { rotated: 0, sent: [] };

  const second = await attempt(store, 'bob', [OLD], told);
  const third = await attempt(store, 'alice', [OLD], told);

  expect([second.kind, third.kind]).toEqual(['executes', 'refused']);
});

it('a store that fails after the claim is not passed by, whatever the route says of its absence', async () => {
  const store = createMemoryStore({ clock: { nowMs: () => 1000 }, bytesMax: 1e6 });
  const told: Told = { rotated: 0, sent: [] };
  const failing = gated(store, async (operation) => {
    if (operation === 'write') throw new StoreUnavailable('timeout', 'too slow');
  });

  const ended = await attempt(failing, 'alice', [OLD], told);

  expect([ended.kind, told.sent, told.rotated]).toEqual(['refused', [503], 0]);
  const { recordKey } = ended.claimed;
  await until('the claim is given back', async () =>
    (await store.inspect(recordKey))?.state === 'released' ? true : null,
  );
});
