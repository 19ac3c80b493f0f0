import process from 'node:process';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { executeAndAnswer } from '../support/counting-backend.ts';
import { type CrewStage, crewStage, pidsOf, sumOf } from '../support/crew.ts';
import { finish, inExecution, type LmdbStage, lmdbStage } from '../support/lmdb-stage.ts';
import { checkMetrics } from '../support/prometheus.ts';
import { type Answer, keyed, problemCode, sendRequest, until } from '../support/send-request.ts';

/** Several worker processes behind one port and one store: what happens when some of them end or hang. */

// Every test starts three processes, some of them more than once.
vi.setConfig({ testTimeout: 90_000 });

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Stage = Omit<LmdbStage, 'configure'> & CrewStage;

async function start(config: Record<string, unknown> = {}, deadline?: string): Promise<Stage> {
  const stage = await lmdbStage(closers);
  return { ...stage, ...(await crewStage(stage, 2, config, deadline)) };
}

/** The worker that has the one request in flight. */
async function holderOf({ status }: CrewStage): Promise<number> {
  const { workers } = await until(status, (seen) => seen.inFlight === 1);
  return workers.find(({ inFlight }) => inFlight === 1)?.pid ?? 0;
}

async function count(port: number, requests: number, prefix: string): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: requests }, (_, n) => sendRequest(port, { headers: keyed(`${prefix}-${n}`) })),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: requests }, () => 201));
}

/** As a client should: a connection that was taken by the one that ends is told so, and its request sent again. */
async function served(port: number, key: string): Promise<Answer> {
  const answer = await sendRequest(port, { headers: keyed(key) });
  return problemCode(answer) === 'draining' ? await served(port, key) : answer;
}

const REQUESTS = 'onceward_requests_total';
const SECONDS_COUNT = 'onceward_request_duration_seconds_count';

describe('several workers', () => {
  it('answer a repeat from any of them, and the operator sees them as one', async () => {
    const { proxy, backend, status, metrics } = await start();

    await count(proxy.port, 40, 'one');
    await count(proxy.port, 40, 'one');
    const seen = await until(metrics, (text) => sumOf(text, REQUESTS) === 80);
    // The workers tell now and then: how many are in flight may be of a moment ago.
    const { workers, state, inFlight } = await until(status, (told) => told.inFlight === 0);

    expect(backend.executionsOfAll()).toBe(40);
    expect(workers.map(({ worker, state }) => [worker, state])).toEqual([
      [0, 'listening'],
      [1, 'listening'],
    ]);
    expect([state, inFlight]).toEqual(['serving', 0]);
    expect(sumOf(seen, REQUESTS, 'outcome="replayed"')).toBe(40);
    expect(sumOf(seen, SECONDS_COUNT)).toBe(80);
    expect(sumOf(seen, 'onceward_workers')).toBe(2);
    for (const worker of ['primary', '0', '1'])
      expect(sumOf(seen, 'process_resident_memory_bytes', `worker="${worker}"`)).toBeGreaterThan(0);
    expect(checkMetrics(seen)).toEqual({ status: 0, output: '' });
  });

  it('tell the in-flight requests of all of them', async () => {
    const { proxy, backend, status } = await start();
    const { arrival, answer } = await inExecution(backend, proxy, 'counted');

    const busy = await until(status, (seen) => seen.inFlight === 1);
    finish(arrival);
    await answer;
    const idle = await until(status, (seen) => seen.inFlight === 0);

    expect([busy.inFlight, idle.inFlight]).toEqual([1, 0]);
  });

  it('all take over a reload', async () => {
    const { proxy, configure } = await start();

    configure({ unmatched: 'not-found' });
    proxy.signal('SIGHUP');
    await proxy.logLine((line) => line.msg === 'configuration loaded');
    await until(
      () =>
        Promise.all(Array.from({ length: 20 }, () => sendRequest(proxy.port, { headers: keyed('gone') }))),
      (answers) => answers.every((answer) => problemCode(answer) === 'not-found'),
    );

    const loaded = proxy.output().match(/configuration loaded/g);
    expect(loaded).toHaveLength(1);
  });

  it('say that their number waits for a restart', async () => {
    const { proxy, configure } = await start();

    configure({ workers: 3 });
    proxy.signal('SIGHUP');
    const line = await proxy.logLine(({ msg }) => msg === 'configuration loaded');

    expect(line.restartNeeded).toEqual(['workers']);
  });
});

describe('a worker that is killed', () => {
  it('is started again while the others serve, and its claim becomes unknown, never executed again', async () => {
    const crew = await start({ defaults: { lease: '3s', inFlight: 'reject' } }, '1s');
    const { proxy, backend, metrics, listening } = crew;
    const { answer } = await inExecution(backend, proxy, 'held');
    const broken = answer.then(
      () => 'whole',
      () => 'broken',
    );
    const holder = await holderOf(crew);
    backend.behave(executeAndAnswer);

    process.kill(holder, 'SIGKILL');
    const end = await broken;
    await count(proxy.port, 20, 'meanwhile');
    const late = await until(
      () => sendRequest(proxy.port, { headers: keyed('held') }),
      (seen) => problemCode(seen) !== 'in-flight',
    );
    await listening(2);
    const line = await proxy.logLine(({ msg }) => msg === 'worker ended, is started again');

    expect(end).toBe('broken');
    expect(problemCode(late)).toBe('outcome-unknown');
    expect(backend.executions('held')).toBe(1);
    expect(line.cause).toBe('SIGKILL');
    expect(sumOf(await metrics(), 'onceward_worker_restarts_total')).toBe(1);
  });

  it('leaves its counts behind: no sum goes backwards', async () => {
    const { proxy, metrics, status, listening } = await start();
    await count(proxy.port, 60, 'before');
    await until(metrics, (text) => sumOf(text, REQUESTS) === 60);

    for (const pid of pidsOf(await status())) {
      process.kill(pid, 'SIGKILL');
      await until(status, (seen) => !pidsOf(seen).includes(pid));
      await listening(2);
    }
    const after = await metrics();
    await count(proxy.port, 40, 'after');
    const both = await until(metrics, (text) => sumOf(text, REQUESTS) === 100);

    expect(sumOf(after, REQUESTS)).toBe(60);
    expect(sumOf(after, SECONDS_COUNT)).toBe(60);
    expect(sumOf(both, SECONDS_COUNT)).toBe(100);
    expect(sumOf(both, 'onceward_store_operation_duration_seconds_count', 'operation="claim"')).toBe(100);
    expect(checkMetrics(both).status).toBe(0);
  });

  it('with SIGTERM ends what it has in flight, and another takes its place', async () => {
    const crew = await start();
    const { proxy, backend, status, listening } = crew;
    const { arrival, answer } = await inExecution(backend, proxy, 'kept');
    const pid = await holderOf(crew);

    process.kill(pid, 'SIGTERM');
    process.kill(pid, 'SIGTERM');
    backend.behave(executeAndAnswer);
    const others = await Promise.all(Array.from({ length: 20 }, (_, n) => served(proxy.port, `others-${n}`)));
    finish(arrival);
    const whole = await answer;
    await until(status, (seen) => !pidsOf(seen).includes(pid));
    await listening(2);

    expect(whole.status).toBe(201);
    expect(others.map((other) => other.status)).toEqual(others.map(() => 201));
    expect(backend.executionsOfAll()).toBe(21);
    expect(backend.executions('kept')).toBe(1);
  });
});

describe('when every worker drains by itself', () => {
  it('the whole is not ready meanwhile', async () => {
    const { proxy, backend, status, operatorPort } = await start({ drain: { delay: '3s' } });
    const { arrival, answer } = await inExecution(backend, proxy, 'kept');
    for (const pid of pidsOf(await status())) process.kill(pid, 'SIGTERM');

    const ready = await until(
      () => sendRequest(operatorPort, { method: 'GET', path: '/readyz' }),
      (seen) => seen.status === 503,
    );
    finish(arrival);
    await answer;
    const again = await until(
      () => sendRequest(operatorPort, { method: 'GET', path: '/readyz' }),
      (seen) => seen.status === 200,
      60_000,
    );

    expect(ready.body.toString()).toContain('draining');
    expect(again.status).toBe(200);
  });
});

describe('a worker that hangs', () => {
  it('costs a scrape its numbers of this moment and nothing else; the sums stay', async () => {
    const { proxy, metrics, status } = await start();
    await count(proxy.port, 30, 'before');
    await until(metrics, (text) => sumOf(text, REQUESTS) === 30);
    const [stopped = 0] = pidsOf(await status());
    process.kill(stopped, 'SIGSTOP');
    closers.push(() => void process.kill(stopped, 'SIGCONT'));

    const first = await metrics();
    const secondMs = await timed(metrics);
    await count(proxy.port, 30, 'meanwhile');
    await until(metrics, (text) => sumOf(text, REQUESTS) === 60);
    process.kill(stopped, 'SIGCONT');
    await until(metrics, (text) => text.includes('process_resident_memory_bytes{worker="0"}'));

    expect(sumOf(first, REQUESTS)).toBe(30);
    expect(first).not.toContain('process_resident_memory_bytes{worker="0"}');
    expect(first).toContain('process_resident_memory_bytes{worker="1"}');
    // The first scrape waits half a second for it, the later ones do not.
    expect(secondMs).toBeLessThan(450);
  });
});

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}
