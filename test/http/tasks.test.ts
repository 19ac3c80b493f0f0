import { afterEach, describe, expect, it } from 'vitest';
import { executeAndAnswer } from '../support/counting-backend.ts';
import { keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { until } from '../support/until.ts';
import { createStage } from './stage.ts';
import { get, json, type Stand, standTasks, startTask, waiting } from './tasks-stage.ts';

/** The start of a task, and what it comes to. */

const stage = createStage();
afterEach(() => stage.close());

describe('a start with Prefer: respond-async', () => {
  it('is answered 202 while the execution goes on, with all that a client needs to ask', async () => {
    const at = await standTasks(stage);

    const answer = await startTask(at, 'k1');

    await at.arrived(1);
    const { location } = answer.headers;
    expect(answer.status).toBe(202);
    expect(location).toMatch(/^\/\.well-known\/onceward\/tasks\/[\w-]{76}$/);
    expect(answer.headers).toMatchObject({
      'preference-applied': 'respond-async',
      'retry-after': '2',
      'cache-control': 'no-store',
      vary: 'Prefer',
      'content-type': 'application/json',
    });
    expect(answer.headers['idempotency-status']).toBeUndefined();
    expect(json(answer)).toMatchObject({ state: 'pending', location, retryAfterMs: 2000 });
    expect(json(await get(at, location))).toEqual({
      task: String(location).split('/').at(-1),
      state: 'pending',
      retryAfterMs: 2000,
    });
  });

  it('has succeeded once the backend has, and shows its response as a repeat gets it', async () => {
    const at = await standTasks(stage);
    const { location } = (await startTask(at, 'k1')).headers;
    const arrival = await at.arrived(1);
    const waiting = get(at, location, { Prefer: 'wait=30' });
    executeAndAnswer(arrival);

    const answer = await waiting;

    const { response, ...told } = json(answer);
    expect(told).toMatchObject({ state: 'succeeded' });
    expect(response).toMatchObject({ status: 201, location: `${location}/response` });
    const body = JSON.stringify({ execution: 1, key: 'k1', body: '{}' });
    expect(response).toMatchObject({ body });
    const raw = await get(at, `${location}/response`);
    const repeat = await startTask(at, 'k1');
    const sync = await startTask(at, 'k1', null);
    for (const one of [raw, repeat, sync]) {
      expect([one.status, one.body.toString()]).toEqual([201, body]);
      expect(one.headers).toMatchObject({ 'idempotency-status': 'replayed', 'x-execution': '1' });
    }
  });

  it('is told to the backend as an ordinary request, but for the preferences that are kept here', async () => {
    const at = await standTasks(stage);

    await startTask(at, 'k1', ['return=minimal, respond-async', 'wait=0, handling=strict']);

    const { request } = await at.arrived(1);
    expect(request.headers.prefer).toBe('return=minimal, handling=strict');
  });

  it('is told from an answer of 4xx or 5xx: the task has failed', async () => {
    const at = await standTasks(stage);
    const { location } = (await startTask(at, 'k1')).headers;
    (await at.arrived(1)).answer(422, '{"why":"no"}');

    const answer = await get(at, location, { Prefer: 'wait=30' });

    expect(json(answer)).toMatchObject({ state: 'failed', response: { status: 422, body: '{"why":"no"}' } });
  });

  it('is unknown where the connection breaks, and is not executed again', async () => {
    const at = await standTasks(stage);
    const { location } = (await startTask(at, 'k1')).headers;
    (await at.arrived(1)).reset();

    const answer = await get(at, location, { Prefer: 'wait=30' });

    expect(json(answer)).toMatchObject({ state: 'unknown' });
    expect(problemCode(await get(at, `${location}/response`))).toBe('outcome-unknown');
    expect(problemCode(await startTask(at, 'k1'))).toBe('outcome-unknown');
    expect(at.held.length).toBe(1);
  });

  it('is released where the backend says that it did nothing, and starts anew under the same id', async () => {
    const at = await standTasks(stage);
    const { location } = (await startTask(at, 'k1')).headers;
    (await at.arrived(1)).answer(503, '');

    const answer = await get(at, location, { Prefer: 'wait=30' });

    expect(json(answer)).toMatchObject({ state: 'released' });
    expect(problemCode(await get(at, `${location}/response`))).toBe('released');
    const again = await startTask(at, 'k1');
    expect([again.status, again.headers.location]).toEqual([202, location]);
    await at.arrived(2);
  });

  it('waits first where it prefers to, and then gets the answer itself', async () => {
    const at = await standTasks(stage);
    const answer = startTask(at, 'k1', 'respond-async, wait=20');
    executeAndAnswer(await at.arrived(1));

    expect((await answer).status).toBe(201);
    expect((await answer).headers['idempotency-status']).toBe('joined');
  });

  it('gets 202 when the wait is over, and is told what was applied', async () => {
    const at = await standTasks(stage, { task: '{ wait: 1s }' });

    const answers = await Promise.all([
      startTask(at, 'k1', 'respond-async, wait=1'),
      startTask(at, 'k2', 'wait=99, respond-async'),
      startTask(at, 'k3', 'respond-async; wait=9'),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    expect(answers.map(({ headers }) => headers['preference-applied'])).toEqual([
      'respond-async, wait=1',
      'respond-async',
      'respond-async',
    ]);
  });

  it('is unknown once task.timeout is over', async () => {
    const at = await standTasks(stage, { task: '{ timeout: 1s }', top: 'limits: { tasks: 5 }' });
    const { location } = (await startTask(at, 'k1')).headers;
    await at.arrived(1);

    expect(json(await get(at, location, { Prefer: 'wait=30' }))).toMatchObject({ state: 'unknown' });
  });
});

describe('a start whose task has failed', () => {
  const failOnce = async (at: Stand): Promise<unknown> => {
    const { location } = (await startTask(at, 'k1')).headers;
    (await at.arrived(1)).answer(500, '{"broken":1}');
    expect(json(await get(at, location, { Prefer: 'wait=30' }))).toMatchObject({ state: 'failed' });
    return location;
  };

  it('is a replay of the failure, unless the route restarts it', async () => {
    const at = await standTasks(stage);
    await failOnce(at);

    const repeat = await startTask(at, 'k1');

    expect([repeat.status, repeat.headers['idempotency-status']]).toEqual([500, 'replayed']);
    expect(at.held.length).toBe(1);
  });

  it('under restart-failed executes anew with the same id, and not once more when that succeeded', async () => {
    const at = await standTasks(stage, { task: '{ afterCompletion: restart-failed }' });
    const location = await failOnce(at);
    const sync = await startTask(at, 'k1', null);
    const other = await sendRequest(at.proxy.port, {
      headers: { ...keyed('k1'), Prefer: 'respond-async' },
      body: '{"other":1}',
    });

    const again = await startTask(at, 'k1');
    executeAndAnswer(await at.arrived(2));
    const ended = await get(at, location, { Prefer: 'wait=30' });
    const last = await startTask(at, 'k1');

    // Who waits for his answer, and who sends other content, start nothing.
    expect([sync.status, problemCode(other)]).toEqual([500, 'key-reused']);
    expect([again.status, again.headers.location]).toEqual([202, location]);
    expect(json(ended)).toMatchObject({ state: 'succeeded' });
    expect([last.status, last.headers['idempotency-status']]).toEqual([201, 'replayed']);
    expect(at.held.length).toBe(2);
  });

  it('under restart-failed is still held where the outcome is unknown', async () => {
    const at = await standTasks(stage, { task: '{ afterCompletion: restart-failed }' });
    const { location } = (await startTask(at, 'k1')).headers;
    (await at.arrived(1)).reset();
    expect(json(await get(at, location, { Prefer: 'wait=30' }))).toMatchObject({ state: 'unknown' });

    expect(problemCode(await startTask(at, 'k1'))).toBe('outcome-unknown');
    expect(at.held.length).toBe(1);
  });
});

describe('a keyed request that starts no task', () => {
  it('is answered when the backend has, unless the route says respond: async', async () => {
    const at = await standTasks(stage);
    const answer = startTask(at, 'k1', null);
    executeAndAnswer(await at.arrived(1));

    expect((await answer).status).toBe(201);
    const always = await standTasks(stage, { task: '{ respond: async }' });
    const accepted = await startTask(always, 'k1', null);
    expect(accepted.status).toBe(202);
    expect(accepted.headers['preference-applied']).toBeUndefined();
  });

  it('passes respond-async on where the route has no tasks, or it has no key', async () => {
    const at = await standTasks(stage, { task: 'off' });
    const other = await standTasks(stage);
    const unkeyed = sendRequest(other.proxy.port, { headers: { Prefer: 'respond-async' } });
    const answers = [startTask(at, 'k1'), unkeyed];
    for (const { arrived } of [at, other]) {
      const arrival = await arrived(1);
      expect(arrival.request.headers.prefer).toBe('respond-async');
      executeAndAnswer(arrival);
    }

    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([201, 201]);
  });

  it('of a route that only observes is passed on as it came', async () => {
    const at = await standTasks(stage, { route: '    mode: observe' });
    const answer = sendRequest(at.proxy.port, {
      path: '/charges/1',
      headers: { ...keyed('k1'), Prefer: 'respond-async' },
    });
    executeAndAnswer(await at.arrived(1));

    expect((await answer).status).toBe(201);
  });
});

describe('a repeated start while the task is running', () => {
  it.each([
    ['state', 202],
    ['reject', 409],
  ] as const)('under onRepeat: %s gets %d at once', async (onRepeat, status) => {
    const at = await standTasks(stage, { task: `{ onRepeat: ${onRepeat} }` });
    const first = await startTask(at, 'k1');

    const repeat = await startTask(at, 'k1');

    expect(repeat.status).toBe(status);
    if (status === 202) expect(repeat.headers.location).toBe(first.headers.location);
    else expect([problemCode(repeat), repeat.headers['retry-after']]).toEqual(['in-flight', '2']);
    await at.arrived(1);
    expect(at.held.length).toBe(1);
  });

  it('under onRepeat: attach waits for the answer, and gets 202 where it waited long enough', async () => {
    const at = await standTasks(stage, { task: '{ onRepeat: attach }' });
    const { location } = (await startTask(at, 'k1')).headers;
    const impatient = await startTask(at, 'k1', 'respond-async, wait=0');

    const repeat = startTask(at, 'k1');
    await until('it waits', () => waiting(at));
    executeAndAnswer(await at.arrived(1));

    expect([impatient.status, impatient.headers.location]).toEqual([202, location]);
    expect((await repeat).status).toBe(201);
    expect(at.held.length).toBe(1);
  });

  it('with other content is refused, whatever onRepeat says', async () => {
    const at = await standTasks(stage);
    await startTask(at, 'k1');

    const other = await sendRequest(at.proxy.port, {
      headers: { ...keyed('k1'), Prefer: 'respond-async' },
      body: '{"other":1}',
    });

    expect(problemCode(other)).toBe('key-reused');
  });

  it('gets 202 for an execution that began with a client who waits', async () => {
    const at = await standTasks(stage);
    const first = startTask(at, 'k1', null);
    const arrival = await at.arrived(1);

    const repeat = await startTask(at, 'k1');
    executeAndAnswer(arrival);

    expect((await first).status).toBe(201);
    expect(repeat.status).toBe(202);
    expect(json(await get(at, repeat.headers.location))).toMatchObject({ state: 'succeeded' });
  });
});
