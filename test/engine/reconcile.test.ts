import { afterEach, describe, expect, test } from 'vitest';
import { createReconciler } from '../../src/engine/reconcile.ts';
import { createByteBudget } from '../../src/http/byte-budget.ts';
import { sealKey, unseal } from '../../src/store/seal.ts';
import { comparable, FULL } from '../contract/harness.ts';
import { json, LEASE_MS, PROBED, QUIET_MS, type ReconcileStage, reconcileStage } from './reconcile-stage.ts';

const DONE = { key: 'k1', state: 'done' };
const stages: ReconcileStage[] = [];
afterEach(async () => {
  for (const stage of stages.splice(0)) await stage.close();
});

async function open(reconcile?: object, over?: object): Promise<ReconcileStage> {
  const stage = await reconcileStage(reconcile, over);
  stages.push(stage);
  return stage;
}

describe('a probe', () => {
  test('that finds the operation completed settles the key at once', async () => {
    const stage = await open();
    const claim = await stage.dispatched();
    await stage.store.park(claim, 'reset');
    stage.answer(json(200, DONE));

    expect(await stage.reconciler.settle(stage.question(claim))).toBe('changed');

    const view = await stage.store.inspect(claim.recordKey);
    expect(view?.state).toBe('completed');
    expect(view?.response === null || view === null ? null : comparable(view.response)).toMatchObject({
      status: 201,
      body: Buffer.from(JSON.stringify(DONE)),
    });
    expect([stage.verdicts, stage.resolutions]).toEqual([['completed'], ['probe completed']]);
  });

  test('keeps what it found sealed where responses are', async () => {
    const stage = await open();
    const claim = await stage.dispatched();
    await stage.store.park(claim, 'reset');
    stage.answer(json(200, DONE));
    const keys = [sealKey('k', Buffer.alloc(32, 9))];

    const sealing = { keys, bind: 'client', responses: 'sealed' } as const;
    await stage.reconciler.settle(stage.question(claim, { sealing }));

    const response = (await stage.store.inspect(claim.recordKey))?.response;
    expect(response?.kind).toBe('sealed');
    const place = { purpose: 'response', recordKey: claim.recordKey, client: null };
    expect(unseal(keys, place, response?.kind === 'sealed' ? response.bytes : Buffer.alloc(0)).kind).toBe(
      'opened',
    );
  });

  test('shows what the template names, the token, and nothing else', async () => {
    const stage = await open({
      ...PROBED,
      request: { path: '/charges?key={key}', headers: { Authorization: 'Bearer probe' } },
    });
    const claim = await stage.dispatched({ key: 'a/b' });
    await stage.store.park(claim, 'reset');
    const repeat = {
      key: 'a/b',
      rawHeaders: ['Authorization', 'Bearer caller', 'Cookie', 'a=b', 'X-Any', 'y'],
    };

    await stage.reconciler.settle(stage.question(claim, { repeat }));

    const [asked] = stage.probes;
    expect([asked?.method, asked?.url]).toEqual(['GET', '/charges?key=a%2Fb']);
    expect(asked?.headers).toEqual({
      authorization: 'Bearer probe',
      host: stage.upstream.authority,
      'cache-control': 'no-cache',
      'accept-encoding': 'identity',
      via: '1.1 onceward',
      'onceward-probe': '1',
      'onceward-fencing-token': String(claim.token),
      connection: 'keep-alive',
    });
  });

  test('carries the fields that a repeat lends it', async () => {
    const stage = await open({
      ...PROBED,
      request: { path: '/c?k={key}', callerHeaders: ['Authorization'] },
    });
    const claim = await stage.dispatched();
    await stage.store.park(claim, 'reset');
    const repeat = { key: 'k1', rawHeaders: ['Authorization', 'Bearer caller', 'Cookie', 'a=b'] };

    await stage.reconciler.settle(stage.question(claim, { repeat }));

    expect(stage.probes[0]?.headers.authorization).toBe('Bearer caller');
    expect(stage.probes[0]?.headers.cookie).toBeUndefined();
  });

  test('is never sent while the lease is alive, nor about what is settled', async () => {
    const stage = await open();
    stage.answer(json(404, {}));
    const alive = await stage.dispatched();
    const settled = await stage.dispatched();
    await stage.store.complete(settled, FULL, 60_000);

    for (const claim of [alive, settled])
      expect(await stage.reconciler.settle(stage.question(claim))).toBe('changed');

    expect(stage.probes).toEqual([]);
    expect((await stage.store.inspect(alive.recordKey))?.state).toBe('dispatched');
  });

  test('that hears "did not happen" frees the key only after it had been quiet', async () => {
    const stage = await open();
    stage.answer(json(404, {}));
    const claim = await stage.dispatched();
    stage.advance(LEASE_MS + QUIET_MS - 1);

    expect(await stage.reconciler.settle(stage.question(claim))).toBe('unsure');
    stage.advance(1000);
    expect(await stage.reconciler.settle(stage.question(claim))).toBe('changed');

    expect((await stage.store.inspect(claim.recordKey))?.state).toBe('released');
    expect(stage.verdicts).toEqual(['not-quiet', 'did-not-happen']);
    expect(await stage.store.complete(claim, FULL, 60_000)).toBe('lost');
  });

  test('asked while it was not quiet frees nothing, however long its answer takes', async () => {
    const stage = await open();
    const claim = await stage.dispatched();
    stage.advance(LEASE_MS + QUIET_MS - 1);
    stage.answer((probe) => {
      stage.advance(10_000);
      json(404, {})(probe);
    });

    expect(await stage.reconciler.settle(stage.question(claim))).toBe('unsure');

    expect((await stage.store.inspect(claim.recordKey))?.state).toBe('unknown');
  });

  test('frees nothing when the holder woke and went again after the question', async () => {
    const stage = await open();
    const claim = await stage.dispatched();
    stage.advance(LEASE_MS + QUIET_MS);
    stage.answer((probe) => {
      void stage.store.renew(claim, 1000).then(() => {
        stage.advance(2000);
        json(404, {})(probe);
      });
    });

    await stage.reconciler.settle(stage.question(claim));

    expect((await stage.store.inspect(claim.recordKey))?.state).toBe('unknown');
    expect(stage.resolutions).toEqual([]);
  });

  test('that a late answer overtakes leaves the late answer', async () => {
    const stage = await open();
    const claim = await stage.dispatched();
    await stage.store.park(claim, 'timed-out');
    stage.answer((probe) => {
      void stage.store.complete(claim, FULL, 60_000).then(() => json(200, DONE)(probe));
    });

    expect(await stage.reconciler.settle(stage.question(claim))).toBe('changed');

    const view = await stage.store.inspect(claim.recordKey);
    expect(view?.response === null || view === null ? null : comparable(view.response)).toEqual(FULL);
    expect(stage.resolutions).toEqual([]);
  });

  test.each<[string, Parameters<ReconcileStage['answer']>[0], string]>([
    ['rubbish', ({ response }) => void response.end('<html>'), 'unsure'],
    ['the state of another key', json(200, { key: 'k2', state: 'done' }), 'unsure'],
    ['an error', json(503, {}), 'unsure'],
    ['nothing in time', () => undefined, 'no-answer'],
    ['a broken connection', ({ request }) => void request.socket.destroy(), 'no-answer'],
    [
      'half an answer',
      ({ request, response }) => {
        response.writeHead(200, { 'Content-Length': '100' });
        response.write('{"key":"k1","state":"done"}', () => request.socket.destroy());
      },
      'no-answer',
    ],
    [
      'too much',
      ({ response }) => void response.end(JSON.stringify({ ...DONE, pad: 'x'.repeat(70_000) })),
      'no-answer',
    ],
    [
      'too much without end',
      ({ response }) => {
        const more = (): void => {
          while (!response.destroyed && response.write('x'.repeat(16_384)));
          if (!response.destroyed) response.once('drain', more);
        };
        more();
      },
      'no-answer',
    ],
  ])('that hears %s is unsure', async (_name, how, verdict) => {
    const stage = await open();
    const claim = await stage.dispatched();
    stage.advance(LEASE_MS + 2 * QUIET_MS);
    stage.answer(how);

    expect(await stage.reconciler.settle(stage.question(claim))).toBe('unsure');

    expect((await stage.store.inspect(claim.recordKey))?.state).toBe('unknown');
    expect(stage.verdicts).toEqual([verdict]);
  });

  test('is shared by all who ask at once, and not repeated at once after it was unsure', async () => {
    const stage = await open();
    const claim = await stage.dispatched();
    await stage.store.park(claim, 'reset');
    stage.answer(json(503, {}));

    await Promise.all(Array.from({ length: 20 }, () => stage.reconciler.settle(stage.question(claim))));
    await stage.reconciler.settle(stage.question(claim));
    expect(stage.probes).toHaveLength(1);

    stage.advance(1000);
    await stage.reconciler.settle(stage.question(claim));
    expect(stage.probes).toHaveLength(2);
  });

  test('is one of a bounded number', async () => {
    const stage = await open();
    const claims = await Promise.all(Array.from({ length: 6 }, () => stage.dispatched()));
    for (const claim of claims) await stage.store.park(claim, 'reset');
    stage.answer(() => undefined);

    await Promise.all(claims.map((claim) => stage.reconciler.settle(stage.question(claim))));

    expect(stage.probes).toHaveLength(4);
  });

  test('of another proxy at the same time does no harm', async () => {
    const stage = await open();
    const claim = await stage.dispatched();
    stage.advance(LEASE_MS + QUIET_MS);
    stage.answer(json(404, {}));
    const other = createReconciler({
      store: stage.store,
      metrics: { probed: () => undefined, resolved: (by, to) => stage.resolutions.push(`${by} ${to}`) },
      log: { event: () => undefined, probeFailed: () => undefined, storeUnavailable: () => undefined },
      budget: createByteBudget(1e6),
      wallMs: stage.nowMs,
      monotonicMs: stage.nowMs,
      probesMax: 4,
    });

    await Promise.all([stage.reconciler, other].map((one) => one.settle(stage.question(claim))));

    expect(stage.resolutions).toEqual(['probe released']);
  });
});
