import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readNote, writeNote } from '../../src/engine/note.ts';
import { createReconcileSweeper, type ReconcileSweeper } from '../../src/engine/reconcile-sweeper.ts';
import { granted, newRecordKey, requestOf } from '../contract/harness.ts';
import {
  json,
  LEASE_MS,
  PROBED,
  policyWith,
  QUIET_MS,
  type ReconcileStage,
  reconcileStage,
  SECRET,
} from './reconcile-stage.ts';

const DONE = { key: 'k1', state: 'done' };
const stages: ReconcileStage[] = [];
afterEach(async () => {
  for (const stage of stages.splice(0)) await stage.close();
});

async function open(reconcile: object = PROBED): Promise<ReconcileStage> {
  const stage = await reconcileStage(reconcile);
  stages.push(stage);
  return stage;
}

describe('what a probe asks with', () => {
  const CAPTURING = {
    ...PROBED,
    request: { path: '/charges?key={key}&of={customer}' },
    capture: { customer: { json: '/customer' } },
  };

  test('was captured from the first request, whatever a repeat carries', async () => {
    const stage = await open(CAPTURING);
    const claim = await stage.dispatched({ key: 'k1', customer: 'first' });
    await stage.store.park(claim, 'reset');

    await stage.reconciler.settle(stage.question(claim, { repeat: { key: 'k1', rawHeaders: [] } }));

    expect(stage.probes[0]?.url).toBe('/charges?key=k1&of=first');
  });

  test('is not made up where a value was not captured', async () => {
    const stage = await open(CAPTURING);
    const claim = await stage.dispatched();
    await stage.store.park(claim, 'reset');

    expect(await stage.reconciler.settle(stage.question(claim))).toBe('unsure');

    expect([stage.probes.length, stage.verdicts]).toEqual([0, ['not-asked']]);
  });

  test('is the key alone where a record has no note that opens', async () => {
    const stage = await open();
    const { claim } = await granted(stage.store, newRecordKey(), requestOf(1000, { lease: 1 }));
    await stage.store.park(claim, 'reset');
    stage.answer(json(200, DONE));

    expect(await stage.reconciler.settle(stage.question(claim))).toBe('unsure');
    const repeat = { key: 'k1', rawHeaders: [] };
    stage.advance(1000);
    expect(await stage.reconciler.settle(stage.question(claim, { repeat }))).toBe('changed');
  });
});

describe('a note', () => {
  const note = {
    route: 'r',
    values: new Map([
      ['key', 'the-clients-key'],
      ['a', 'ü'],
    ]),
  };

  test('opens under its secret, or the next one, for its record and fingerprint only', () => {
    const sealed = writeNote(SECRET, 'record', 'print', note);
    const next = Buffer.alloc(32, 8);

    expect(Buffer.from(sealed ?? []).includes('the-clients-key')).toBe(false);
    expect(readNote([next, SECRET], 'record', 'print', sealed)).toEqual(note);
    expect(readNote([next], 'record', 'print', sealed)).toBeNull();
    expect(readNote([SECRET], 'other', 'print', sealed)).toBeNull();
    expect(readNote([SECRET], 'record', 'other', sealed)).toBeNull();
    expect(readNote([SECRET], 'record', 'print', Buffer.from('rubbish'))).toBeNull();
    expect(readNote([SECRET], 'record', 'print', null)).toBeNull();
  });

  test('that would be too long is none', () => {
    const long = {
      route: 'r',
      values: new Map(Array.from({ length: 20 }, (_, i) => [`v${i}`, 'x'.repeat(512)])),
    };

    expect(writeNote(SECRET, 'record', 'print', long)).toBeNull();
  });
});

describe('the sweeper', () => {
  let seen: number[] = [];
  beforeEach(() => {
    seen = [];
  });

  const sweeperOf = (stage: ReconcileStage, policies = [stage.policy]): ReconcileSweeper =>
    createReconcileSweeper({
      ...{ store: stage.store, reconciler: stage.reconciler, secrets: [SECRET], monotonicMs: stage.nowMs },
      policies: () => policies,
      metrics: { unknownSeen: (records) => void seen.push(records) },
      sealing: () => null,
      upstream: () => stage.upstream,
    });

  test('ends unknown outcomes that nobody repeats', async () => {
    const stage = await open({ ...PROBED, request: { ...PROBED.request, timeout: '10s' } });
    const claims = await Promise.all(
      Array.from({ length: 250 }, (_, i) => stage.dispatched({ key: `k${i}` })),
    );
    stage.answer((probe) => {
      const key = new URL(probe.request.url ?? '', 'http://h').searchParams.get('key');
      json(200, { key, state: 'done' })(probe);
    });
    stage.advance(LEASE_MS + 30_000);
    const sweeper = sweeperOf(stage);

    for (let pass = 0; pass < 3; pass += 1) await sweeper.run();
    stage.advance(6_000);
    await sweeper.run();

    const views = await Promise.all(claims.map(({ recordKey }) => stage.store.inspect(recordKey)));
    expect(new Set(views.map((view) => view?.state))).toEqual(new Set(['completed']));
    expect(stage.probes).toHaveLength(250);
    // Whole passes only: the first saw all of them, the second what was left.
    expect(seen).toEqual([250, 0]);
  });

  test('asks again and again, ever more rarely, and gives up', async () => {
    const stage = await open({ ...PROBED, sweep: { interval: '10s', attempts: 4, maxAge: '30d' } });
    stage.answer(json(503, {}));
    await stage.dispatched();
    const sweeper = sweeperOf(stage);
    const askedAtS: number[] = [];

    for (let second = 0; second < 600; second += 1) {
      await sweeper.run();
      if (stage.probes.length > askedAtS.length) askedAtS.push(second - LEASE_MS / 1000);
      stage.advance(1000);
    }

    expect(askedAtS).toHaveLength(4);
    const gaps = askedAtS.map((at, i) => at - (askedAtS[i - 1] ?? 0));
    for (const [i, leastS] of [10, 10, 20, 40].entries()) {
      expect(gaps[i]).toBeGreaterThanOrEqual(leastS);
      // The list is begun anew every five seconds.
      expect(gaps[i]).toBeLessThanOrEqual(leastS + 6);
    }
  });

  test('waits its time also after a probe that could not yet act on what it learnt', async () => {
    const stage = await open();
    await stage.dispatched();
    stage.advance(LEASE_MS + QUIET_MS);
    let asked = 0;
    const sweeper = createReconcileSweeper({
      ...{ store: stage.store, secrets: [SECRET], monotonicMs: stage.nowMs, sealing: () => null },
      policies: () => [stage.policy],
      upstream: () => stage.upstream,
      metrics: { unknownSeen: () => undefined },
      // As after a resolution that the store refuses: the key is as unknown as before.
      reconciler: { settle: async () => (++asked > 0 ? 'changed' : 'unsure') },
    });

    for (let pass = 0; pass < 25; pass += 1) {
      await sweeper.run();
      stage.advance(1000);
    }

    expect(asked).toBe(1);
  });

  test.each([
    ['whose route is gone', PROBED, 'other'],
    ['too old', { ...PROBED, sweep: { interval: '1s', maxAge: '2s' } }, 'charges'],
    [
      'whose probe needs its caller',
      { ...PROBED, request: { path: '/c?k={key}', callerHeaders: ['X'] } },
      'charges',
    ],
    ['that is not to be swept', { ...PROBED, sweep: 'off' }, 'charges'],
  ])('leaves an outcome alone %s', async (_name, reconcile, name) => {
    const stage = await open(reconcile);
    await stage.dispatched();
    stage.advance(LEASE_MS + QUIET_MS);

    await sweeperOf(stage, [policyWith(reconcile, { name })]).run();

    expect(stage.probes).toEqual([]);
  });
});
