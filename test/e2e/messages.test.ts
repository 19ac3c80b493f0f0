import { createHmac } from 'node:crypto';
import Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ChildProxy } from '../support/child-proxy.ts';
import { type CountingBackend, executeAndAnswer, startCountingBackend } from '../support/counting-backend.ts';
import { type Answer, problemCode, sendRequest, until } from '../support/send-request.ts';
import { stageProxies } from '../support/two-proxies.ts';

/** Deliveries of webhooks at two proxies with one store: each message once, whoever sends it how often. */

const SECRET = 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX';
const STRIPE_SECRET = 'whsec_of_the_endpoint';
const stripe = new Stripe('sk_test_x');

type Delivery = {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** Signed now, as every delivery is. `aheadSeconds`: so that two of them differ. */
function standard(path: string, id: string, aheadSeconds = 0, secret = SECRET): Delivery {
  const body = JSON.stringify({ type: 'user.created', id });
  const timestamp = String(Math.floor(Date.now() / 1000) + aheadSeconds);
  const signature = createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
    .update(`${id}.${timestamp}.${body}`)
    .digest('base64');
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  };
  return { path, body, headers };
}

function stripeEvent(path: string, id: string, pending: number): Delivery {
  const body = JSON.stringify({ id, object: 'event', pending_webhooks: pending });
  const signature = stripe.webhooks.generateTestHeaderString({ payload: body, secret: STRIPE_SECRET });
  return { path, body, headers: { 'Stripe-Signature': signature } };
}

function cloudEvent(id: string, mode: 'binary' | 'structured', attempt: number): Delivery {
  const own = { specversion: '1.0', type: 'order.paid', source: '/orders', id };
  return mode === 'structured'
    ? {
        path: '/events',
        headers: { 'Content-Type': 'application/cloudevents+json' },
        body: JSON.stringify({ ...own, traceparent: String(attempt), data: { paid: true } }),
      }
    : {
        path: '/events',
        headers: Object.fromEntries(Object.entries(own).map(([name, value]) => [`ce-${name}`, value])),
        body: JSON.stringify({ paid: true, attempt }),
      };
}

const deliver = (proxy: ChildProxy, delivery: Delivery): Promise<Answer> => sendRequest(proxy.port, delivery);

describe.each(['lmdb', 'redis'] as const)('messages at two proxies, in %s', (kind) => {
  let backend: CountingBackend;
  let one: ChildProxy;
  let two: ChildProxy;
  let start: () => Promise<ChildProxy>;
  const closers: (() => unknown)[] = [];

  beforeAll(async () => {
    backend = await startCountingBackend();
    const signed = { preset: 'standard-webhooks', secrets: [SECRET] };
    const stage = await stageProxies(kind, {
      backendOrigin: backend.origin,
      store: { deadline: '300ms' },
      sections: {
        defaults: { lease: '1s', inFlight: { wait: '5s' } },
        routes: [
          { name: 'short', match: { path: '/short' }, message: signed, retain: '1s' },
          { name: 'hooks', match: { path: '/hooks/**' }, message: signed },
          {
            name: 'stripe',
            match: { path: '/stripe' },
            message: { preset: 'stripe', secrets: ['whsec_an_older_one', STRIPE_SECRET] },
            onUnknown: 'retry',
            quiet: '1s',
          },
          { name: 'events', match: { path: '/events' }, message: 'cloudevents' },
        ],
      },
    });
    closers.push(() => backend.close(), stage.close);
    start = stage.start;
    [one, two] = await Promise.all([start(), start()]);
  });

  afterAll(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  beforeEach(() => backend.behave(executeAndAnswer));

  it('a duplicate that comes to both at once is executed once, and both senders are told so', async () => {
    const before = backend.executionsOfAll();

    const answers = await Promise.all([
      ...[0, 1, 2].map((ahead) => deliver(one, standard('/hooks/a', 'msg_both', ahead))),
      ...[3, 4, 5].map((ahead) => deliver(two, standard('/hooks/a', 'msg_both', ahead))),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201, 201, 201]);
    expect(new Set(answers.map(({ body }) => body.toString())).size).toBe(1);
    expect(backend.executionsOfAll()).toBe(before + 1);
  });

  it('a forged delivery does not use up the id of the genuine one', async () => {
    const before = backend.arrivals();
    const forged = standard('/hooks/a', 'msg_forged', 0, 'whsec_YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh');
    const genuine = standard('/hooks/a', 'msg_forged');

    const refused = [
      await deliver(one, forged),
      await deliver(two, { ...genuine, headers: { 'webhook-id': 'msg_forged' } }),
      await deliver(two, { ...genuine, body: '{"type":"other"}' }),
      await deliver(one, standard('/hooks/a', 'msg_forged', -600)),
    ];
    expect(backend.arrivals()).toBe(before);
    const taken = await deliver(two, genuine);

    expect(refused.map(problemCode)).toEqual(Array.from(refused, () => 'signature-invalid'));
    expect(new Set(refused.map(withoutInstance)).size).toBe(1);
    expect(taken.status).toBe(201);
    expect(taken.headers['idempotency-status']).toBe('executed');
  });

  it('a forged repeat of a message that was taken learns nothing of it', async () => {
    await deliver(one, standard('/hooks/a', 'msg_taken'));

    const known = await deliver(two, { ...standard('/hooks/a', 'msg_taken'), body: '{}' });
    const fresh = await deliver(two, { ...standard('/hooks/a', 'msg_never'), body: '{}' });

    expect(withoutInstance(known)).toBe(withoutInstance(fresh));
    expect(known.headers['idempotency-status']).toBeUndefined();
  });

  it('an event whose rest is put together anew is the same event, and another endpoint executes its own', async () => {
    const before = backend.executionsOfAll();

    const first = await deliver(one, stripeEvent('/stripe', 'evt_1', 2));
    const again = await deliver(two, stripeEvent('/stripe', 'evt_1', 1));
    await deliver(one, standard('/hooks/a', 'msg_two_endpoints'));
    await deliver(two, standard('/hooks/b', 'msg_two_endpoints'));

    expect(again.headers['idempotency-status']).toBe('replayed');
    expect(again.body).toEqual(first.body);
    expect(backend.executionsOfAll()).toBe(before + 3);
  });

  it('a cloud event of another form or content is told by source and id', async () => {
    const before = backend.executionsOfAll();

    const answers = [
      await deliver(one, cloudEvent('e1', 'structured', 1)),
      await deliver(two, cloudEvent('e1', 'structured', 2)),
      await deliver(two, cloudEvent('b1', 'binary', 1)),
      await deliver(one, cloudEvent('b1', 'binary', 2)),
    ];

    expect(answers.map(({ headers }) => headers['idempotency-status'])).toEqual([
      'executed',
      'replayed',
      'executed',
      'replayed',
    ]);
    expect(backend.executionsOfAll()).toBe(before + 2);
  });

  it('a message that the backend did not take is delivered again, and executed', async () => {
    backend.behave((arrival) => arrival.answer(500, '{}'));
    const failed = await deliver(one, standard('/hooks/a', 'msg_failed'));
    backend.behave(executeAndAnswer);

    const taken = await deliver(two, standard('/hooks/a', 'msg_failed', 1));

    expect([failed.status, taken.status]).toEqual([500, 201]);
    expect(taken.headers['idempotency-status']).toBe('executed');
  });

  it('a message that is forgotten while its sender still repeats it is executed once more, and no oftener', async () => {
    const before = backend.executionsOfAll();
    const first = await deliver(one, standard('/short', 'msg_short'));

    const anew = await until(
      async () => {
        const answers = await Promise.all(
          [one, two].map((proxy) => deliver(proxy, standard('/short', 'msg_short'))),
        );
        expect(answers.map(({ status }) => status)).toEqual([201, 201]);
        return answers;
      },
      (answers) => answers.some(({ body }) => !body.equals(first.body)),
    );

    expect(anew.map(({ headers }) => headers['idempotency-status'])).toContain('executed');
    expect(backend.executionsOfAll()).toBe(before + 2);
  });

  it.each([
    ['held', 'hold', (): Delivery => standard('/hooks/a', 'msg_crash')],
    [
      'executed again once it has been quiet',
      'retry',
      (): Delivery => stripeEvent('/stripe', 'evt_crash', 1),
    ],
  ] as const)(
    'a message whose proxy died in the middle is unknown, then %s',
    async (_what, onUnknown, make) => {
      const holder = await start();
      // The effect without the answer.
      backend.behave((arrival) => void arrival.execute());
      const before = backend.executionsOfAll();
      const arrived = backend.nextArrival();
      const sent = deliver(holder, make()).catch(() => 'broken');
      await arrived;
      await holder.kill();
      expect(await sent).toBe('broken');
      backend.behave(executeAndAnswer);

      const known = await until(
        () => deliver(two, make()),
        (answer) => problemCode(answer) !== 'in-flight',
      );
      expect(problemCode(known)).toBe('outcome-unknown');
      if (onUnknown === 'hold') {
        expect(problemCode(await deliver(one, make()))).toBe('outcome-unknown');
        expect(backend.executionsOfAll()).toBe(before + 1);
        return;
      }
      const taken = await until(
        () => deliver(one, make()),
        (answer) => answer.status === 201,
      );
      const repeated = await deliver(two, make());

      expect(repeated.body).toEqual(taken.body);
      expect(backend.executionsOfAll()).toBe(before + 2);
    },
  );
});

function withoutInstance({ status, body }: Answer): string {
  const members: Readonly<Record<string, unknown>> = JSON.parse(body.toString());
  return JSON.stringify({ status, ...members, instance: '' });
}
