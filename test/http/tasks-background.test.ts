import { afterEach, describe, expect, it } from 'vitest';
import { executeAndAnswer } from '../support/counting-backend.ts';
import { until } from '../support/until.ts';
import { createStage } from './stage.ts';
import { get, json, metricsOf, standTasks, startTask, waiting } from './tasks-stage.ts';

/** Executions that no client waits for: bounded, counted, drained. */

const stage = createStage();
afterEach(() => stage.close());

describe('the executions in the background', () => {
  it('are bounded: one more start is refused, is not executed, and leaves its key free', async () => {
    const at = await standTasks(stage, { task: '{ retryAfter: 3s }', top: 'limits: { tasks: 1 }' });
    await startTask(at, 'k1');
    const arrival = await at.arrived(1);

    const refused = await startTask(at, 'k2');
    const repeat = await startTask(at, 'k1');
    executeAndAnswer(arrival);
    await at.proxy.logged(({ msg }) => msg === 'task ended');
    const again = await startTask(at, 'k2');

    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '3']);
    expect(repeat.status).toBe(202);
    expect(again.status).toBe(202);
    expect((await at.arrived(2)).key).toBe('k2');
  });

  it('are counted and logged when they end', async () => {
    const at = await standTasks(stage);
    await startTask(at, 'k1');
    executeAndAnswer(await at.arrived(1));

    const line = await at.proxy.logged(({ msg }) => msg === 'task ended');

    expect(line).toMatchObject({ route: 'charges', outcome: 'executed', status: 201, attempt: 1 });
    const text = await metricsOf(at);
    expect(text).toContain('onceward_tasks_ended_total{route="charges",outcome="executed"} 1');
    await until('nothing is held any more', async () => {
      const now = await metricsOf(at);
      return /^onceward_tasks_running 0$/m.test(now) && /^onceward_buffer_bytes 0$/m.test(now) ? now : null;
    });
    expect((await at.proxy.ended(1))[0]).toMatchObject({ outcome: 'accepted', status: 202 });
  });

  it('are ended by a drain when its time is over, and the outcome is unknown', async () => {
    const at = await standTasks(stage);
    const { location } = (await startTask(at, 'k1')).headers;
    await at.arrived(1);
    const polled = get(at, location, { Prefer: 'wait=30' });
    await until('it waits', () => waiting(at));

    const closed = at.proxy.close();

    expect(json(await polled)).toMatchObject({ state: 'unknown' });
    const line = await at.proxy.logged(({ msg }) => msg === 'task ended');
    expect(line).toMatchObject({ outcome: 'parked' });
    await closed;
  });

  it('are waited for by a drain, as a request in flight is', async () => {
    const at = await standTasks(stage, { drain: '20s' });
    const { location } = (await startTask(at, 'k1')).headers;
    const arrival = await at.arrived(1);
    const polled = get(at, location, { Prefer: 'wait=30' });
    await until('it waits', () => waiting(at));

    const closed = at.proxy.close();
    // Who waits is sent away: another instance can tell as well.
    expect(json(await polled)).toMatchObject({ state: 'pending' });
    executeAndAnswer(arrival);
    await closed;

    const line = await at.proxy.logged(({ msg }) => msg === 'task ended');
    expect(line).toMatchObject({ outcome: 'executed' });
  });

  it('leave no task id in the log that would open a response', async () => {
    const at = await standTasks(stage);
    const { location } = (await startTask(at, 'k1')).headers;
    await get(at, `${location}/response?x=1`);
    await get(at, `${location}/response`, { Authorization: 'Bearer two' });

    const lines = await at.proxy.ended(3);

    const id = String(location).split('/').at(-1) ?? '';
    expect(lines.slice(1).map(({ path }) => path)).toEqual(
      Array.from({ length: 2 }, () => `/.well-known/onceward/tasks/${id.slice(0, 12)}…`),
    );
  });

  it('wait for the lock of their resource as any request does, and nobody waits with them', async () => {
    const at = await standTasks(stage, { route: '    lock: { resources: /charges, wait: 20s }' });
    const starts = [await startTask(at, 'k1', 'respond-async', 'Bearer one', '/charges/1')];
    const arrival = await at.arrived(1);
    starts.push(await startTask(at, 'k2', 'respond-async', 'Bearer one', '/charges/1'));
    const waits = json(await get(at, starts[1]?.headers.location));
    expect(at.held.length).toBe(1);
    executeAndAnswer(arrival);
    executeAndAnswer(await at.arrived(2));

    const ended = json(await get(at, starts[1]?.headers.location, { Prefer: 'wait=30' }));

    expect(starts.map(({ status }) => status)).toEqual([202, 202]);
    expect(waits).toMatchObject({ state: 'pending' });
    expect(ended).toMatchObject({ state: 'succeeded' });
  });

  it('hold the place of their principal for as long as they run', async () => {
    const at = await standTasks(stage, { top: 'limits: { principal: { inFlight: 1 } }' });
    const { location } = (await startTask(at, 'k1')).headers;
    const arrival = await at.arrived(1);
    await at.proxy.ended(1);
    // There is no place left to wait in: how it stands is told at once.
    expect(json(await get(at, location, { Prefer: 'wait=30' }))).toMatchObject({ state: 'pending' });

    const second = await startTask(at, 'k2');
    const other = await startTask(at, 'k2', 'respond-async', 'Bearer two');
    executeAndAnswer(arrival);
    await at.proxy.logged(({ msg }) => msg === 'task ended');

    expect([second.status, other.status]).toEqual([429, 202]);
    expect((await startTask(at, 'k2')).status).toBe(202);
  });
});
