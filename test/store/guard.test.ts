import { describe, expect, test } from 'vitest';
import { type Store, StoreUnavailable, type StoreUnavailableReason } from '../../src/store/contract.ts';
import { guardStore } from '../../src/store/guard.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { newRecordKey, requestOf } from '../contract/harness.ts';
import { createManualTime, type ManualTime } from './manual-time.ts';

const DEADLINE_MS = 1000;

type Observed = readonly [operation: string, result: string, seconds: number];

type Scene = {
  readonly time: ManualTime;
  readonly store: Store;
  readonly observed: Observed[];
  readonly defects: unknown[];
  /** Called in place of the store's claim and ping while it is set. */
  fault: (() => Promise<never>) | null;
  asked: number;
};

function scene(): Scene {
  const time = createManualTime();
  const observed: Observed[] = [];
  const defects: unknown[] = [];
  const inner = createMemoryStore({ clock: { nowMs: time.nowMs }, bytesMax: 10_000_000 });
  const faulty: Store = Object.create(inner, {
    claim: {
      value: (...args: Parameters<Store['claim']>) => {
        scene.asked += 1;
        return scene.fault === null ? inner.claim(...args) : scene.fault();
      },
    },
    ping: { value: () => (scene.fault === null ? inner.ping() : scene.fault()) },
    settled: { value: (...args: Parameters<Store['settled']>) => inner.settled(...args) },
    close: { value: () => inner.close() },
    inspect: { value: (...args: Parameters<Store['inspect']>) => inner.inspect(...args) },
  });
  const scene: Scene = {
    time,
    observed,
    defects,
    fault: null,
    asked: 0,
    store: guardStore(faulty, {
      deadlineMs: DEADLINE_MS,
      monotonicMs: time.nowMs,
      ticker: time.ticker,
      observe: (operation, result, seconds) => observed.push([operation, result, seconds]),
      onDefect: (_operation, error) => defects.push(error),
      breaker: { failures: 3, windowMs: 10_000, openMs: 500 },
    }),
  };
  return scene;
}

function claimAny(store: Store): Promise<unknown> {
  return store.claim(newRecordKey(), requestOf(1000));
}

function failing(reason: StoreUnavailableReason): () => Promise<never> {
  return () => Promise.reject(new StoreUnavailable(reason, 'planned'));
}

async function failTimes(scene: Scene, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await claimAny(scene.store).catch(() => undefined);
}

describe('the guard of a store', () => {
  test('passes results on and reports them with their time', async () => {
    const { store, observed } = scene();

    expect(await claimAny(store)).toMatchObject({ kind: 'claimed' });

    expect(observed).toEqual([['claim', 'ok', 0]]);
  });

  test('gives an operation up at its deadline', async () => {
    const current = scene();
    current.fault = () => new Promise(() => undefined);
    const rejected = expect(claimAny(current.store)).rejects.toMatchObject({
      name: 'StoreUnavailable',
      reason: 'timeout',
    });

    await current.time.pass(DEADLINE_MS * 1.2);

    await rejected;
    expect(current.observed.map(([operation, result]) => [operation, result])).toEqual([
      ['claim', 'timeout'],
    ]);
    expect(current.observed[0]?.[2]).toBeLessThanOrEqual(1.2);
  });

  test('does not give an operation up before its deadline', async () => {
    const current = scene();
    const answer = Promise.withResolvers<never>();
    current.fault = () => answer.promise;
    const rejected = expect(claimAny(current.store)).rejects.toMatchObject({ reason: 'readonly' });
    await current.time.pass(DEADLINE_MS - 1);

    answer.reject(new StoreUnavailable('readonly', 'at last'));

    await rejected;
  });

  test('an answer after the deadline changes nothing', async () => {
    const current = scene();
    const answer = Promise.withResolvers<never>();
    current.fault = () => answer.promise;
    const rejected = expect(claimAny(current.store)).rejects.toMatchObject({ reason: 'timeout' });
    await current.time.pass(DEADLINE_MS * 1.2);
    await rejected;

    answer.reject(new Error('late'));
    await current.time.pass(1);

    expect(current.observed).toHaveLength(1);
    expect(current.defects).toEqual([]);
  });

  test.each([
    ['rejection', () => Promise.reject(new TypeError('defect'))],
    [
      'throw',
      () => {
        throw new TypeError('defect');
      },
    ],
  ] as const)('an unexpected %s becomes unavailable, with its cause', async (_name, fault) => {
    const current = scene();
    current.fault = fault;

    await expect(claimAny(current.store)).rejects.toMatchObject({
      name: 'StoreUnavailable',
      reason: 'error',
      cause: { message: 'defect' },
    });

    expect(current.defects).toHaveLength(1);
  });

  test('leaves no ticker behind when nothing is pending', async () => {
    const { store, time } = scene();
    await claimAny(store);

    await time.pass(DEADLINE_MS);

    expect(time.running()).toBe(0);
  });

  test('does not put waiting under the deadline', async () => {
    const { store, time } = scene();
    const abort = new AbortController();
    let ended = 'waiting';
    const waiting = store.settled(newRecordKey(), abort.signal).then(() => {
      ended = 'ended';
    });

    await time.pass(3 * DEADLINE_MS);

    expect(ended).toBe('waiting');
    abort.abort();
    await waiting;
  });
});

describe('the breaker of a store', () => {
  test('makes claims fail at once after failures in a row', async () => {
    const current = scene();
    current.fault = failing('connection');
    await failTimes(current, 3);

    await expect(claimAny(current.store)).rejects.toMatchObject({ reason: 'connection' });

    expect(current.asked).toBe(3);
    expect(current.observed.at(-1)).toEqual(['claim', 'connection', 0]);
  });

  test.each(['full', 'disk_full', 'corrupt', 'error', 'out_of_memory', 'readonly'] as const)(
    'stays closed for a store that answers %s: it may have a replay to give',
    async (reason) => {
      const current = scene();
      current.fault = failing(reason);

      await failTimes(current, 10);

      expect(current.asked).toBe(10);
    },
  );

  test('is reset by an answer in between', async () => {
    const current = scene();
    current.fault = failing('timeout');
    await failTimes(current, 2);
    current.fault = null;
    await claimAny(current.store);
    current.fault = failing('timeout');

    await failTimes(current, 2);

    expect(current.asked).toBe(5);
  });

  test('forgets failures that lie further apart than its window', async () => {
    const current = scene();
    current.fault = failing('connection');
    await failTimes(current, 2);
    await current.time.pass(10_001);

    await failTimes(current, 2);

    expect(current.asked).toBe(4);
  });

  test('lets one claim through when its time is over, and opens again if that fails', async () => {
    const current = scene();
    current.fault = failing('connection');
    await failTimes(current, 3);
    await current.time.pass(501);

    await Promise.allSettled([claimAny(current.store), claimAny(current.store), claimAny(current.store)]);
    await failTimes(current, 5);

    expect(current.asked).toBe(4);
  });

  test('closes when the claim it let through is answered', async () => {
    const current = scene();
    current.fault = failing('connection');
    await failTimes(current, 3);
    await current.time.pass(501);
    current.fault = null;

    await claimAny(current.store);

    await expect(claimAny(current.store)).resolves.toMatchObject({ kind: 'claimed' });
  });

  test('never holds back a ping, which closes it when it is answered', async () => {
    const current = scene();
    current.fault = failing('connection');
    await failTimes(current, 3);
    current.fault = null;

    await current.store.ping();

    await expect(claimAny(current.store)).resolves.toMatchObject({ kind: 'claimed' });
  });
});

describe('a store that takes operations in and does not answer them', () => {
  test('is handed a bounded number: a claim more is refused at once, and nothing was sent', async () => {
    const time = createManualTime();
    const inner = createMemoryStore({ clock: { nowMs: time.nowMs }, bytesMax: 10_000_000 });
    let asked = 0;
    const answers: (() => void)[] = [];
    const held = async (): Promise<void> => {
      asked += 1;
      await new Promise<void>((resolve) => answers.push(resolve));
    };
    const slow: Store = Object.create(inner, {
      claim: {
        value: (...args: Parameters<Store['claim']>) => held().then(() => inner.claim(...args)),
      },
      renew: { value: (...args: Parameters<Store['renew']>) => held().then(() => inner.renew(...args)) },
    });
    const store = guardStore(slow, {
      deadlineMs: DEADLINE_MS,
      monotonicMs: time.nowMs,
      ticker: time.ticker,
      underWayMax: 10,
      breaker: { failures: 1_000, windowMs: 10_000, openMs: 500 },
    });
    const settle = (): Promise<unknown> =>
      store.renew({ recordKey: newRecordKey(), owner: 'o', token: 1 }, 1_000).catch((error) => error);
    const claims = Array.from({ length: 12 }, () => claimAny(store).catch((error: unknown) => error));

    const refused = await claims[11];
    const askedByClaims = asked;
    const settling = Array.from({ length: 40 }, settle);
    const refusedToSettle = await settling[39];
    const askedInAll = asked;
    for (const answer of answers.splice(0)) answer();
    await Promise.all([...claims, ...settling]);
    const after = claimAny(store);
    for (const answer of answers) answer();

    expect(refused).toMatchObject({ reason: 'busy', sent: 'no' });
    expect(refusedToSettle).toMatchObject({ reason: 'busy', sent: 'no' });
    expect([askedByClaims, askedInAll]).toEqual([10, 40]);
    expect(await after).toMatchObject({ kind: 'claimed' });
  });
});
