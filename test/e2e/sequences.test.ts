import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { baseConfig, type ChildProxy, startChildProxy, temporaryFolder } from '../support/child-proxy.ts';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { seededRandom } from '../support/seeded.ts';
import { type Answer, problemCode, sendRequest } from '../support/send-request.ts';
import { until } from '../support/until.ts';

/** Requests of one producer at two proxies before one store, with the client of examples/ and without it. */

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Client = {
  send(item: unknown): Promise<{ readonly status: number; readonly text: string | null }>;
  state(): { readonly producerId: string; readonly epoch: number; readonly sequence: number };
};
type ClientModule = {
  createProducer(options: Readonly<Record<string, unknown>>): Client;
  readonly Fenced: new () => Error;
};

// By its path: it is JavaScript, as whoever copies it has it.
const EXAMPLE: string = join(import.meta.dirname, '../../examples/sequence-client.mjs');
const { createProducer, Fenced } = (await import(EXAMPLE)) as ClientModule;

const PRODUCERS = '/.well-known/onceward/producers';
const CALLER = { Authorization: 'Bearer one' };

type Stage = {
  readonly backend: CountingBackend;
  /** `epoch/number` of what the backend did, in order. */
  readonly order: string[];
  start(): Promise<ChildProxy>;
};

async function stage(kind: 'lmdb' | 'redis', route: object = {}): Promise<Stage> {
  const order: string[] = [];
  const backend = await startCountingBackend((arrival) => execute(order, arrival));
  closers.push(() => backend.close());
  const folder = temporaryFolder();
  closers.push(() => folder.remove());
  let url = `lmdb:${folder.path}/store`;
  if (kind === 'redis') {
    const server = await startRedisServer();
    closers.push(() => server.remove());
    url = server.url;
  }
  const file = folder.config({
    ...baseConfig(backend.origin, { url, deadline: '300ms' }),
    ...(kind === 'lmdb' ? {} : { secrets: ['0123456789abcdef0123456789abcdef'] }),
    defaults: { lease: '1s' },
    routes: [{ name: 'stock', match: { path: '/v1/stock' }, keyspace: 'stock', sequence: {}, ...route }],
  });
  return {
    backend,
    order,
    async start() {
      const proxy = await startChildProxy(['--config', file]);
      closers.push(() => proxy.kill());
      return proxy;
    },
  };
}

function nameOf({ request }: Arrival): string {
  return `${request.headers['producer-epoch']}/${request.headers['producer-sequence']}`;
}

function execute(order: string[], arrival: Arrival): void {
  order.push(nameOf(arrival));
  arrival.answer(201, JSON.stringify({ did: nameOf(arrival), execution: order.length }));
}

async function issue(proxy: ChildProxy): Promise<string> {
  const answer = await sendRequest(proxy.port, { path: PRODUCERS, headers: CALLER });
  return JSON.parse(answer.body.toString()).producerId;
}

async function newEpoch(proxy: ChildProxy, id: string): Promise<Answer> {
  return await sendRequest(proxy.port, { path: `${PRODUCERS}/${id}/epoch`, headers: CALLER });
}

function send(proxy: ChildProxy, id: string, epoch: number, sequence: number): Promise<Answer> {
  const numbers = { 'Producer-Epoch': String(epoch), 'Producer-Sequence': String(sequence) };
  return sendRequest(proxy.port, {
    path: '/v1/stock',
    body: `{"n":${sequence}}`,
    headers: { ...CALLER, 'Producer-Id': id, ...numbers },
  });
}

function stateOf(answer: Answer): string {
  return problemCode(answer) || String(answer.headers['idempotency-status']);
}

/** The backend knows what it did, by what names a request of a producer. */
const ASKED = {
  quiet: '100ms',
  reconcile: {
    request: { path: '/did?key={key}' },
    rules: [
      {
        when: { status: 200, json: { '/key': '{key}' } },
        verdict: 'completed',
        replay: { status: 201, body: '/answer' },
      },
      { when: { status: 404 }, verdict: 'did-not-happen' },
    ],
    sweep: 'off',
  },
};

describe.each(['lmdb', 'redis'] as const)('a producer before two proxies on %s', (kind) => {
  it('has all it sends executed once and in order, though answers are lost and a proxy is killed at work', async () => {
    const { backend, order, start } = await stage(kind, { ...ASKED, quiet: '2s' });
    const random = seededRandom(7);
    const done = new Map<string, string>();
    let killed: Promise<void> | null = null;
    const proxies = [await start(), await start()];
    backend.behave((arrival) => {
      if (arrival.request.method === 'GET') {
        const key = new URL(arrival.request.url ?? '', 'http://h').searchParams.get('key') ?? '';
        const answer = done.get(key);
        if (answer === undefined) arrival.answer(404, '{}');
        else arrival.answer(200, `{"key":${JSON.stringify(key)},"answer":${answer}}`);
        return;
      }
      const { headers } = arrival.request;
      const key = `${headers['producer-id']}/${nameOf(arrival)}`;
      // Refused for the moment: the same number comes again.
      if (random() < 0.2) return arrival.answer(503, '{}');
      order.push(nameOf(arrival));
      done.set(key, JSON.stringify({ did: nameOf(arrival) }));
      if (order.length === 12) {
        // The effect is there, the answer never will be.
        killed = proxies[0]?.kill() ?? null;
      } else if (random() < 0.1) arrival.reset();
      else arrival.answer(201, done.get(key) ?? '');
    });
    const producer = createProducer({
      origins: proxies.map(({ port }) => `http://127.0.0.1:${port}`),
      path: '/v1/stock',
      route: 'stock',
      headers: CALLER,
      batchMax: 1,
    });

    const answers = await Promise.all(Array.from({ length: 25 }, (_, n) => producer.send({ n })));

    await killed;
    expect(order).toEqual(Array.from({ length: 25 }, (_, n) => `0/${n}`));
    expect(answers.map(({ text }) => JSON.parse(text ?? '{}').did)).toEqual(order);
  });

  it('replays the last five at any proxy, and not the one before them', async () => {
    const { order, start } = await stage(kind);
    const [one, two] = [await start(), await start()];
    const id = await issue(one);

    for (let n = 0; n < 6; n++) await send(n % 2 === 0 ? one : two, id, 0, n);
    const again = await Promise.all([0, 1, 2, 3, 4, 5].map((n) => send(n % 2 === 0 ? two : one, id, 0, n)));

    expect(again.map(stateOf)).toEqual(['sequence-too-old', ...Array(5).fill('replayed')]);
    expect(again[1]?.body.toString()).toBe('{"did":"0/1","execution":2}');
    expect(order).toEqual(['0/0', '0/1', '0/2', '0/3', '0/4', '0/5']);
  });

  it('executes what comes in any order at either proxy in the order of its numbers', async () => {
    const { order, start } = await stage(kind, { inFlight: { wait: '10s', waiters: 20 } });
    const proxies = [await start(), await start()] as const;
    const id = await issue(proxies[0]);
    // Five numbers, each at both proxies, backwards.
    const asked = [4, 3, 2, 1, 0].flatMap((n) => proxies.map((proxy) => [proxy, n] as const));

    const answers = await Promise.all(asked.map(([proxy, n]) => send(proxy, id, 0, n)));

    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(201));
    expect(answers.filter((answer) => stateOf(answer) === 'executed')).toHaveLength(5);
    expect(order).toEqual(['0/0', '0/1', '0/2', '0/3', '0/4']);
  });

  it('with a newer epoch waits for what the older one has in flight, and fences all else of it', async () => {
    const { backend, order, start } = await stage(kind, { inFlight: { wait: '10s', waiters: 20 } });
    const [one, two] = [await start(), await start()];
    const id = await issue(one);
    const held: Arrival[] = [];
    backend.behave((arrival) => {
      if (nameOf(arrival) === '0/0') held.push(arrival);
      else execute(order, arrival);
    });
    const arrived = backend.nextArrival();
    const older = send(one, id, 0, 0);
    await arrived;

    const bumped = JSON.parse((await newEpoch(two, id)).body.toString());
    const newer = send(two, id, 1, 0);
    const stale = await Promise.all([send(one, id, 0, 1), send(two, id, 0, 0)]);
    for (const arrival of held) execute(order, arrival);

    expect(bumped).toMatchObject({ epoch: 1, sequences: [{ epoch: 0, sequence: 0, outcome: 'in-flight' }] });
    expect(stale.map(stateOf)).toEqual(['producer-fenced', 'producer-fenced']);
    expect([stateOf(await older), stateOf(await newer)]).toEqual(['executed', 'executed']);
    expect(order).toEqual(['0/0', '1/0']);
  });

  it('has one holder: another that takes over stops the first', async () => {
    const { order, start } = await stage(kind);
    const proxies = [await start(), await start()];
    const options = {
      origins: proxies.map(({ port }) => `http://127.0.0.1:${port}`),
      path: '/v1/stock',
      route: 'stock',
      headers: CALLER,
    };
    const first = createProducer(options);
    await first.send('a');

    const second = createProducer({ ...options, producer: first.state() });
    await second.send('b');
    const stopped = first.send('c');

    await expect(stopped).rejects.toBeInstanceOf(Fenced);
    await second.send('d');
    expect(order).toEqual(['0/0', '1/0', '1/1']);
  });

  it('that two fight over never has an older epoch executed after a newer one, nor anything twice', async () => {
    const { order, start } = await stage(kind);
    const proxies = [await start(), await start()];
    const first = createProducer({
      origins: proxies.map(({ port }) => `http://127.0.0.1:${port}`),
      path: '/v1/stock',
      route: 'stock',
      headers: CALLER,
    });
    await first.send('begin');
    const contender = (at: number): Client =>
      createProducer({
        origins: [`http://127.0.0.1:${proxies[at]?.port}`],
        path: '/v1/stock',
        route: 'stock',
        headers: CALLER,
        producer: first.state(),
        whenFenced: 'take-over',
        batchMax: 1,
      });

    const both = [contender(0), contender(1)];
    const ends = await Promise.allSettled(
      both.flatMap((one) => Array.from({ length: 8 }, (_, n) => one.send(n))),
    );

    const epochs = order.map((name) => Number(name.split('/')[0]));
    expect(epochs).toEqual(epochs.toSorted((a, b) => a - b));
    expect(new Set(order).size).toBe(order.length);
    // Whoever was told that it was executed was told the truth.
    expect(order.length).toBeGreaterThanOrEqual(
      ends.filter(({ status }) => status === 'fulfilled').length + 1,
    );
  });

  it('that expires is unknown from one retry to the next, and the request is never executed again', async () => {
    const { order, start } = await stage(kind, { sequence: { producerRetain: '3s' } });
    const proxies = [await start(), await start()] as const;
    const id = await issue(proxies[0]);
    await send(proxies[0], id, 0, 0);

    const seen: string[] = [];
    await until('the producer is unknown', async () => {
      const both = await Promise.all(proxies.map((proxy) => send(proxy, id, 0, 0)));
      seen.push(...both.map(stateOf));
      return both.every((answer) => stateOf(answer) === 'producer-unknown') ? seen : null;
    });

    expect(seen.every((state) => state === 'replayed' || state === 'producer-unknown')).toBe(true);
    expect(order).toEqual(['0/0']);
  });
});
