import { randomUUID } from 'node:crypto';
import { SquareClient, SquareError } from 'square';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChildProxy } from '../support/child-proxy.ts';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startTwoProxies, type TwoProxies } from '../support/two-proxies.ts';

/** `profile: square` and the library of Square, as it is installed: the key is a member of the body. */

let backend: CountingBackend;
let proxies: TwoProxies;

beforeAll(async () => {
  backend = await startCountingBackend(answerPayment);
  proxies = await startTwoProxies('lmdb', backend.origin, [{ name: 'api', profile: 'square' }]);
});

afterAll(async () => {
  await proxies.close();
  await backend.close();
});

function answerPayment(arrival: Arrival): void {
  const execution = arrival.execute();
  arrival.answer(200, JSON.stringify({ payment: { id: `pay_${execution}`, status: 'COMPLETED' } }));
}

function clientOf({ port }: ChildProxy): SquareClient {
  return new SquareClient({ token: 'secret', environment: `http://127.0.0.1:${port}` });
}

async function pay(proxy: ChildProxy, idempotencyKey: string, cents = 100n): Promise<unknown> {
  const { payment } = await clientOf(proxy).payments.create({
    sourceId: 'cnon:card-nonce-ok',
    idempotencyKey,
    amountMoney: { amount: cents, currency: 'USD' },
  });
  return payment?.id;
}

async function errorOf(paid: Promise<unknown>): Promise<SquareError> {
  const error: unknown = await paid.then(
    () => new Error('it was paid'),
    (reason: unknown) => reason,
  );
  if (error instanceof SquareError) return error;
  throw error;
}

describe('the library of Square at two proxies', () => {
  it('pays once a key, retries by itself what was not executed, and gets the payment from either', async () => {
    const key = randomUUID();
    const executed = backend.executionsOfAll();
    let arrivals = 0;
    backend.behave((arrival) => {
      arrivals += 1;
      if (arrivals === 1) arrival.answer(503, '{}', { 'Retry-After': '1' });
      else answerPayment(arrival);
    });

    const first = await pay(proxies.one, key);
    const again = await pay(proxies.other, key);

    expect(again).toBe(first);
    expect([backend.executionsOfAll() - executed, arrivals]).toEqual([1, 2]);
  });

  it('throws the error of Square for a key that was used for another payment', async () => {
    backend.behave(answerPayment);
    const key = randomUUID();
    await pay(proxies.one, key);

    const error = await errorOf(pay(proxies.other, key, 200n));

    expect(error.statusCode).toBe(400);
    expect(error.errors[0]).toMatchObject({
      category: 'INVALID_REQUEST_ERROR',
      code: 'IDEMPOTENCY_KEY_REUSED',
      field: 'idempotency_key',
    });
  });

  it('throws for a contender while the first payment is under way', async () => {
    const key = randomUUID();
    const { promise: arrived, resolve } = Promise.withResolvers<Arrival>();
    backend.behave(resolve);
    const first = pay(proxies.one, key);
    const arrival = await arrived;

    const error = await errorOf(pay(proxies.other, key));
    answerPayment(arrival);

    // Answered is settled: the last byte waits for the record.
    const paid = await first;
    expect([error.statusCode, error.errors[0]?.code]).toEqual([409, 'CONFLICT']);
    expect(await pay(proxies.other, key)).toBe(paid);
  });
});
