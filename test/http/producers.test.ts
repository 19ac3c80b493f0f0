import { afterEach, describe, expect, it } from 'vitest';
import { type Answer, sendRequest } from '../support/send-request.ts';
import { closeAll, issue, jsonOf, PREFIX, send, stand, stateOf } from './sequence-stage.ts';

/** Producers, issued and not, and requests without one. */

afterEach(closeAll);

describe('a request without its place', () => {
  it('is refused before its body is read', async () => {
    const at = await stand();
    const none = await sendRequest(at.proxy.port, { path: '/orders/1', headers: { Authorization: 'x' } });
    const half = await sendRequest(at.proxy.port, {
      path: '/orders/1',
      headers: { Authorization: 'x', 'Producer-Id': 'f'.repeat(32) },
    });

    expect([none, half].map(stateOf)).toEqual(['sequence-missing', 'sequence-invalid']);
    expect(at.backend.arrivals()).toBe(0);
  });

  it('is forwarded where the route does not require one', async () => {
    const at = await stand('', '{ required: false }');

    expect((await sendRequest(at.proxy.port, { path: '/orders/1' })).status).toBe(201);
  });

  it('may not have a hop drop its fields', async () => {
    const at = await stand();
    const producer = await issue(at);

    const answer = await sendRequest(at.proxy.port, {
      path: '/orders/1',
      headers: {
        Authorization: 'Bearer one',
        Connection: 'Producer-Sequence',
        'Producer-Id': producer.id,
        'Producer-Epoch': '0',
        'Producer-Sequence': '0',
      },
    });

    expect(stateOf(answer)).toBe('bad-request');
  });
});

describe('a producer that nobody issued', () => {
  it('is taken where the route accepts it, with any number for its first', async () => {
    const at = await stand('', '{ unknownProducer: accept }');
    const producer = { id: 'a'.repeat(32), epoch: 3 };

    const answers = [
      await send(at, producer, 7),
      await send(at, producer, 8),
      await send(at, producer, 7),
      await send(at, producer, 6),
      await send(at, { ...producer, epoch: 2 }, 9),
      await send(at, { ...producer, epoch: 4 }, 9),
      await send(at, { ...producer, epoch: 4 }, 0),
    ];

    expect(answers.map(stateOf)).toEqual([
      'executed',
      'executed',
      'replayed',
      'sequence-too-old',
      'producer-fenced',
      'sequence-gap',
      'executed',
    ]);
    expect(jsonOf(answers[3] as Answer).executed).toBe('unknown');
  });
});

describe('the resource of producers', () => {
  it.each([
    ['GET', '/producers?route=orders', 405],
    ['POST', '/producers/x?route=orders', 405],
    ['GET', '/producers/x/epoch?route=orders', 405],
    ['GET', '/producers/x?route=orders', 412],
    ['POST', '/producers/x/epoch?route=orders', 412],
    ['POST', '/producers/x/other?route=orders', 404],
    ['POST', '/producers/x/epoch/y?route=orders', 404],
    ['POST', '/producers?route=none', 404],
    ['POST', '/producers', 201],
  ])('%s %s is %d', async (method, path, status) => {
    const at = await stand();
    const headers = { Authorization: 'Bearer one' };

    expect((await sendRequest(at.proxy.port, { method, path: `${PREFIX}${path}`, headers })).status).toBe(
      status,
    );
    expect(at.backend.arrivals()).toBe(0);
  });

  it('wants a route where they do not agree on whose a producer is', async () => {
    const at = await stand('scope: { headers: [X-Tenant] }');
    const ask = (path: string): Promise<Answer> =>
      sendRequest(at.proxy.port, { path: `${PREFIX}${path}`, headers: { 'X-Tenant': 'a' } });

    expect((await ask('/producers')).status).toBe(404);
    expect((await ask('/producers?route=orders')).status).toBe(201);
    expect(stateOf(await ask('/producers?route=others'))).toBe('scope-missing');
  });

  it('issues no more of them than a principal may have new keys', async () => {
    const at = await stand('', '{}', 'limits: { principal: { newKeys: { burst: 2, perHour: 1 } } }');
    const ask = (): Promise<Answer> =>
      sendRequest(at.proxy.port, { path: `${PREFIX}/producers`, headers: { Authorization: 'Bearer one' } });

    expect([await ask(), await ask(), await ask()].map(({ status }) => status)).toEqual([201, 201, 429]);
  });
});
