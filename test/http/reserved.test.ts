import { afterEach, describe, expect, it } from 'vitest';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { type Answer, sendRequest } from '../support/send-request.ts';
import { requestText } from './request-text.ts';
import { answerLarge, codeOf, createStage } from './stage.ts';

/** What Onceward answers itself, under the reserved prefix. */

const PREFIX = '/.well-known/onceward';
const stage = createStage();
afterEach(() => stage.close());

type Stand = { readonly proxy: TestProxy; readonly forwarded: () => number };

async function stand(lines = ''): Promise<Stand> {
  let forwarded = 0;
  const upstreamPort = await stage.sink((socket) => {
    forwarded += 1;
    answerLarge(socket, 2);
  });
  const proxy = await startProxyWith(
    `
listen: 127.0.0.1:0
observe: off
admin: off
store: "memory:"
drain: { timeout: 0s }
upstream: { url: "http://127.0.0.1:${upstreamPort}" }
${lines}
routes:
  - name: payments
    match: { path: /v1/pay/*, methods: [POST], headers: { X-Env: secret-value } }
    key: { required: true, sources: [{ header: Payment-Key }, { json: /request_id }] }
    retain: 3h
    inFlight: reject
  - name: orders
    match: { path: /orders/** }
    profile: stripe
`,
  );
  stage.atEnd(() => proxy.close());
  return { proxy, forwarded: () => forwarded };
}

function ask({ proxy }: Stand, method: string, path: string): Promise<Answer> {
  return sendRequest(proxy.port, { method, path });
}

describe('the discovery document', () => {
  it('tells how each route wants its keys, in the order in which they match', async () => {
    const answer = await ask(await stand(), 'GET', PREFIX);

    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
    const document = JSON.parse(answer.body.toString());
    expect(document.routes.map(({ name }: { name: string }) => name)).toEqual(['payments', 'orders']);
    expect(document.routes[0]).toMatchObject({
      match: { host: null, path: '/v1/pay/*', methods: ['POST'], headers: ['x-env'] },
      mode: 'enforce',
      key: { presence: 'required', in: [{ header: 'payment-key' }, { json: '/request_id' }], charsMax: 255 },
      scope: { headers: ['authorization'], anonymous: 'refuse' },
      retainMs: 10_800_000,
      inFlight: { kind: 'reject' },
      dialect: null,
    });
    expect(document.unmatched.name).toBe('unmatched');
  });

  it('tells no value of a field that a route asks for', async () => {
    const answer = await ask(await stand(), 'GET', PREFIX);

    expect(answer.body.toString()).not.toContain('secret-value');
  });

  it('is there for one route alone, and for none of another name', async () => {
    const at = await stand();

    const one = await ask(at, 'GET', `${PREFIX}/routes/orders`);
    const none = await ask(at, 'GET', `${PREFIX}/routes/other`);

    expect(JSON.parse(one.body.toString())).toMatchObject({
      name: 'orders',
      match: { path: '/orders/**' },
      profile: 'stripe',
      dialect: { errors: 'stripe', statuses: { 'key-reused': 400 } },
    });
    expect(codeOf(none.body)).toBe('not-found');
  });

  it('is not there when it is turned off', async () => {
    const at = await stand('reserved: { discovery: false }');

    expect((await ask(at, 'GET', PREFIX)).status).toBe(404);
    expect(at.forwarded()).toBe(0);
  });

  it('is at the prefix that the file names', async () => {
    const at = await stand('reserved: { prefix: /_once }');

    expect((await ask(at, 'GET', '/_once')).status).toBe(200);
  });
});

describe('the answer to OPTIONS of a route', () => {
  it.each([
    ['', '</.well-known/onceward>; rel="service-desc"; type="application/json"'],
    ['reserved: off', undefined],
    ['reserved: { discovery: false }', undefined],
    ['defaults: { mode: observe }', undefined],
  ])('with %j links to %j', async (lines, link) => {
    const answer = await ask(await stand(lines), 'OPTIONS', '/orders/1');

    expect([answer.status, answer.headers.link]).toEqual([200, link]);
  });
});

describe('below the reserved prefix', () => {
  it.each([
    ['GET', `${PREFIX}/nothing`, 404],
    ['POST', `${PREFIX}/nothing/at/all`, 404],
    ['POST', PREFIX, 405],
    ['DELETE', `${PREFIX}/routes/orders`, 405],
  ])('%s %s is answered %d and never forwarded', async (method, path, status) => {
    const at = await stand();

    const answer = await ask(at, method, path);

    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.headers.allow).toBe(status === 405 ? 'GET, HEAD, OPTIONS' : undefined);
    expect(at.forwarded()).toBe(0);
  });

  it('OPTIONS lists the methods', async () => {
    const answer = await ask(await stand(), 'OPTIONS', PREFIX);

    expect([answer.status, answer.headers.allow]).toEqual([204, 'GET, HEAD, OPTIONS']);
  });

  it('a request counts as answered', async () => {
    const at = await stand();

    await ask(at, 'GET', PREFIX);

    expect((await at.proxy.ended(1))[0]).toMatchObject({ outcome: 'answered', status: 200 });
  });

  it('no connection changes its protocol', async () => {
    const at = await stand();
    const client = await stage.client(at.proxy);

    client.send(
      requestText('GET', PREFIX, [
        ['Connection', 'Upgrade'],
        ['Upgrade', 'websocket'],
      ]),
    );

    expect((await client.answer('GET')).status).toBe(404);
    expect(at.forwarded()).toBe(0);
  });

  it("everything is the backend's when nothing is reserved", async () => {
    const at = await stand('reserved: off');

    expect((await ask(at, 'GET', PREFIX)).status).toBe(200);
    expect(at.forwarded()).toBe(1);
  });
});
