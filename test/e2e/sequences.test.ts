import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ChildProxy } from '../support/child-proxy.ts';
import type { Arrival } from '../support/counting-backend.ts';
import { seededRandom } from '../support/seeded.ts';
import { type Answer, problemCode, sendRequest } from '../support/send-request.ts';
import { until } from '../support/until.ts';
import { execute, nameOf, openStage, type Stage } from './sequence-stage.ts';

/** Requests of one producer at two proxies before one store, with the client of examples/ and without it. */

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

async function issue(proxy: ChildProxy, route = 'stock'): Promise<string> {
  const answer = await sendRequest(proxy.port, { path: `${PRODUCERS}?route=${route}`, headers: CALLER });
  return JSON.parse(answer.body.toString()).producerId;
}

async function newEpoch(proxy: ChildProxy, id: string): Promise<Answer> {
  return await sendRequest(proxy.port, { path: `${PRODUCERS}/${id}/epoch?route=stock`, headers: CALLER });
}

function send(
  proxy: ChildProxy,
  id: string,
  epoch: number,
  sequence: number,
  path = '/v1/stock',
): Promise<Answer> {
  const numbers = { 'Producer-Epoch': String(epoch), 'Producer-Sequence': String(sequence) };
  return sendRequest(proxy.port, {
    path,
    body: `{"n":${sequence}}`,
    headers: { ...CALLER, 'Producer-Id': id, ...numbers },
  });
}

function stateOf(answer: Answer): string {
  return problemCode(answer) || String(answer.headers['idempotency-status']);
}

describe.each(['lmdb', 'redis'] as const)('a producer before two proxies on %s', (kind) => {
  let stage: Stage;
  let one: ChildProxy;
  let two: ChildProxy;

  beforeAll(async () => {
    stage = await openStage(kind);
    [one, two] = await Promise.all([stage.start(), stage.start()]);
  });

  beforeEach(() => {
    stage.order.length = 0;
    stage.backend.behave((arrival) => execute(stage.order, arrival));
  });

  afterAll(() => stage?.close());

  it('has all it sends executed once and in order, though answers are lost and a proxy is killed at work', async () => {
    const { backend, order } = stage;
    const victim = await stage.start();
    const random = seededRandom(7);
    const done = new Map<string, string>();
    let killed: Promise<void> | null = null;
    const proxies = [victim, two];
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
        killed = victim.kill();
      } else if (random() < 0.1) arrival.reset();
      else arrival.answer(201, done.get(key) ?? '');
    });
    const producer = createProducer({
      origins: proxies.map(({ port }) => `http://127.0.0.1:${port}`),
      path: '/v1/asked',
      route: 'asked',
      headers: CALLER,
      batchMax: 1,
    });

    const answers = await Promise.all(Array.from({ length: 25 }, (_, n) => producer.send({ n })));

    await killed;
    expect(order).toEqual(Array.from({ length: 25 }, (_, n) => `0/${n}`));
    expect(answers.map(({ text }) => JSON.parse(text ?? '{}').did)).toEqual(order);
  });

  it('replays the last five at any proxy, and not the one before them', async () => {
    const { order } = stage;
    const id = await issue(one);

    for (let n = 0; n < 6; n++) await send(n % 2 === 0 ? one : two, id, 0, n);
    const again = await Promise.all([0, 1, 2, 3, 4, 5].map((n) => send(n % 2 === 0 ? two : one, id, 0, n)));

    expect(again.map(stateOf)).toEqual(['sequence-too-old', ...Array(5).fill('replayed')]);
    expect(again[1]?.body.toString()).toBe('{"did":"0/1","execution":2}');
    expect(order).toEqual(['0/0', '0/1', '0/2', '0/3', '0/4', '0/5']);
  });

  it('executes what comes in any order at either proxy in the order of its numbers', async () => {
    const { order } = stage;
    const proxies = [one, two] as const;
    const id = await issue(one);
    // Five numbers, each at both proxies, backwards.
    const asked = [4, 3, 2, 1, 0].flatMap((n) => proxies.map((proxy) => [proxy, n] as const));

    const answers = await Promise.all(asked.map(([proxy, n]) => send(proxy, id, 0, n, '/v1/patient')));

    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(201));
    expect(answers.filter((answer) => stateOf(answer) === 'executed')).toHaveLength(5);
    expect(order).toEqual(['0/0', '0/1', '0/2', '0/3', '0/4']);
  });

  it('with a newer epoch waits for what the older one has in flight, and fences all else of it', async () => {
    const { backend, order } = stage;
    const id = await issue(one);
    const held: Arrival[] = [];
    backend.behave((arrival) => {
      if (nameOf(arrival) === '0/0') held.push(arrival);
      else execute(order, arrival);
    });
    const arrived = backend.nextArrival();
    const older = send(one, id, 0, 0, '/v1/patient');
    await arrived;

    const bumped = JSON.parse((await newEpoch(two, id)).body.toString());
    const newer = send(two, id, 1, 0, '/v1/patient');
    const stale = await Promise.all([send(one, id, 0, 1, '/v1/patient'), send(two, id, 0, 0, '/v1/patient')]);
    for (const arrival of held) execute(order, arrival);

    expect(bumped).toMatchObject({ epoch: 1, sequences: [{ epoch: 0, sequence: 0, outcome: 'in-flight' }] });
    expect(stale.map(stateOf)).toEqual(['producer-fenced', 'producer-fenced']);
    expect([stateOf(await older), stateOf(await newer)]).toEqual(['executed', 'executed']);
    expect(order).toEqual(['0/0', '1/0']);
  });

  it('has one holder: another that takes over stops the first', async () => {
    const { order } = stage;
    const proxies = [one, two];
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
    const { order } = stage;
    const proxies = [one, two];
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
    const { order } = stage;
    const proxies = [one, two] as const;
    const id = await issue(one, 'short');
    await send(one, id, 0, 0, '/v1/short');

    const seen: string[] = [];
    await until('the producer is unknown', async () => {
      const both = await Promise.all(proxies.map((proxy) => send(proxy, id, 0, 0, '/v1/short')));
      seen.push(...both.map(stateOf));
      return both.every((answer) => stateOf(answer) === 'producer-unknown') ? seen : null;
    });

    expect(seen.every((state) => state === 'replayed' || state === 'producer-unknown')).toBe(true);
    expect(order).toEqual(['0/0']);
  });
});
