import { afterEach, describe, expect, it } from 'vitest';
import { baseConfig, type ChildProxy, startChildProxy, temporaryFolder } from '../support/child-proxy.ts';
import {
  type Arrival,
  type CountingBackend,
  executeAndAnswer,
  startCountingBackend,
} from '../support/counting-backend.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { until } from '../support/until.ts';

/** A holder is killed between the effect and the record; the backend knows what it did, and is asked. */

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Kind = 'lmdb' | 'redis' | 'postgres';

/** A short lease is soon over; a deadline that a busy machine passes would keep the request from the backend. */
const TIMES: Readonly<Record<Kind, { readonly lease: string; readonly deadline: string }>> = {
  lmdb: { lease: '1s', deadline: '300ms' },
  redis: { lease: '1s', deadline: '300ms' },
  postgres: { lease: '3s', deadline: '1s' },
};

/** Its address; what was started for it is closed with the test. */
async function storeUrl(kind: Kind, folder: string): Promise<string> {
  if (kind === 'lmdb') return `lmdb:${folder}/store`;
  const server = await (kind === 'redis' ? startRedisServer() : startPostgresServer());
  closers.push(() => server.remove());
  return server.url;
}

type Stage = {
  readonly backend: CountingBackend;
  readonly probes: () => number;
  start(): Promise<ChildProxy>;
};

/** `executes`: whether the backend acts before its proxy dies. */
async function stage(
  kind: Kind,
  route: object,
  executes: 'executes' | 'does-not',
  sweep: object | 'off' = 'off',
): Promise<Stage> {
  const { lease, deadline } = TIMES[kind];
  const done = new Map<string, number>();
  let probes = 0;
  let hang: 'first' | 'none' = 'first';
  const behave = (arrival: Arrival): void => {
    if (arrival.request.method === 'GET') {
      probes += 1;
      const key = new URL(arrival.request.url ?? '', 'http://h').searchParams.get('key') ?? '';
      const execution = done.get(key);
      arrival.answer(200, JSON.stringify({ data: execution === undefined ? [] : [{ key, execution }] }));
    } else if (hang === 'first') {
      hang = 'none';
      // The effect without the answer.
      if (executes === 'executes') done.set(arrival.key, arrival.execute());
    } else executeAndAnswer(arrival);
  };
  const backend = await startCountingBackend(behave);
  closers.push(() => backend.close());
  const folder = temporaryFolder();
  closers.push(() => folder.remove());
  const url = await storeUrl(kind, folder.path);
  const file = folder.config({
    ...baseConfig(backend.origin, { url, deadline }),
    ...(kind === 'lmdb' ? {} : { secrets: ['0123456789abcdef0123456789abcdef'] }),
    // Of all routes: over Redis no quiet time is shorter than the longest lease (src/store/quiet-watch.ts).
    defaults: { lease },
    routes: [
      {
        name: 'charges',
        reconcile: {
          request: { path: '/charges?key={key}' },
          rules: [
            {
              when: { status: 200, json: { '/data/0/key': '{key}' } },
              verdict: 'completed',
              replay: { status: 201, body: '/data/0' },
            },
            { when: { status: 200, json: { '/data': [] } }, verdict: 'did-not-happen' },
          ],
          sweep,
        },
        ...route,
      },
    ],
  });
  return {
    backend,
    probes: () => probes,
    async start() {
      const proxy = await startChildProxy(['--config', file]);
      closers.push(() => proxy.kill());
      return proxy;
    },
  };
}

async function killMidFlight({ backend, start }: Stage): Promise<void> {
  const holder = await start();
  const arrived = backend.nextArrival();
  const sent = sendRequest(holder.port, { headers: keyed('k1') }).catch(() => 'broken');
  await arrived;
  await holder.kill();
  expect(await sent).toBe('broken');
}

const ask = (proxy: ChildProxy): Promise<Answer> => sendRequest(proxy.port, { headers: keyed('k1') });

/** Joined or refused while the lease of the dead holder lives. */
const inFlight = (answer: Answer): boolean => problemCode(answer) === 'in-flight';

describe.each(['lmdb', 'redis', 'postgres'] as const)('an unknown outcome on %s', (kind) => {
  it('that the backend knows is replayed to the very next repeat, within a second', async () => {
    const played = await stage(kind, { inFlight: 'reject' }, 'executes');
    await killMidFlight(played);
    const proxy = await played.start();
    const asked: { readonly answer: Answer; readonly ms: number }[] = [];

    await until('the lease is over', async () => {
      const startMs = performance.now();
      const answer = await ask(proxy);
      asked.push({ answer, ms: performance.now() - startMs });
      return inFlight(answer) ? null : answer;
    });

    const last = asked.at(-1);
    expect(last?.answer.body.toString()).toBe('{"key":"k1","execution":1}');
    expect([last?.answer.status, last?.answer.headers['idempotency-status']]).toEqual([201, 'replayed']);
    expect(last?.ms).toBeLessThan(1000);
    expect([played.backend.executions('k1'), played.probes()]).toEqual([1, 1]);
  });
});

describe.each(['lmdb', 'redis'] as const)('an unknown outcome on %s', (kind) => {
  it('that did not happen is executed once after the quiet time, by two proxies that ask at once', async () => {
    const played = await stage(kind, { inFlight: 'reject', quiet: '1500ms' }, 'does-not');
    // Before it: a start may take longer than lease and quiet time together.
    const proxies = [await played.start(), await played.start()] as const;
    await killMidFlight(played);
    const seen: Answer[] = [];

    await until('it is executed', async () => {
      const both = await Promise.all(proxies.map(ask));
      seen.push(...both);
      return both.every(({ status }) => status === 201) ? both : null;
    });

    expect(seen.some((answer) => problemCode(answer) === 'outcome-unknown')).toBe(true);
    expect(played.backend.executions('k1')).toBe(1);
    expect(new Set(seen.filter(({ status }) => status === 201).map(({ body }) => body.toString())).size).toBe(
      1,
    );
  });
});

describe('the sweeper of a running proxy', () => {
  it('ends an unknown outcome before anybody repeats it', async () => {
    const played = await stage('lmdb', {}, 'executes', { interval: '1s' });
    await killMidFlight(played);

    const proxy = await played.start();
    const line = await proxy.logLine(({ msg }) => msg === 'resolved');

    expect(line).toMatchObject({ by: 'probe', route: 'charges', to: 'completed' });
    const answer = await ask(proxy);
    expect([answer.status, answer.headers['idempotency-status']]).toEqual([201, 'replayed']);
    expect([played.backend.executions('k1'), played.probes()]).toEqual([1, 1]);
  });
});
