import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Client } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { Connections, type Slot, type Waiting } from '../../src/http/connections.ts';
import { keyedPost, requestText } from './request-text.ts';
import { codeOf, createStage, says } from './stage.ts';

/** How many requests are at the backend at once, and who comes next. */

const stage = createStage();
afterEach(() => stage.close());

type Queued = Waiting & { readonly name: string };

function pool(connectionsMax: number) {
  const made: Client[] = [];
  const destroyed: Client[] = [];
  const ran: string[] = [];
  let nowMs = 0;
  const connections = new Connections<Queued>({
    connectionsMax,
    keyedReuse: 'recent',
    nowMs: () => nowMs,
    createClient: () => {
      const client = {
        destroy: async () => void destroyed.push(client),
        // Of a client the queue uses nothing but its end.
      } as unknown as Client;
      made.push(client);
      return client;
    },
  });
  return {
    connections,
    made,
    destroyed,
    ran,
    queued: (name: string): Queued => ({ name, sockets: 'keyed' as const, run: () => void ran.push(name) }),
    pass: (ms: number) => {
      nowMs += ms;
    },
    taken(sockets: 'keyed' | 'shared'): Slot {
      const slot = connections.take(sockets);
      if (slot === null) throw new Error('no connection free');
      return slot;
    },
  };
}

describe('connections to the upstream', () => {
  it('are made on demand, and no more than the limit', () => {
    const { connections, made } = pool(2);

    const slots = [connections.take('keyed'), connections.take('shared'), connections.take('keyed')];

    expect([slots.map((slot) => slot !== null), made.length]).toEqual([[true, true, false], 2]);
  });

  it('serve those who wait in the order in which they came', () => {
    const { connections, queued, ran, taken } = pool(1);
    const slot = taken('shared');
    for (const name of ['first', 'second', 'third']) connections.wait(queued(name));

    connections.give(slot);
    connections.give(slot);
    connections.give(slot);

    expect(ran).toEqual(['first', 'second', 'third']);
  });

  it('forget who gave up waiting, wherever it stood', () => {
    const { connections, queued, ran, taken } = pool(1);
    const slot = taken('shared');
    const [first, second, third] = [queued('first'), queued('second'), queued('third')];
    for (const one of [first, second, third]) connections.wait(one);

    connections.leave(second);
    connections.give(slot);
    connections.give(slot);
    connections.give(slot);

    expect([ran, connections.take('shared')]).toEqual([['first', 'third'], slot]);
  });

  it('are used again, the last used first', () => {
    const { connections, made, taken } = pool(3);
    const [one, two] = [taken('shared'), taken('shared')];

    connections.give(two);
    connections.give(one);

    expect([connections.take('shared'), connections.take('shared'), made.length]).toEqual([one, two, 2]);
  });

  it.for([
    ['keyed', 999, 'kept'],
    ['keyed', 1_000, 'fresh'],
    ['shared', 1_000, 'kept'],
  ] as const)('for a %s request one that was idle for %i ms is %s', ([sockets, idleMs, expected]) => {
    const { connections, made, destroyed, pass, taken } = pool(1);
    const slot = taken('shared');
    const before = slot.client;

    connections.give(slot);
    pass(idleMs);
    const again = taken(sockets);

    expect(again.client === before ? 'kept' : 'fresh').toBe(expected);
    expect([destroyed.length, made.length]).toEqual(expected === 'fresh' ? [1, 2] : [0, 1]);
  });
});

it('requests that wait for a busy connection are given up unsent after the queue time', async () => {
  const upstream = await stage.scripted();
  upstream.script('hold', [says('held', { kind: 'gate', gate: 'go' })]);
  const proxy = await stage.proxyTo(upstream.port, { upstream: 'connections: 1, queueTimeout: 100ms' });
  const holder = await stage.client(proxy);
  holder.send(keyedPost('/conf/hold/x', 'h'));
  await upstream.hit('hold', 1);

  const client = await stage.client(proxy);
  client.send(
    keyedPost('/conf/queued/x', 'q1') +
      keyedPost('/conf/queued/x', 'q2') +
      requestText('GET', '/conf/queued/x') +
      requestText('POST', '/conf/queued/x', [], 'unkeyed'),
  );
  const answers = [
    await client.answer(),
    await client.answer(),
    await client.answer(),
    await client.answer(),
  ];
  upstream.open('hold', 'go');
  const held = await holder.answer();

  expect(answers.map(({ status, body }) => [status, codeOf(body)])).toEqual(
    answers.map(() => [502, 'upstream-unreachable']),
  );
  expect(JSON.parse(answers[0]?.body.toString() ?? '')).toMatchObject({ executed: 'no', retryable: true });
  expect([held.body.toString(), upstream.seen('queued').length]).toEqual(['held', 0]);
});

it('a request that was given up in the queue can be tried again with its key', async () => {
  const upstream = await stage.scripted();
  upstream.script('hold', [says('held', { kind: 'gate', gate: 'go' })]);
  upstream.script('again', [says('done')]);
  const proxy = await stage.proxyTo(upstream.port, { upstream: 'connections: 1, queueTimeout: 100ms' });
  const holder = await stage.client(proxy);
  holder.send(keyedPost('/conf/hold/x', 'h'));
  await upstream.hit('hold', 1);
  const client = await stage.client(proxy);
  client.send(keyedPost('/conf/again/x'));
  await client.answer();

  upstream.open('hold', 'go');
  await holder.answer();
  client.send(keyedPost('/conf/again/x'));
  const answer = await client.answer();

  expect([answer.status, answer.body.toString(), upstream.seen('again').length]).toEqual([200, 'done', 1]);
});

it('keyed and unkeyed requests together never exceed the connections at the backend', async () => {
  const held: ServerResponse[] = [];
  let atOnceMax = 0;
  let hits = 0;
  let arrived = Promise.withResolvers<void>();
  const backend = createServer((request, response) => {
    request.resume();
    hits += 1;
    held.push(response);
    atOnceMax = Math.max(atOnceMax, held.length);
    arrived.resolve();
    arrived = Promise.withResolvers();
  });
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  stage.atEnd(async () => {
    backend.closeAllConnections();
    backend.close();
  });
  // It listens on an address and a port, not on a path.
  const { port } = backend.address() as AddressInfo;
  const proxy = await stage.proxyTo(port, { upstream: 'connections: 2' });
  const requests: string[] = [];
  for (let n = 0; n < 5; n += 1)
    requests.push(keyedPost('/a', `k${n}`), requestText('POST', '/b', [], 'unkeyed'));
  const clients = await Promise.all(requests.map(() => stage.client(proxy)));
  const last = await stage.client(proxy);

  for (const [nth, client] of clients.entries()) client.send(requests[nth] ?? '');
  // Refused by its head alone, and sent after all others.
  last.send(requestText('GET', '/a/../b'));
  await proxy.logged((line) => line.problem === 'bad-request');
  const answers: number[] = [];
  for (let left = requests.length; left > 0; left -= 1) {
    while (held.length < Math.min(2, left)) await arrived.promise;
    held.shift()?.end('ok');
  }
  for (const client of clients) answers.push((await client.answer()).status);

  expect([answers, hits, atOnceMax]).toEqual([requests.map(() => 200), requests.length, 2]);
});
