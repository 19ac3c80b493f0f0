import { afterEach, expect, it } from 'vitest';
import { loadConfigText } from '../../src/config/load.ts';
import { fieldValues, type RawAnswer } from '../support/answer-reader.ts';
import { type ProxyOptions, startProxy, type TestProxy } from '../support/proxy.ts';
import { connectRaw, rawExchange } from '../support/raw-client.ts';
import { type Play, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { keyedPost, requestText } from './request-text.ts';

/** What takes a setting, a load or a reload of its own, and so has no conformance case. */

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const MADE: Play = [{ kind: 'bytes', bytes: 'HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nmade' }];
const GATED: Play = [{ kind: 'gate', gate: 'go' }, ...MADE];

async function stage(
  options: Omit<ProxyOptions, 'upstreamPort'> = {},
): Promise<{ readonly upstream: ScriptedUpstream; readonly proxy: TestProxy }> {
  const upstream = await startScriptedUpstream();
  closers.push(() => upstream.close());
  const proxy = await startProxy({ upstreamPort: upstream.port, ...options });
  closers.push(() => proxy.close());
  return { upstream, proxy };
}

function problemOf(answer: RawAnswer): Record<string, unknown> {
  const parsed: unknown = JSON.parse(answer.body.toString());
  if (typeof parsed !== 'object' || parsed === null) throw new Error('no problem');
  return { ...parsed };
}

it('joiners of a request that was not executed are told to try again, and when', async () => {
  const { upstream, proxy } = await stage();
  const busy: Play = [
    { kind: 'gate', gate: 'go' },
    { kind: 'bytes', bytes: 'HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n' },
  ];
  upstream.script('released', [busy]);
  const [leader, joiner] = [await connectRaw(proxy.port), await connectRaw(proxy.port)];
  leader.send(keyedPost('/conf/released/x'));
  await upstream.hit('released', 1);

  joiner.send(keyedPost('/conf/released/x'));
  // Sent after the joiner and answered from the same store: the joiner's own claim has been answered by then.
  await rawExchange(proxy.port, keyedPost('/conf/released/x', 'k1', 'other'));
  upstream.open('released', 'go');
  const [first, second] = [await leader.answer(), await joiner.answer()];
  for (const client of [leader, joiner]) client.socket.destroy();

  expect(first.status).toBe(503);
  expect([second.status, problemOf(second).code, fieldValues(second.headers, 'retry-after')]).toEqual([
    409,
    'released',
    ['7'],
  ]);
  expect(problemOf(second)).toMatchObject({
    retryable: true,
    sameKey: true,
    executed: 'no',
    retryAfterMs: 7_000,
  });
});

it('a repeat under another fingerprint policy gets 409 policy-changed, never 422 and never an execution', async () => {
  const { upstream, proxy } = await stage();
  upstream.script('policy', [MADE]);
  await rawExchange(proxy.port, keyedPost('/conf/policy/x'));

  const text = `upstream: { url: "http://127.0.0.1:${upstream.port}" }\nstore: { url: "memory:" }\ndefaults: { scope: { anonymous: allow }, fingerprint: { query: ignore } }\n`;
  proxy.app.reload(loadConfigText(text, 'new.yaml', {}));
  const answer = await rawExchange(proxy.port, keyedPost('/conf/policy/x'));

  expect([answer.status, problemOf(answer).code, upstream.seen('policy').length]).toEqual([
    409,
    'policy-changed',
    1,
  ]);
});

it('above the limit of requests in flight a request gets 429 overloaded and is not sent', async () => {
  const { upstream, proxy } = await stage({ top: 'limits: { inFlight: 1 }' });
  upstream.script('busy', [GATED, MADE]);
  const first = await connectRaw(proxy.port);
  first.send(keyedPost('/conf/busy/x'));
  await upstream.hit('busy', 1);

  const second = await rawExchange(proxy.port, keyedPost('/conf/busy/x', 'k2'));
  upstream.open('busy', 'go');
  await first.answer();
  first.socket.destroy();
  const third = await rawExchange(proxy.port, keyedPost('/conf/busy/x', 'k2'));

  expect([second.status, problemOf(second).code, fieldValues(second.headers, 'retry-after')]).toEqual([
    429,
    'overloaded',
    ['1'],
  ]);
  expect([third.status, upstream.seen('busy').length]).toEqual([201, 2]);
});

it('forwarding fields of a trusted proxy are believed and extended', async () => {
  const { upstream, proxy } = await stage({ top: 'trustedProxies: [127.0.0.0/8]' });
  upstream.script('trusted', [MADE]);
  const fields = [
    ['X-Forwarded-For', '192.0.2.1'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-Host', 'shop.example'],
    ['Forwarded', 'for=192.0.2.1'],
  ] as const;

  await rawExchange(proxy.port, requestText('POST', '/conf/trusted/x', fields, 'x'));
  const headers = upstream.seen('trusted')[0]?.headers ?? [];

  expect(fieldValues(headers, 'x-forwarded-for')).toEqual(['192.0.2.1, 127.0.0.1']);
  expect(fieldValues(headers, 'x-forwarded-proto')).toEqual(['https']);
  expect(fieldValues(headers, 'x-forwarded-host')).toEqual(['shop.example']);
  expect(fieldValues(headers, 'forwarded')).toEqual(['for=192.0.2.1']);
});

it('with host: upstream the backend gets its own name, and the client’s beside it', async () => {
  const { upstream, proxy } = await stage({ upstream: 'host: upstream' });
  upstream.script('host', [MADE]);

  await rawExchange(proxy.port, requestText('POST', '/conf/host/x', [], 'x'));
  const headers = upstream.seen('host')[0]?.headers ?? [];

  expect(fieldValues(headers, 'host')).toEqual([`127.0.0.1:${upstream.port}`]);
  expect(fieldValues(headers, 'x-forwarded-host')).toEqual(['proxy.test']);
});

it('with unmatched: bypass a request on no route is forwarded without a record', async () => {
  const { upstream, proxy } = await stage({ top: 'unmatched: bypass' });
  upstream.script('bypass', [MADE, MADE]);

  await rawExchange(proxy.port, keyedPost('/conf/bypass/x'));
  const second = await rawExchange(proxy.port, keyedPost('/conf/bypass/x'));

  expect([
    second.status,
    fieldValues(second.headers, 'idempotency-status'),
    upstream.seen('bypass').length,
  ]).toEqual([201, [], 2]);
});

it.each([
  ['a signature', 'message: { preset: github, secrets: [secret-of-github] }', []],
  ['a resource', 'lock: { resources: "/{account}", capture: { account: { header: X-Account } } }', []],
  [
    'a date',
    'dialect: { repeatability: {} }, key: { sources: [{ header: Repeatability-Request-ID }] }',
    [['Repeatability-First-Sent', 'Sun, 06 Nov 1994 08:49:37 GMT']],
  ],
] as const)('with unmatched: bypass %s is demanded on routes alone', async (_, demand, headers) => {
  const { upstream, proxy } = await stage({ top: 'unmatched: bypass', defaults: demand });
  upstream.script('bypass', [MADE]);

  const answer = await rawExchange(proxy.port, requestText('POST', '/conf/bypass/x', headers, 'x'));

  expect([answer.status, upstream.seen('bypass').length]).toEqual([201, 1]);
});

it.each([
  ['told to be dropped', [['Connection', 'X-Account']]],
  ['beside one that can be mistaken for it', [['X_Account', '8']]],
] as const)('a field that names what is locked is not taken when it is %s', async (_, headers) => {
  const { upstream, proxy } = await stage({
    defaults: 'lock: { resources: "/{account}", capture: { account: { header: X-Account } } }',
  });

  const answer = await rawExchange(
    proxy.port,
    requestText('POST', '/conf/lock/x', [['X-Account', '7'], ...headers], 'x'),
  );

  expect([answer.status, problemOf(answer).code, upstream.seen('lock').length]).toEqual([
    400,
    'bad-request',
    0,
  ]);
});

it.each([
  ['by its name, as the discovery document tells it', '{"route":"unmatched"}'],
  ['by the request to come', '{"method":"POST","target":"/conf/ticket/x"}'],
])('a ticket for requests that match no route is asked for %s', async (_, body) => {
  const { proxy } = await stage({ defaults: 'ticket: {}' });

  const answer = await rawExchange(
    proxy.port,
    requestText('POST', '/.well-known/onceward/tickets', [], body),
  );

  expect(answer.status).toBe(201);
});
