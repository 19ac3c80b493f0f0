import { randomUUID } from 'node:crypto';
import {
  createDefaultHttpClient,
  createHttpHeaders,
  createPipelineFromOptions,
  createPipelineRequest,
  type HttpMethods,
  type PipelineResponse,
} from '@azure/core-rest-pipeline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChildProxy } from '../support/child-proxy.ts';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { type SharedStore, startTwoProxies, type TwoProxies } from '../support/two-proxies.ts';
import { until } from '../support/until.ts';

/** `profile: azure-repeatability` and the pipeline that the clients of Azure are made of, with its own retries. */

function answerCall(arrival: Arrival): void {
  const execution = arrival.execute();
  // What a backend says of itself is not what is said of the key.
  arrival.answer(201, JSON.stringify({ execution, body: arrival.body }), {
    'Repeatability-Result': 'rejected',
  });
}

type Stage = TwoProxies & { readonly backend: CountingBackend };

async function stage(store: SharedStore): Promise<Stage> {
  const backend = await startCountingBackend(answerCall);
  const proxies = await startTwoProxies(store, backend.origin, [
    {
      name: 'unsupported',
      match: { path: '/unsupported' },
      profile: 'azure-repeatability',
      dialect: { repeatability: 'unsupported' },
    },
    {
      name: 'posts-only',
      match: { path: '/posts' },
      profile: 'azure-repeatability',
      keyIdempotentMethods: false,
    },
    { name: 'calls', profile: 'azure-repeatability' },
  ]);
  return {
    ...proxies,
    backend,
    async close() {
      await proxies.close();
      await backend.close();
    },
  };
}

const pipeline = createPipelineFromOptions({ retryOptions: { maxRetries: 3, retryDelayInMs: 20 } });
const client = createDefaultHttpClient();

type Call = {
  readonly id?: string;
  readonly firstSent?: string;
  readonly method?: HttpMethods;
  readonly path?: string;
  readonly body?: string;
};

const NOW = new Date().toUTCString();

function call({ port }: ChildProxy, sent: Call): Promise<PipelineResponse> {
  const { id, firstSent, method = 'POST', path = '/calls', body = '{"target":"4:+1555"}' } = sent;
  const headers = createHttpHeaders({ Authorization: 'Bearer one', 'Content-Type': 'application/json' });
  if (id !== undefined) headers.set('Repeatability-Request-ID', id);
  if (firstSent !== undefined) headers.set('Repeatability-First-Sent', firstSent);
  const request = createPipelineRequest({
    url: `http://127.0.0.1:${port}${path}`,
    method,
    headers,
    allowInsecureConnection: true,
    ...(method === 'GET' ? {} : { body }),
  });
  return pipeline.sendRequest(client, request);
}

function told(answer: PipelineResponse): readonly unknown[] {
  const { headers } = answer;
  return [answer.status, headers.get('repeatability-result'), headers.get('x-ms-error-code')];
}

describe.each(['lmdb', 'redis'] as const)('a client of Azure at two proxies on %s', (store) => {
  let at: Stage;

  beforeAll(async () => {
    at = await stage(store);
  });

  afterAll(() => at.close());

  it('repeats by itself what was not executed, and gets one result from either proxy', async () => {
    const { one, other, backend } = at;
    backend.behave(answerCall);
    const executed = backend.executionsOfAll();
    const sent = { id: randomUUID(), firstSent: NOW };
    let arrivals = 0;
    backend.behave((arrival) => {
      arrivals += 1;
      if (arrivals === 1) arrival.answer(503, '{}', { 'Retry-After': '1' });
      else answerCall(arrival);
    });

    const first = await call(one, sent);
    const again = await call(other, { ...sent, id: sent.id.toUpperCase() });
    const reused = await call(other, { ...sent, body: '{"target":"4:+1666"}' });
    const renewed = await call(other, { ...sent, firstSent: new Date(Date.now() - 60_000).toUTCString() });

    expect(told(first)).toEqual([201, 'accepted', undefined]);
    expect(told(again)).toEqual([201, 'accepted', undefined]);
    expect(again.bodyAsText).toBe(first.bodyAsText);
    expect(again.headers.get('idempotency-status')).toBe('replayed');
    expect(told(reused)).toEqual([400, 'rejected', 'KeyReused']);
    expect(told(renewed)).toEqual([400, 'rejected', 'KeyReused']);
    expect([backend.executionsOfAll() - executed, arrivals]).toEqual([1, 2]);
  });

  it('of two contenders one is executed, and of the other nothing is said that is not known', async () => {
    const { one, other, backend } = at;
    backend.behave(answerCall);
    const executed = backend.executionsOfAll();
    const sent = { id: randomUUID(), firstSent: NOW };
    const arrived = backend.nextArrival();
    backend.behave(() => undefined);
    const first = call(one, sent);
    const arrival = await arrived;

    const second = await call(other, sent);
    answerCall(arrival);

    expect(told(second)).toEqual([409, undefined, 'InFlight']);
    expect(told(await first)).toEqual([201, 'accepted', undefined]);
    expect(told(await call(other, sent))).toEqual([201, 'accepted', undefined]);
    expect(backend.executionsOfAll()).toBe(executed + 1);
  });

  // Last: it leaves one proxy alone.
  it('whose call was under way in a proxy that is killed learns that the outcome is unknown', async () => {
    const { one, other, backend } = at;
    backend.behave(answerCall);
    const executed = backend.executionsOfAll();
    const sent = { id: randomUUID(), firstSent: NOW };
    const arrivals = backend.arrivals();
    const arrived = backend.nextArrival();
    backend.behave((arrival) => void arrival.execute());
    const first = call(one, sent).then(told, () => 'broken');
    await arrived;
    await one.kill();

    const answer = await until('the lease is over', async () => {
      const repeated = await call(other, sent);
      return repeated.headers.get('x-ms-error-code') === 'InFlight' ? null : repeated;
    });

    expect(told(answer)).toEqual([409, undefined, 'OutcomeUnknown']);
    expect(await first).toBe('broken');
    expect([backend.executionsOfAll() - executed, backend.arrivals() - arrivals]).toEqual([1, 1]);
  });
});

describe('the rules of repeatable requests', () => {
  let at: Stage;

  beforeAll(async () => {
    at = await stage('lmdb');
  });

  afterAll(() => at.close());

  it('refuse what cannot be kept, and execute nothing of it', async () => {
    const { one, backend } = at;
    backend.behave(answerCall);
    const arrivals = backend.arrivals();
    const id = randomUUID();
    const daysAgo = new Date(Date.now() - 2 * 86_400_000).toUTCString();
    const ahead = new Date(Date.now() + 3_600_000).toUTCString();

    const answers = [
      await call(one, { id }),
      await call(one, { firstSent: NOW }),
      await call(one, { id, firstSent: '2026-11-26T10:00:00Z' }),
      await call(one, { id: 'no-uuid', firstSent: NOW }),
      await call(one, { id, firstSent: daysAgo }),
      await call(one, { id, firstSent: ahead }),
      await call(one, { id, firstSent: NOW, path: '/unsupported' }),
      await call(one, { id, firstSent: NOW, path: '/posts', method: 'PUT' }),
    ];

    expect(answers.map(told)).toEqual([
      [400, 'rejected', 'RepeatabilityInvalid'],
      [400, 'rejected', 'RepeatabilityInvalid'],
      [400, 'rejected', 'RepeatabilityInvalid'],
      [400, 'rejected', 'KeyInvalid'],
      [412, 'rejected', 'RepeatabilityWindow'],
      [412, 'rejected', 'RepeatabilityWindow'],
      [501, 'rejected', 'RepeatabilityUnsupported'],
      [501, 'rejected', 'RepeatabilityUnsupported'],
    ]);
    expect(backend.arrivals()).toBe(arrivals);
  });

  it('leave alone what does not ask, and GET whatever it asks', async () => {
    const { one, backend } = at;
    backend.behave(answerCall);
    const executed = backend.executionsOfAll();

    const answers = [
      await call(one, {}),
      await call(one, { path: '/unsupported' }),
      await call(one, { id: 'x', method: 'GET' }),
    ];

    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(answers.map(({ headers }) => headers.get('idempotency-status'))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(backend.executionsOfAll()).toBe(executed + 3);
  });

  it('give a repeated DELETE its first success', async () => {
    const { one, backend } = at;
    backend.behave(answerCall);
    const executed = backend.executionsOfAll();
    const sent = { id: randomUUID(), firstSent: NOW, method: 'DELETE', path: '/calls/7' } as const;
    backend.behave((arrival) => {
      if (arrival.execute() === executed + 1) arrival.answer(204, '');
      else arrival.answer(404, '{}');
    });

    const answers = [await call(one, sent), await call(one, sent)];

    expect(answers.map(told)).toEqual([
      [204, 'accepted', undefined],
      [204, 'accepted', undefined],
    ]);
  });
});
