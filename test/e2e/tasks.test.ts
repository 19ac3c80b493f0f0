import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChildProxy } from '../support/child-proxy.ts';
import {
  type Arrival,
  type CountingBackend,
  executeAndAnswer,
  startCountingBackend,
} from '../support/counting-backend.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { stageProxies } from '../support/two-proxies.ts';
import { until } from '../support/until.ts';

/** Tasks over two proxies that share a store (edge cases 75 to 78): started at one, asked for at the other. */

const closers: (() => Promise<void> | void)[] = [];

/** Starting proxies takes longest: the tests of a store share them. */
afterAll(closeAll);

async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

type Kind = 'lmdb' | 'redis';

type Stage = {
  readonly backend: CountingBackend;
  readonly first: ChildProxy;
  readonly second: ChildProxy;
};

const RECONCILE = {
  request: { path: '/asked?key={key}' },
  rules: [{ when: { status: 200, json: { '/key': '{key}' } }, verdict: 'completed' }],
  sweep: 'off',
};

async function stage(kind: Kind): Promise<Stage> {
  const backend = await startCountingBackend();
  closers.push(() => backend.close());
  const { start, close } = await stageProxies(kind, {
    backendOrigin: backend.origin,
    store: { deadline: '1s', sweepInterval: '100ms' },
    sections: {
      // A deadline that a busy machine passes would refuse a start; the lease is three times as long at least.
      defaults: { lease: '3s', task: {} },
      routes: [
        { name: 'brief', match: { path: '/brief' }, retain: '3s' },
        { name: 'again', match: { path: '/again' }, task: { afterCompletion: 'restart-failed' } },
        { name: 'asked', match: { path: '/asked' }, reconcile: RECONCILE },
      ],
    },
  });
  closers.push(close);
  return { backend, first: await start(), second: await start() };
}

const startAt = (proxy: ChildProxy, key: string, path = '/charges'): Promise<Answer> =>
  sendRequest(proxy.port, { path, headers: { ...keyed(key), Prefer: 'respond-async' } });

const ask = (proxy: ChildProxy, path: unknown, headers: Readonly<Record<string, string>> = {}) =>
  sendRequest(proxy.port, {
    method: 'GET',
    path: String(path),
    headers: { Authorization: 'Bearer one', ...headers },
  });

const json = (answer: Answer): Record<string, unknown> => JSON.parse(answer.body.toString('utf8'));

describe.each(['lmdb', 'redis'] as const)('a task on %s', (kind) => {
  let at: Stage;
  beforeAll(async () => {
    at = await stage(kind);
  }, 60_000);
  afterAll(closeAll);

  it('is one for both proxies, and who waits at the other is woken by its end', async () => {
    const { backend, first, second } = at;
    const held: Arrival[] = [];
    backend.behave((arrival) => held.push(arrival));
    const arrived = backend.nextArrival();
    const started = await startAt(first, 'k1');
    await arrived;
    const { location } = started.headers;

    const repeat = await startAt(second, 'k1');
    const pending = await ask(second, location);
    const foreign = await ask(second, location, { Authorization: 'Bearer two' });
    const waiting = [first, second].map((proxy) => ask(proxy, location, { Prefer: 'wait=25' }));
    for (const arrival of held) executeAndAnswer(arrival);
    const ended = await Promise.all(waiting);

    expect([started.status, repeat.status, repeat.headers.location]).toEqual([202, 202, location]);
    expect(json(pending)).toMatchObject({ state: 'pending' });
    expect([foreign.status, problemCode(foreign)]).toEqual([404, 'task-unknown']);
    const body = JSON.stringify({ execution: 1, key: 'k1', body: '{}' });
    for (const answer of ended)
      expect(json(answer)).toMatchObject({ state: 'succeeded', response: { status: 201, body } });
    const replay = await startAt(second, 'k1');
    expect([replay.status, replay.body.toString()]).toEqual([201, body]);
    expect(replay.headers['idempotency-status']).toBe('replayed');
    expect((await ask(second, `${location}/response`)).body.toString()).toBe(body);
    expect([backend.arrivals(), backend.executions('k1')]).toEqual([1, 1]);
  });

  it('that two contenders start at the same moment is executed once, round after round', async () => {
    const { backend, first, second } = at;
    backend.behave(executeAndAnswer);

    for (let round = 1; round <= 20; round++) {
      const key = `round-${round}`;
      const answers = await Promise.all([first, second, first, second].map((proxy) => startAt(proxy, key)));
      const locations = answers.filter(({ status }) => status === 202).map(({ headers }) => headers.location);
      const ended = await ask(second, locations[0], { Prefer: 'wait=25' });

      // One that came late has the answer already.
      expect(
        answers.map(({ status }) => status).filter((status) => status !== 202 && status !== 201),
      ).toEqual([]);
      expect(new Set(locations).size).toBe(1);
      expect(json(ended)).toMatchObject({ state: 'succeeded' });
      expect(backend.executions(key)).toBe(1);
    }
  });

  it('that has failed is started anew once by two contenders, round after round', async () => {
    const { backend, first, second } = at;
    backend.behave((arrival) => {
      if (arrival.arrival > 1) executeAndAnswer(arrival);
      else arrival.answer(500, String(arrival.execute()));
    });

    for (let round = 1; round <= 10; round++) {
      const key = `again-${round}`;
      const { location } = (await startAt(first, key, '/again')).headers;
      const failed = await ask(second, location, { Prefer: 'wait=25' });
      const answers = await Promise.all(
        [first, second, first, second].map((proxy) => startAt(proxy, key, '/again')),
      );
      const ended = await ask(second, location, { Prefer: 'wait=25' });

      expect(json(failed)).toMatchObject({ state: 'failed', response: { status: 500 } });
      // Late ones have the new answer already, and start nothing.
      expect(
        answers.map(({ status }) => status).filter((status) => status !== 202 && status !== 201),
      ).toEqual([]);
      expect(json(ended)).toMatchObject({ state: 'succeeded' });
      expect(backend.executions(key)).toBe(2);
    }
  });

  it('that is forgotten has expired, and a start at that instant is a new one under the old id', async () => {
    const { backend, first, second } = at;
    backend.behave(executeAndAnswer);
    const { location } = (await startAt(first, 'k3', '/brief')).headers;
    const done = json(await ask(second, location, { Prefer: 'wait=25' }));
    expect(done).toMatchObject({ state: 'succeeded' });

    // Repeats until one is a new start: each of the others is a replay of the first execution.
    const anew = await until('it is forgotten', async () => {
      const answer = await startAt(second, 'k3', '/brief');
      if (answer.status === 202) return answer;
      expect([answer.status, answer.headers['idempotency-status']]).toEqual([201, 'replayed']);
      return null;
    });
    const ended = await ask(first, anew.headers.location, { Prefer: 'wait=25' });
    const expired = await until('it has expired', async () => {
      const answer = await ask(first, location);
      return answer.status === 410 ? answer : null;
    });

    expect(anew.headers.location).toBe(location);
    expect(json(ended)).toMatchObject({ state: 'succeeded' });
    expect(problemCode(expired)).toBe('task-expired');
    expect(problemCode(await ask(second, `${location}/response`))).toBe('task-expired');
    expect(backend.executions('k3')).toBe(2);
  });

  it('whose proxy is stopped past its lease is unknown, until the late answer of the backend comes', async () => {
    const { backend, first, second } = at;
    const held: Arrival[] = [];
    backend.behave((arrival) => held.push(arrival));
    const arrived = backend.nextArrival();
    const { location } = (await startAt(first, 'k6')).headers;
    await arrived;

    first.signal('SIGSTOP');
    await until('it is unknown', async () => {
      const { state } = json(await ask(second, location));
      return state === 'unknown' ? state : null;
    });
    const repeat = await startAt(second, 'k6');
    for (const arrival of held) executeAndAnswer(arrival);
    first.signal('SIGCONT');
    const ended = await until('it has succeeded', async () => {
      const answer = json(await ask(second, location));
      return answer.state === 'succeeded' ? answer : null;
    });

    expect(problemCode(repeat)).toBe('outcome-unknown');
    expect(ended).toMatchObject({ response: { status: 201 } });
    expect([held.length, backend.executions('k6')]).toEqual([1, 1]);
  });

  it('whose proxy is killed is unknown once its lease is over, and ends as the backend says', async () => {
    const { backend, first, second } = at;
    backend.behave((arrival) => {
      // The effect without the answer.
      if (arrival.request.method === 'POST') arrival.execute();
      else arrival.answer(200, '{"key":"k5"}');
    });
    const locations: unknown[] = [];
    for (const [key, path] of [
      ['k4', '/charges'],
      ['k5', '/asked'],
    ] as const) {
      const arrived = backend.nextArrival();
      locations.push((await startAt(first, key, path)).headers.location);
      await arrived;
    }

    await first.kill();

    for (const location of locations) {
      const states = new Set<unknown>();
      await until('it is unknown', async () => {
        const { state } = json(await ask(second, location));
        states.add(state);
        return state === 'unknown' ? state : null;
      });
      expect([...states].filter((state) => state !== 'pending')).toEqual(['unknown']);
    }
    // Nobody can be asked: it stays so, and is not executed again.
    expect(problemCode(await startAt(second, 'k4'))).toBe('outcome-unknown');
    expect(problemCode(await ask(second, `${locations[0]}/response`))).toBe('outcome-unknown');
    const found = await startAt(second, 'k5', '/asked');
    expect([found.status, found.body.toString()]).toEqual([200, '{"key":"k5"}']);
    expect(json(await ask(second, locations[1]))).toMatchObject({
      state: 'succeeded',
      response: { status: 200, body: '{"key":"k5"}' },
    });
    expect([backend.executions('k4'), backend.executions('k5')]).toEqual([1, 1]);
  });
});
