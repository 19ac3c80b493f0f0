import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { answer, clientOf, proxyTo, startBackend, unary } from './grpc-stage.ts';

/** Real clients and servers of gRPC, with the proxy between them. */

describe.each(['clear', 'tls'] as const)('a unary call over %s', (how) => {
  it('passes with its trailers, and a repeat of its key is the first answer, trailers and all', async () => {
    const backend = await startBackend();
    const client = await clientOf(await proxyTo(backend, how), how);

    const [first, second] = [await client.call({ key: 'k-1' }), await client.call({ key: 'k-1' })];

    for (const called of [first, second]) {
      expect([called.code, called.details, called.value]).toEqual([status.OK, 'OK', '1: tea']);
      expect(called.trailers.get('x-execution')).toEqual(['1']);
      expect(called.trailers.get('x-bytes-bin')).toEqual([Buffer.from([0, 255, 10])]);
    }
    expect(first.head?.get('idempotency-status')).toEqual(['executed']);
    expect(second.head?.get('idempotency-status')).toEqual(['replayed']);
    expect(backend.executions()).toBe(1);
  });
});

describe('a call of gRPC', () => {
  it('without a key passes each time, unary and in a stream', async () => {
    const backend = await startBackend();
    const client = await clientOf(await proxyTo(backend));

    expect([(await client.call()).value, (await client.call()).value]).toEqual(['1: tea', '2: tea']);
    expect(await client.stream('one two three')).toEqual(['one', 'two', 'three']);
  });

  it('is executed once for a hundred that have one key at once', async () => {
    const backend = await startBackend();
    const client = await clientOf(await proxyTo(backend));

    const called = await Promise.all(Array.from({ length: 100 }, () => client.call({ key: 'k-1' })));

    expect(new Set(called.map(({ code, value }) => `${code} ${value}`))).toEqual(new Set(['0 1: tea']));
    expect(backend.executions()).toBe(1);
  });

  it('with another message under the same key is a failed precondition, and no retry is invited', async () => {
    const backend = await startBackend();
    const client = await clientOf(await proxyTo(backend));
    await client.call({ key: 'k-1' });

    const other = await client.call({ key: 'k-1', value: 'coffee' });

    expect([other.code, other.trailers.get('onceward-problem')]).toEqual([
      status.FAILED_PRECONDITION,
      ['key-reused'],
    ]);
    expect(other.trailers.get('grpc-retry-pushback-ms')).toEqual(['-1']);
    expect(other.details).toContain('key');
    expect(backend.executions()).toBe(1);
  });

  it.each([
    ['UNAVAILABLE', status.UNAVAILABLE],
    ['DEADLINE_EXCEEDED', status.DEADLINE_EXCEEDED],
    ['CANCELLED', status.CANCELLED],
  ])('that ends with %s is parked: the next try learns that nobody knows', async (_name, code) => {
    const backend = await startBackend();
    backend.behave((_call, done) => done({ code, details: 'lost' }));
    const client = await clientOf(await proxyTo(backend));

    const [first, second] = [await client.call({ key: 'k-1' }), await client.call({ key: 'k-1' })];

    expect([first.code, first.details]).toEqual([code, 'lost']);
    expect([second.code, second.trailers.get('onceward-problem')]).toEqual([
      status.UNKNOWN,
      ['outcome-unknown'],
    ]);
    expect(backend.executions()).toBe(1);
  });

  it.each([
    ['RESOURCE_EXHAUSTED', status.RESOURCE_EXHAUSTED],
    ['UNAUTHENTICATED', status.UNAUTHENTICATED],
  ])('that ends with %s was not executed: the next try is', async (_name, code) => {
    const backend = await startBackend();
    backend.behave((call, done, execution) =>
      execution === 1 ? done({ code }) : answer(call, done, execution),
    );
    const client = await clientOf(await proxyTo(backend));

    const [first, second] = [await client.call({ key: 'k-1' }), await client.call({ key: 'k-1' })];

    expect([first.code, second.code, second.value]).toEqual([code, status.OK, '2: tea']);
  });

  it('that the backend judged is replayed with its status, its words and its trailers', async () => {
    const backend = await startBackend();
    backend.behave((_call, done) => {
      const trailers = new Metadata();
      trailers.set('x-why', 'sold out');
      done({ code: status.NOT_FOUND, details: 'no tea – sorry', metadata: trailers });
    });
    const client = await clientOf(await proxyTo(backend));

    const [first, second] = [await client.call({ key: 'k-1' }), await client.call({ key: 'k-1' })];

    for (const called of [first, second]) {
      expect([called.code, called.details]).toEqual([status.NOT_FOUND, 'no tea – sorry']);
      expect(called.trailers.get('x-why')).toEqual(['sold out']);
    }
    expect(backend.executions()).toBe(1);
  });

  it('follows the table of its route where that says otherwise', async () => {
    const backend = await startBackend();
    backend.behave((call, done, execution) =>
      execution === 1 ? done({ code: status.UNAVAILABLE }) : answer(call, done, execution),
    );
    const client = await clientOf(
      await proxyTo(backend, 'clear', ', dialect: { grpc: { statuses: { UNAVAILABLE: release } } }'),
    );

    const [first, second] = [await client.call({ key: 'k-1' }), await client.call({ key: 'k-1' })];

    expect([first.code, second.code]).toEqual([status.UNAVAILABLE, status.OK]);
  });

  it('whose client gives up at its deadline is answered to the next try', async () => {
    const backend = await startBackend();
    const release = Promise.withResolvers<void>();
    backend.behave((call, done, execution) => void release.promise.then(() => answer(call, done, execution)));
    const proxy = await proxyTo(backend);
    const client = await clientOf(proxy);

    const first = await client.call({ key: 'k-1', deadlineMs: 200 });
    release.resolve();
    const second = await client.call({ key: 'k-1' });

    expect(first.code).toBe(status.DEADLINE_EXCEEDED);
    // The backend of grpc-js keeps the deadline it was told of, and so its answer may be lost: never a second execution.
    expect([status.OK, status.UNKNOWN]).toContain(second.code);
    expect(backend.executions()).toBe(1);
  });

  it('whose backend dies in the middle is parked', async () => {
    const backend = await startBackend();
    backend.behave(() => backend.killNow());
    const client = await clientOf(await proxyTo(backend));

    const [first, second] = [await client.call({ key: 'k-1' }), await client.call({ key: 'k-1' })];

    expect([first.code, second.trailers.get('onceward-problem')]).toEqual([
      status.UNKNOWN,
      ['outcome-unknown'],
    ]);
    expect(backend.executions()).toBe(1);
  });

  it('that the retry policy of its client sends again is executed once', async () => {
    const backend = await startBackend();
    backend.behave((_call, done) => done({ code: status.UNAVAILABLE }));
    const config = {
      methodConfig: [
        {
          name: [{ service: 'shop.Orders' }],
          retryPolicy: {
            maxAttempts: 5,
            initialBackoff: '0.01s',
            maxBackoff: '0.05s',
            backoffMultiplier: 2,
            retryableStatusCodes: ['UNAVAILABLE', 'UNKNOWN'],
          },
        },
      ],
    };
    const client = await clientOf(await proxyTo(backend), 'clear', {
      'grpc.service_config': JSON.stringify(config),
    });

    const called = await client.call({ key: 'k-1' });

    expect([called.code, called.trailers.get('onceward-problem')]).toEqual([
      status.UNKNOWN,
      ['outcome-unknown'],
    ]);
    expect(backend.executions()).toBe(1);
  });

  it('over HTTP/1.1 is refused', async () => {
    const backend = await startBackend();
    const proxy = await proxyTo(backend);

    const response = await fetch(`http://127.0.0.1:${proxy.port}${unary.path}`, {
      method: 'POST',
      body: '\0\0\0\0\0',
    });

    expect([response.headers.get('grpc-status'), response.headers.get('onceward-problem')]).toEqual([
      '3',
      'bad-request',
    ]);
    expect(backend.executions()).toBe(0);
  });
});
