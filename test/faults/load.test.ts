import { afterEach, expect, it } from 'vitest';
import {
  type Arrival,
  type CountingBackend,
  executeAndAnswer,
  startCountingBackend,
} from '../support/counting-backend.ts';
import { lmdbStage } from '../support/lmdb-stage.ts';
import { type LoadOptions, type LoadResult, loadFigures, runLoad } from './load.ts';

/** The driver against servers that lie: whatever it says of Onceward is worth what it finds here. */

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('brings every key to an end through a real proxy, and sees the same answer again', async () => {
  const { backend, start } = await lmdbStage(closers);
  const proxy = await start();

  const result = await load(backend, [proxy.port], { keys: 60, repeatShare: 1 });

  expect(result).toMatchObject({ keys: 60, charged: 60, unknown: 0, gaveUp: 0, refused: 0, repeatsSame: 60 });
  expect(result).toMatchObject({ doubles: 0, falselyNotExecuted: 0, wrongReplays: 0, attempts: 120 });
  expect(result.answers).toEqual({ 201: 120 });
  expect(loadFigures(result).filter(({ met }) => met === 'no')).toEqual([]);
});

it('counts a backend that is asked twice for one key', async () => {
  const server = await lying(executeAndAnswer);

  const result = await load(server, [server.port], { keys: 5, repeatShare: 1 });

  expect(result).toMatchObject({ charged: 5, doubles: 5, wrongReplays: 5, repeatsSame: 0 });
});

it('counts "not executed" of a key that was executed', async () => {
  const server = await lying((arrival) => {
    if (arrival.arrival > 1) return executeAndAnswer(arrival);
    arrival.execute();
    problem(arrival, 502, { code: 'upstream-unreachable', retryable: true, sameKey: true, executed: 'no' });
  });

  const result = await load(server, [server.port], { keys: 3, repeatShare: 0 });

  expect(result).toMatchObject({ falselyNotExecuted: 3, doubles: 3, attempts: 6 });
  expect(result.examples).toHaveLength(3);
});

it('counts an answer of another key, and one without an execution', async () => {
  const other = await lying((arrival) => {
    arrival.execute();
    arrival.answer(201, '{"execution":1,"key":"someone-else"}');
  });
  const none = await lying((arrival) => arrival.answer(201, JSON.stringify({ key: arrival.key })));

  expect(await load(other, [other.port], { keys: 4, repeatShare: 0 })).toMatchObject({ wrongReplays: 4 });
  expect(await load(none, [none.port], { keys: 4, repeatShare: 0 })).toMatchObject({ wrongReplays: 4 });
});

it('asks again where it may and ends where it must', async () => {
  const server = await lying((arrival) => {
    const n = Number(arrival.key.split('-').at(-1));
    if (n === 0)
      problem(arrival, 409, {
        code: 'outcome-unknown',
        retryable: false,
        sameKey: true,
        executed: 'unknown',
      });
    else if (n === 1)
      problem(arrival, 409, { code: 'in-flight', retryable: true, sameKey: true, executed: 'unknown' });
    else if (n === 2) arrival.reset();
    else if (n === 3)
      problem(arrival, 400, { code: 'key-invalid', retryable: false, sameKey: false, executed: 'no' });
    else if (arrival.arrival < 3) arrival.answer(503, 'busy');
    else executeAndAnswer(arrival);
  });

  const result = await load(server, [server.port], { keys: 6, keyMsMax: 2_000, repeatShare: 0 });

  expect(result).toMatchObject({ keys: 6, charged: 2, unknown: 1, gaveUp: 2, refused: 1 });
  expect(result.answers).toMatchObject({ 201: 2, 503: 4, 'key-invalid': 1, 'outcome-unknown': 1 });
});

it('makes no more requests for an answer than it may', async () => {
  const server = await lying((arrival) => arrival.answer(503, 'busy'));

  const result = await load(server, [server.port], { keys: 3, attemptsMax: 2 });

  expect(result).toMatchObject({ gaveUp: 3, attempts: 6 });
});

it('begins no key after the stop, and keeps the pace', async () => {
  const server = await lying(executeAndAnswer);
  const stop = new AbortController();

  const stopped = await load(server, [server.port], {
    keys: 1_000_000,
    stop: stop.signal,
    onEnd: (key) => {
      if (key.endsWith('-20')) stop.abort();
    },
  });
  const paced = await load(server, [server.port], { keys: 21, pacePerSecond: 100, keyPrefix: 'paced' });

  expect(stopped.keys).toBeLessThan(40);
  expect(stopped.charged).toBe(stopped.keys);
  expect(paced.seconds).toBeGreaterThan(0.19);
});

async function lying(behaviour: (arrival: Arrival) => void): Promise<CountingBackend> {
  const server = await startCountingBackend(behaviour);
  closers.push(() => server.close());
  return server;
}

function problem(arrival: Arrival, status: number, members: Readonly<Record<string, unknown>>): void {
  arrival.answer(status, JSON.stringify(members), { 'Content-Type': 'application/problem+json' });
}

async function load(
  backend: CountingBackend,
  ports: readonly number[],
  change: Partial<LoadOptions>,
): Promise<LoadResult> {
  return await runLoad({
    backend,
    ports: () => ports,
    clients: 4,
    keys: 1,
    seed: 7,
    keyPrefix: 'load',
    ...change,
  });
}
