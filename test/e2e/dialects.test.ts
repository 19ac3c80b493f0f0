import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROFILE_NAMES, type ProfileName } from '../../src/config/profiles.ts';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { DIALECTS, google, type Sent } from '../support/dialect-requests.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';

const OVER_HTTP1 = PROFILE_NAMES.filter((name) => name !== 'grpc');

/** Every profile over real sockets, as a client of that API meets it. */

let backend: CountingBackend;
let proxy: TestProxy;

beforeAll(async () => {
  backend = await startCountingBackend();
  proxy = await startProxyWith(
    [
      'listen: 127.0.0.1:0',
      'observe: off',
      'admin: off',
      `upstream: { url: "${backend.origin}" }`,
      'store: "memory:"',
      'defaults: { inFlight: { wait: 10s } }',
      'routes:',
      ...OVER_HTTP1.map((name) => `  - { name: ${name}, match: { path: /${name}/** }, profile: ${name} }`),
    ].join('\n'),
  );
  return async () => {
    await proxy.close();
  };
});

afterAll(() => backend.close());

type Answered = { readonly status: number; readonly headers: Headers; readonly body: unknown };

async function send(name: ProfileName, { headers, body }: Sent, method = 'POST'): Promise<Answered> {
  const answer = await fetch(`http://127.0.0.1:${proxy.port}/${name}/things`, {
    method,
    headers: { Authorization: 'Bearer one', 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? null : JSON.parse(text) };
}

describe.each(OVER_HTTP1)('a client of %s', (name) => {
  const dialect = DIALECTS[name];

  it('gets the first answer again, marked as replayed, and one execution', async () => {
    const executed = backend.executionsOfAll();
    const sent = dialect.send(randomUUID(), 5);

    const first = await send(name, sent);
    const again = await send(name, sent);

    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotency-status')).toBe('replayed');
    expect(backend.executionsOfAll()).toBe(executed + 1);
  });

  it('with other content under the key is told so in the words of its API', async () => {
    const key = randomUUID();
    await send(name, dialect.send(key, 5));

    const refused = await send(name, dialect.send(key, 6));

    expect([refused.status, refused.body]).toEqual(dialect.mismatch);
    const isProblem = refused.headers.get('content-type') === 'application/problem+json';
    expect(refused.headers.get('onceward-problem')).toBe(isProblem ? null : 'key-reused');
  });

  it('while the first request is in flight waits or is refused as there', async () => {
    const sent = dialect.send(randomUUID(), 5);
    const { promise: arrived, resolve } = Promise.withResolvers<Arrival>();
    backend.behave(resolve);
    const first = send(name, sent);
    const arrival = await arrived;
    backend.behave((late) => late.answer(500, '{"executed":"twice"}'));

    const second = send(name, sent);
    const isRefused = dialect.inFlight[0] !== 201;
    const early = isRefused ? await second : null;
    arrival.answer(201, JSON.stringify({ execution: arrival.execute() }));
    const answers = await Promise.all([first, second]);
    backend.behave((next) => next.answer(201, JSON.stringify({ execution: next.execute() })));

    const [one, other] = answers;
    expect([early?.status ?? other.status, early?.body ?? other.body]).toEqual(dialect.inFlight);
    if (!isRefused) expect(other.body).toEqual(one.body);
  });

  it('without a key is refused or passed on as there', async () => {
    const { missing } = dialect;

    const answer = await send(name, { headers: {}, body: { amount: 5 } });

    if (missing === null)
      expect([answer.status, answer.headers.get('idempotency-status')]).toEqual([201, null]);
    else expect([answer.status, answer.body]).toEqual(missing);
  });
});

describe('what one dialect alone has', () => {
  it('Stripe, ACP and Adyen repeat the key in every answer to a keyed request', async () => {
    for (const name of ['stripe', 'acp', 'adyen'] as const) {
      const key = randomUUID();
      const answers = [
        await send(name, DIALECTS[name].send(key, 1)),
        await send(name, DIALECTS[name].send(key, 1)),
        await send(name, DIALECTS[name].send(key, 2)),
      ];

      expect(answers.map(({ headers }) => headers.get('idempotency-key'))).toEqual([key, key, key]);
    }
  });

  it('Adyen says transient-error where the same key may follow', async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<Arrival>();
    backend.behave(resolve);
    const sent = DIALECTS.adyen.send(randomUUID(), 1);
    const first = send('adyen', sent);
    const arrival = await arrived;

    const refused = await send('adyen', sent);
    arrival.answer(201, JSON.stringify({ execution: arrival.execute() }));
    await first;
    backend.behave((next) => next.answer(201, JSON.stringify({ execution: next.execute() })));

    expect([refused.status, refused.headers.get('transient-error')]).toEqual([409, 'true']);
  });

  it('Checkout.com tries again what was refused, and not what failed', async () => {
    const statusOfRepeat = async (status: number): Promise<number> => {
      const sent = DIALECTS.checkout.send(randomUUID(), 1);
      backend.behave((arrival) => arrival.answer(status, '{}'));
      await send('checkout', sent);
      backend.behave((next) => next.answer(201, JSON.stringify({ execution: next.execute() })));
      return (await send('checkout', sent)).status;
    };

    expect([await statusOfRepeat(422), await statusOfRepeat(500), await statusOfRepeat(408)]).toEqual([
      201, 500, 409,
    ]);
  });

  it('AIP-155 takes UUIDs of version 4 alone, in either case', async () => {
    const key = randomUUID();
    const other = '0192f0c1-7a3b-7c4d-8e5f-0123456789ab';

    const upper = await send('aip-155', DIALECTS['aip-155'].send(key.toUpperCase(), 1));
    const lower = await send('aip-155', DIALECTS['aip-155'].send(key, 1));
    const wrong = await send('aip-155', DIALECTS['aip-155'].send(other, 1));

    expect(upper.status).toBe(201);
    // Another spelling of the key is other content: it stands in the body, which is compared.
    expect(lower.status).toBe(400);
    expect([wrong.status, wrong.body]).toEqual([400, google('INVALID_ARGUMENT', 'KEY_INVALID')]);
  });

  it('AWS signs every try anew, and is the same caller by its access key', async () => {
    const signed = (id: string, signature: string) => ({
      Authorization: `AWS4-HMAC-SHA256 Credential=${id}/20261126/eu-west-1/ecs/aws4_request, SignedHeaders=host, Signature=${signature}`,
      'Content-Type': 'application/x-amz-json-1.1',
    });
    const { body } = DIALECTS['aws-client-token'].send(randomUUID(), 1);

    const first = await send('aws-client-token', { headers: signed('AKIDONE', 'aa'), body });
    const again = await send('aws-client-token', { headers: signed('AKIDONE', 'bb'), body });
    const another = await send('aws-client-token', { headers: signed('AKIDTWO', 'cc'), body });

    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotency-status')).toBe('replayed');
    expect(another.headers.get('idempotency-status')).toBe('executed');
  });
});
