import { describe, expect, it } from 'vitest';
import { keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { until } from '../support/until.ts';
import { locksOn, stagedLocks } from './lock-cases.ts';

locksOn('lmdb', () => 'lmdb');

describe('a route with a lock', () => {
  it('refuses what does not say whom it concerns, forwards no token of the client, and lets safe requests pass', async () => {
    const { stage, one } = await stagedLocks('lmdb');
    const held = stage.hold('a');
    const first = sendRequest(one.port, {
      path: '/accounts/a/charges',
      headers: { ...keyed('k1'), 'Onceward-Lock-Token': '1' },
    });
    const arrival = await held.arrived;

    const missing = await sendRequest(one.port, {
      path: '/transfers',
      headers: keyed('k2'),
      body: '{"from":"a"}',
    });
    stage.backend.behave((safe) => safe.answer(200, '{}'));
    const read = await sendRequest(one.port, { method: 'GET', path: '/accounts/a/charges' });
    held.release();

    expect([missing.status, problemCode(missing)]).toEqual([400, 'resource-unnamed']);
    expect(missing.body.toString()).toContain('the JSON body member /to');
    expect([read.status, (await first).status]).toEqual([200, 201]);
    expect(Number(arrival.request.headers['onceward-lock-token'])).toBeGreaterThan(1_700_000_000_000_000);
  });

  it('lets a task wait for its turn as well, whose client has long been answered', async () => {
    const { stage, one, two } = await stagedLocks('lmdb', { wait: '30s' });
    const held = stage.hold('a');
    const first = sendRequest(one.port, { path: '/accounts/a/charges', headers: keyed('k1') });
    await held.arrived;

    const accepted = await sendRequest(two.port, {
      path: '/accounts/a/charges',
      headers: { ...keyed('k2'), Prefer: 'respond-async' },
    });
    held.release();
    const path = String(accepted.headers.location);
    const ended = await until('the task has ended', async () => {
      const answer = await sendRequest(two.port, { method: 'GET', path, headers: keyed('k2') });
      return answer.body.toString().includes('"pending"') ? null : answer.body.toString();
    });

    expect([accepted.status, (await first).status]).toEqual([202, 201]);
    expect(ended).toContain('"succeeded"');
    expect([stage.backend.executions('k2'), stage.overlap()]).toEqual([1, 1]);
  });
});
