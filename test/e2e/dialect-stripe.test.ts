import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChildProxy } from '../support/child-proxy.ts';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startTwoProxies, type TwoProxies } from '../support/two-proxies.ts';
import { until } from '../support/until.ts';

/** `profile: stripe` and Stripe's own client library, as it is installed. */

function answerCharge(arrival: Arrival): void {
  const execution = arrival.execute();
  arrival.answer(200, JSON.stringify({ id: `ch_${execution}`, object: 'charge', body: arrival.body }));
}

type Stage = TwoProxies & { readonly backend: CountingBackend };

async function stage(store: 'lmdb' | 'redis'): Promise<Stage> {
  const backend = await startCountingBackend(answerCharge);
  const proxies = await startTwoProxies(store, backend.origin, [{ name: 'api', profile: 'stripe' }]);
  return {
    ...proxies,
    backend,
    async close() {
      await proxies.close();
      await backend.close();
    },
  };
}

function clientOf({ port }: ChildProxy, maxNetworkRetries = 0): Stripe {
  return new Stripe('sk_test_onceward', {
    host: '127.0.0.1',
    port,
    protocol: 'http',
    maxNetworkRetries,
    telemetry: false,
  });
}

const CHARGE = { amount: 500, currency: 'eur', source: 'tok_visa' } as const;

function charge(client: Stripe, idempotencyKey: string, amount = 500): Promise<Charged> {
  return client.charges.create({ ...CHARGE, amount }, { idempotencyKey });
}

type Charged = Stripe.Response<Stripe.Charge>;

/** The error that the library throws. */
async function errorOf(charged: Promise<Charged>): Promise<Stripe.errors.StripeError> {
  const error: unknown = await charged.then(
    () => new Error('it was charged'),
    (reason: unknown) => reason,
  );
  if (error instanceof Stripe.errors.StripeError) return error;
  throw error;
}

describe.each(['lmdb', 'redis'] as const)('the library of Stripe at two proxies on %s', (store) => {
  let at: Stage;

  beforeAll(async () => {
    at = await stage(store);
  });

  afterAll(() => at.close());

  it('gets the first charge again from the other proxy, and IdempotencyError for other parameters', async () => {
    const { one, other, backend } = at;
    backend.behave(answerCharge);

    const first = await charge(clientOf(one), 'k1');
    const again = await charge(clientOf(other), 'k1');
    const error = await errorOf(charge(clientOf(other), 'k1', 501));

    expect(again.id).toBe(first.id);
    expect(again.lastResponse.headers['idempotent-replayed']).toBe('true');
    expect(error).toBeInstanceOf(Stripe.errors.StripeIdempotencyError);
    expect([error.statusCode, error.code]).toEqual([400, 'key-reused']);
    expect(error.headers?.['onceward-problem']).toBe('key-reused');
    expect(backend.executions('k1')).toBe(1);
  });

  it('of two contenders one charges; the other learns that the key is in use, and with retries gets its charge', async () => {
    const { one, other, backend } = at;
    backend.behave(answerCharge);
    const arrived = backend.nextArrival();
    backend.behave(() => undefined);
    const first = charge(clientOf(one), 'k2');
    const arrival = await arrived;

    const error = await errorOf(charge(clientOf(other), 'k2'));
    const patient = charge(clientOf(other, 5), 'k2');
    answerCharge(arrival);
    const charges = await Promise.all([first, patient]);

    expect([error.statusCode, error.rawType, error.code]).toEqual([
      409,
      'idempotency_error',
      'idempotency_key_in_use',
    ]);
    expect(new Set(charges.map(({ id }) => id)).size).toBe(1);
    expect(backend.executions('k2')).toBe(1);
  });

  // Last: it leaves one proxy alone.
  it('whose charge was under way in a proxy that is killed is told that the outcome is unknown, and stops', async () => {
    const { one, other, backend } = at;
    backend.behave(answerCharge);
    const arrivals = backend.arrivals();
    const arrived = backend.nextArrival();
    backend.behave((arrival) => void arrival.execute());
    const first = errorOf(charge(clientOf(one), 'k3'));
    await arrived;
    await one.kill();

    const error = await until('the lease is over', async () => {
      const repeated = await errorOf(charge(clientOf(other), 'k3'));
      return repeated.code === 'idempotency_key_in_use' ? null : repeated;
    });
    const retried = await errorOf(charge(clientOf(other, 3), 'k3'));

    expect(await first).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    expect([error.statusCode, error.code]).toEqual([409, 'outcome-unknown']);
    expect(error.headers?.['stripe-should-retry']).toBe('false');
    expect(retried.code).toBe('outcome-unknown');
    expect([backend.executions('k3'), backend.arrivals() - arrivals]).toEqual([1, 1]);
  });
});
