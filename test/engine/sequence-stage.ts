import type fc from 'fast-check';
import {
  bump,
  decodeProducer,
  encodeProducer,
  NEW_PRODUCER,
  type UnknownProducer,
} from '../../src/core/producer.ts';
import type { RecordKey } from '../../src/core/record.ts';
import type { ClaimAnswer } from '../../src/engine/claim.ts';
import { handleSequence, producerCells } from '../../src/engine/sequence.ts';
import type { Ending, RequestContext } from '../../src/engine/types.ts';
import type { Store } from '../../src/store/contract.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { contextWith, defaultPolicy } from './context.ts';

/** One producer before a store in memory; the backend is a function, reached only with a claim that was granted. */

const ID = '0123456789abcdef0123456789abcdef';
const SCOPE = Buffer.from('scope');
const SECRET = Buffer.from('secret');
export const [CELL = ''] = producerCells([SECRET], SCOPE, ID);
/** Far longer than the records. */
export const LIFE_MS = 10_000_000_000;

export const POLICY = {
  ...defaultPolicy(),
  inFlight: { kind: 'reject' } as const,
  sequence: { presence: 'required', producerRetainMs: LIFE_MS, unknownProducer: 'refuse' } as const,
};

type Clock = { nowMs: number };

export function memory(clock: Clock): Store {
  return createMemoryStore({ bytesMax: 1_000_000, clock: { nowMs: () => clock.nowMs } });
}

/** The store with some of its operations in other words. */
export function over(store: Store, operations: Partial<Store>): Store {
  return new Proxy(store, {
    get: (_, name) => {
      const own = Reflect.get(operations, name);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(store, name);
      return typeof value === 'function' ? value.bind(store) : value;
    },
  });
}

let owners = 0;

function contextOf(
  store: Store,
  unknownProducer: UnknownProducer,
  sent: (status: number, body: string) => void = () => undefined,
): RequestContext {
  const context = contextWith(
    {
      store,
      metrics: { problem: () => undefined, sequenced: () => undefined },
      log: { storeUnavailable: () => undefined },
      settler: { releaseOwner: (key: RecordKey, owner: string) => void store.releaseOwner(key, owner) },
      newUuid: () => 'uuid',
      newOwner: () => String(++owners).padStart(32, '0'),
      wallMs: () => 0,
      monotonicMs: () => 0,
    },
    sent,
  );
  return {
    ...context,
    policy: { ...POLICY, sequence: { ...POLICY.sequence, unknownProducer } },
    principal: null,
    snapshot: { ...context.snapshot, secrets: [SECRET] },
  } as RequestContext;
}

const ENDING: Ending = {
  outcome: 'executed',
  status: 201,
  problem: null,
  context: null,
  upstreamMs: 0,
  bytesOut: 0,
  attempt: null,
};

type Execute = (claimed: ClaimAnswer, token: number) => Promise<void>;

/** `execute` stands for the backend: reached only with a claim that was granted. */
export async function send(
  store: Store,
  epoch: number,
  sequence: number,
  execute: Execute,
  unknownProducer: UnknownProducer = 'refuse',
): Promise<{ readonly did: string }> {
  let did = '';
  const context = contextOf(store, unknownProducer, (_, body) => {
    did = String(JSON.parse(body).code);
  });
  const body = { bytes: () => Buffer.from(`${sequence}`), drop: () => undefined, handOver: () => body };
  const ids = { producerId: ID, epoch, sequence };
  const planned = { kind: 'sequenced', policy: POLICY, requestClass: 'unsafe', ids, scope: SCOPE } as const;
  await handleSequence(context, planned, body, async (_, claimed) => {
    did = claimed.result.kind;
    if (claimed.result.kind === 'claimed') await execute(claimed, claimed.result.token);
    return ENDING;
  });
  return { did };
}

export function claimOf({ recordKey, owner }: ClaimAnswer, token: number) {
  return { recordKey, owner, token };
}

const RESPONSE = { kind: 'unstored', status: 201, receivedAtMs: 0 } as const;

export function completing(store: Store): Execute {
  return async (claimed, token) => {
    await store.complete(claimOf(claimed, token), RESPONSE, POLICY.retainMs);
  };
}

export async function issue(store: Store): Promise<void> {
  const value = encodeProducer(NEW_PRODUCER);
  await store.cells.write(CELL, { expectedVersion: 0, value, lifeMs: LIFE_MS, wakes: 'nobody' });
}

export async function newEpoch(store: Store): Promise<void> {
  for (;;) {
    const cell = await store.cells.read(CELL);
    const state = decodeProducer(cell.value);
    const bumped = state === null ? null : bump(state, null, cell.nowMs);
    if (bumped?.kind !== 'bumped') throw new Error('the producer is gone');
    const written = await store.cells.write(CELL, {
      expectedVersion: cell.version,
      value: encodeProducer(bumped.state),
      lifeMs: LIFE_MS,
      wakes: 'waiters',
    });
    if (written.kind === 'written') return;
  }
}

/** Every operation of a turn happens when the scheduler says so. */
export function scheduled(store: Store, scheduler: fc.Scheduler): Store {
  const later = async <T>(label: string, run: () => Promise<T>): Promise<T> => {
    await scheduler.schedule(Promise.resolve(), label);
    return await run();
  };
  return over(store, {
    claim: (key, request) => later('claim', () => store.claim(key, request)),
    inspect: (key) => later('inspect', () => store.inspect(key)),
    release: (claim, after) => later('release', () => store.release(claim, after)),
    complete: (claim, response, retainMs) =>
      later('complete', () => store.complete(claim, response, retainMs)),
    cells: {
      ...store.cells,
      read: (key) => later('read', () => store.cells.read(key)),
      write: (key, write) => later('write', () => store.cells.write(key, write)),
    },
  });
}
