import { describe, expect, it } from 'vitest';
import { createOncewardClient, OncewardError, type OncewardInit } from '../../client/onceward-client.ts';
import { problemStep, scriptedServer } from './scripted-server.ts';

const URL_OF_IT = 'https://example.test/payments';
const POST: OncewardInit = { method: 'POST', body: '{"amount":1}' };
const HONOURS = { server: 'honours-key' } as const;
const IN_FLIGHT = problemStep(409, 'in-flight', {
  ...{ retryable: true, sameKey: true, executed: 'unknown', idempotency_key: 'key-1' },
});
const UNKNOWN = problemStep(409, 'outcome-unknown', {
  ...{ retryable: false, sameKey: true, executed: 'unknown' },
  detail: 'It may have been executed.',
});

describe('the key', () => {
  it('is one for all attempts of an operation, and another for the next operation', async () => {
    const { client, sent } = scriptedServer(['fail', 'hang', { status: 503 }, { status: 201 }], HONOURS);

    const first = await client.send(URL_OF_IT, POST);
    const second = await client.send(URL_OF_IT, POST);

    expect(first).toMatchObject({ kind: 'answered', key: '"key-1"', attempts: 4 });
    expect(second).toMatchObject({ kind: 'answered', key: '"key-2"', attempts: 1 });
    expect(sent.map(({ key }) => key)).toEqual(['"key-1"', '"key-1"', '"key-1"', '"key-1"', '"key-2"']);
  });

  it.each(['POST', 'PATCH', 'LOCK', 'post', 'put-it'])('is there for %s', async (method) => {
    const { client, sent } = scriptedServer([{ status: 200 }]);

    await client.send(URL_OF_IT, { method });

    expect(sent[0]?.key).toBe('"key-1"');
  });

  it.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'delete', undefined])(
    'is not there for %s, which is sent again without',
    async (method) => {
      const { client, sent } = scriptedServer(['fail', { status: 502 }, { status: 204 }]);

      const result = await client.send(URL_OF_IT, method === undefined ? {} : { method });

      expect(result).toMatchObject({ kind: 'answered', key: null, attempts: 3 });
      expect(sent.map(({ key }) => key)).toEqual([null, null, null]);
    },
  );

  it('is the one that is given, in either place and syntax', async () => {
    const quoted = scriptedServer([{ status: 200 }]);
    const bare = scriptedServer([{ status: 200 }], { keySyntax: 'bare' });

    await quoted.client.send(URL_OF_IT, { ...POST, key: 'order-7' });
    await quoted.client.send(URL_OF_IT, { ...POST, headers: { 'idempotency-key': 'as-it-is' } });
    await quoted.client.send(URL_OF_IT, { method: 'PUT', key: 'order-8' });
    await bare.client.send(URL_OF_IT, { ...POST, key: 'order-7' });

    expect(quoted.sent.map(({ key }) => key)).toEqual(['"order-7"', 'as-it-is', '"order-8"']);
    expect(bare.sent.map(({ key }) => key)).toEqual(['order-7']);
  });

  it.each(['', 'two words', 'quo"te', 'back\\slash', 'ü', 'x'.repeat(256), 'a\r\nb'])(
    'is refused as %j before anything is sent',
    async (key) => {
      const { client, sent } = scriptedServer([{ status: 200 }]);

      await expect(client.send(URL_OF_IT, { ...POST, key })).rejects.toThrow(TypeError);
      expect(sent).toEqual([]);
    },
  );

  it('is replaced once, where it is refused, nothing was executed, and the caller allows it', async () => {
    const reused = problemStep(422, 'key-reused', { retryable: false, sameKey: false, executed: 'no' });
    const allowed = scriptedServer([reused, reused], { freshKey: 'when-not-executed' });
    const never = scriptedServer([reused, { status: 201 }]);
    const own = scriptedServer([reused, { status: 201 }], { freshKey: 'when-not-executed' });

    const results = [
      await allowed.client.send(URL_OF_IT, POST),
      await never.client.send(URL_OF_IT, POST),
      await own.client.send(URL_OF_IT, { ...POST, key: 'mine' }),
    ];

    expect(allowed.sent.map(({ key }) => key)).toEqual(['"key-1"', '"key-2"']);
    expect(allowed.retries.map(({ key }) => key)).toEqual(['fresh']);
    expect(results.map(({ kind, attempts }) => [kind, attempts])).toEqual([
      ['not-executed', 2],
      ['not-executed', 1],
      ['not-executed', 1],
    ]);
  });
});

describe('what is not known', () => {
  it('is not sent again, and told as a value', async () => {
    const { client, sent } = scriptedServer([UNKNOWN]);

    const result = await client.send(URL_OF_IT, POST);

    expect(result).toMatchObject({
      ...{ kind: 'unknown', why: 'server-says', key: '"key-1"', attempts: 1 },
      problem: { code: 'outcome-unknown', executed: 'unknown' },
    });
    expect(sent).toHaveLength(1);
  });

  it('is an error of its own for those who want a response', async () => {
    const { client } = scriptedServer([UNKNOWN]);

    const error = await client.fetch(URL_OF_IT, POST).then(
      () => null,
      (reason: unknown) => reason,
    );

    expect(error).toBeInstanceOf(OncewardError);
    expect(error).toMatchObject({
      name: 'OncewardError',
      message: 'unknown (server-says): It may have been executed.',
      result: { kind: 'unknown', key: '"key-1"' },
    });
  });

  it('is a POST whose answer was lost, where nobody says that the server knows keys', async () => {
    const failed = scriptedServer(['fail', { status: 201 }]);
    const hung = scriptedServer(['hang', { status: 201 }]);
    const halved = scriptedServer([{ status: 201, body: '{"id":', end: 'broken' }, { status: 201 }]);

    const results = await Promise.all(
      [failed, hung, halved].map(({ client }) => client.send(URL_OF_IT, POST)),
    );

    expect(
      results.map((result) => [result.kind, 'why' in result ? result.why : '', result.attempts]),
    ).toEqual([
      ['unknown', 'unprotected', 1],
      ['unknown', 'unprotected', 1],
      ['unknown', 'unprotected', 1],
    ]);
    expect(results[1]).toMatchObject({ cause: { message: 'no answer within 30000 ms' } });
  });

  it('is one that an answer has shown to be protected, and so is asked for again', async () => {
    const { client, sent } = scriptedServer([IN_FLIGHT, 'fail', { status: 201, body: 'done' }]);

    const response = await client.fetch(URL_OF_IT, POST);

    expect(await response.text()).toBe('done');
    expect(new Set(sent.map(({ key }) => key)).size).toBe(1);
  });
});

describe('half an answer', () => {
  it('is asked for again with the same key', async () => {
    const steps = [
      { status: 201, body: '{"id":', end: 'broken' },
      { status: 201, body: '{"id":7}' },
    ] as const;
    const { client } = scriptedServer(steps, HONOURS);

    const response = await client.fetch(URL_OF_IT, POST);

    expect(await response.json()).toEqual({ id: 7 });
  });

  it("is the caller's where the body streams, by wish or by its size", async () => {
    const step = { status: 200, body: 'x'.repeat(100), end: 'broken' } as const;
    const wished = scriptedServer([step], HONOURS);
    const large = scriptedServer([step], { ...HONOURS, responseBytesMax: 99 });

    const responses = [
      await wished.client.fetch(URL_OF_IT, { ...POST, responseBody: 'stream' }),
      await large.client.fetch(URL_OF_IT, POST),
    ];

    for (const response of responses) await expect(response.text()).rejects.toThrow('terminated');
    expect([wished.sent.length, large.sent.length]).toEqual([1, 1]);
  });

  it('is not there when a large body comes whole', async () => {
    const { client } = scriptedServer([{ status: 200, body: 'x'.repeat(100_000) }], { responseBytesMax: 10 });

    const response = await client.fetch(URL_OF_IT, POST);

    expect((await response.text()).length).toBe(100_000);
  });
});

describe('bounds', () => {
  it('of attempts', async () => {
    const { client, sent } = scriptedServer(['fail'], { ...HONOURS, attemptsMax: 3 });

    const result = await client.send(URL_OF_IT, POST);

    expect(result).toMatchObject({
      kind: 'unknown',
      why: 'attempts',
      attempts: 3,
      cause: { message: 'fetch failed' },
    });
    expect(sent).toHaveLength(3);
  });

  it('of time: no wait begins that would outlast it, however long Retry-After is', async () => {
    const later = { status: 503, headers: { 'retry-after': '120' } };
    const { client, sent, nowMs } = scriptedServer([later], HONOURS);

    const result = await client.send(URL_OF_IT, POST);

    expect(result).toMatchObject({ kind: 'answered', response: { status: 503 } });
    expect([sent.length, nowMs()]).toEqual([1, 1_000]);
  });

  it('of time: the last attempt has what is left of it', async () => {
    const { client, nowMs } = scriptedServer(['hang'], { ...HONOURS, attemptMs: 30_000, totalMs: 40_000 });

    const result = await client.send(URL_OF_IT, POST);

    expect(result).toMatchObject({ kind: 'unknown', why: 'time', attempts: 2 });
    expect(nowMs()).toBe(41_000);
  });

  it('of waits: full jitter that doubles up to its limit, upon what the server asks for', async () => {
    const busy = problemStep(429, 'overloaded', {
      ...{ retryable: true, sameKey: true, executed: 'unknown', retryAfterMs: 1_000 },
    });
    const { client, retries } = scriptedServer(['fail', 'fail', 'fail', busy, 'fail'], {
      ...{ ...HONOURS, attemptsMax: 6 },
      backoff: { firstMs: 100, maxMs: 500 },
    });

    await client.send(URL_OF_IT, POST);

    expect(retries.map(({ waitMs }) => waitMs)).toEqual([50, 100, 200, 1_250, 250]);
    expect(retries.map(({ attempt, status, code }) => [attempt, status, code])).toEqual([
      [1, 0, null],
      [2, 0, null],
      [3, 0, null],
      [4, 429, 'overloaded'],
      [5, 0, null],
    ]);
  });

  it.each([
    { attemptsMax: 0 },
    { totalMs: Number.NaN },
    { attemptMs: Number.POSITIVE_INFINITY },
    { responseBytesMax: -1 },
  ])('that are none are refused: %o', (options) => {
    expect(() => createOncewardClient(options)).toThrow(TypeError);
  });
});

describe('the signal of the caller', () => {
  it('ends an attempt, and what became of it is unknown', async () => {
    const controller = new AbortController();
    const { client } = scriptedServer(['hang'], { ...HONOURS, startTimer: () => () => undefined }, () =>
      controller.abort(new Error('enough')),
    );

    const result = await client.send(URL_OF_IT, { ...POST, signal: controller.signal });

    expect(result).toMatchObject({
      kind: 'unknown',
      why: 'aborted',
      attempts: 1,
      cause: { message: 'enough' },
    });
  });

  it('ends a wait', async () => {
    const controller = new AbortController();
    const { client, sent } = scriptedServer(['fail'], {
      ...HONOURS,
      startTimer: () => () => undefined,
      onRetry: () => queueMicrotask(() => controller.abort()),
    });

    const result = await client.send(URL_OF_IT, { ...POST, signal: controller.signal });

    expect(result).toMatchObject({ kind: 'unknown', why: 'aborted', attempts: 1 });
    expect(sent).toHaveLength(1);
  });

  it('that is aborted already lets nothing out', async () => {
    const { client, sent } = scriptedServer([{ status: 201 }]);

    const result = await client.send(URL_OF_IT, { ...POST, signal: AbortSignal.abort() });

    expect(result).toMatchObject({ kind: 'not-executed', why: 'aborted', attempts: 0 });
    expect(sent).toEqual([]);
  });
});
