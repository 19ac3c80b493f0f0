import { writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import {
  baseConfig,
  type ChildProxy,
  type Folder,
  runBinary,
  startChildProxy,
  temporaryFolder,
} from '../support/child-proxy.ts';
import {
  type Arrival,
  type CountingBackend,
  executeAndAnswer,
  startCountingBackend,
} from '../support/counting-backend.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { AUDIENCE, createSigner, ISSUER, jwksText, makeToken } from '../support/tokens.ts';

/** Who may still be told of a request that was executed: real processes, a backend that takes rights away. */

const signer = createSigner('one');
let backend: CountingBackend;
let folder: Folder;
let proxy: ChildProxy;
let config: string;
/** What the backend says when it is asked, and what it was asked. */
let verdict = 204;
let asked: Arrival[] = [];

function behave(arrival: Arrival): void {
  if (arrival.request.url?.startsWith('/auth') !== true) {
    executeAndAnswer(arrival);
    return;
  }
  asked.push(arrival);
  if (verdict === 0) arrival.reset();
  else if (verdict !== -1) arrival.answer(verdict, '');
}

beforeAll(async () => {
  backend = await startCountingBackend(behave);
  folder = temporaryFolder();
  writeFileSync(`${folder.path}/keys.json`, jwksText(signer));
  const subrequest = { path: '/auth/check?for=replays', timeout: '300ms' };
  config = folder.config({
    ...baseConfig(backend.origin, `lmdb:${folder.path}/store`),
    jwt: { issuers: [{ issuer: ISSUER, jwks: `${folder.path}/keys.json`, audience: [AUDIENCE] }] },
    routes: [
      { name: 'asked', match: { path: '/asked' }, replay: { authorize: { subrequest } } },
      {
        name: 'asked-task',
        match: { path: '/asked-task' },
        replay: { authorize: { subrequest } },
        task: { respond: 'async' },
      },
      { name: 'token', match: { path: '/token' }, replay: { authorize: 'jwt' } },
      { name: 'open', match: { path: '/open' } },
    ],
  });
  proxy = await startChildProxy(['--config', config]);
});

afterEach(() => {
  backend.behave(behave);
  verdict = 204;
  asked = [];
});

afterAll(async () => {
  await proxy?.kill();
  await backend?.close();
  folder?.remove();
});

const ask = (path: string, key: string, headers: Readonly<Record<string, string>> = {}, body = '{}') =>
  sendRequest(proxy.port, { path, headers: { ...keyed(key, 'Bearer mine'), ...headers }, body });

const statusOf = (answer: Answer): unknown => answer.headers['idempotency-status'];

it('a first execution is not asked about, and a repeat is, with the fields of the repeat and without its body', async () => {
  const first = await ask('/asked', 'k1');
  const before = asked.length;
  const again = await ask('/asked', 'k1', {
    Cookie: 'session=1',
    'If-None-Match': '"a"',
    'Onceward-Original-Method': 'GET',
    'Accept-Encoding': 'gzip',
  });

  expect([statusOf(first), before, statusOf(again)]).toEqual(['executed', 0, 'replayed']);
  const [question] = asked;
  expect([question?.request.method, question?.request.url, question?.body]).toEqual([
    'GET',
    '/auth/check?for=replays',
    '',
  ]);
  const headers: IncomingHttpHeaders = question?.request.headers ?? {};
  expect(headers).toMatchObject({
    authorization: 'Bearer mine',
    cookie: 'session=1',
    'onceward-original-method': 'POST',
    'onceward-original-target': '/asked',
  });
  const left = ['content-length', 'content-type', 'if-none-match', 'accept-encoding', 'transfer-encoding'];
  expect(left.filter((name) => headers[name] !== undefined)).toEqual([]);
});

it.each<[number, number, string]>([
  [401, 401, 'credential-invalid'],
  [403, 403, 'replay-denied'],
  [500, 503, 'verification-unavailable'],
  [302, 503, 'verification-unavailable'],
  [404, 503, 'verification-unavailable'],
  [0, 503, 'verification-unavailable'],
  [-1, 503, 'verification-unavailable'],
])(
  'where the backend answers %i a repeat gets %i %s, and none of the stored answer',
  async (says, status, code) => {
    const key = `denied-${says}`;
    await ask('/asked', key);
    verdict = says;

    const again = await ask('/asked', key);

    expect([again.status, problemCode(again), statusOf(again)]).toEqual([status, code, undefined]);
    expect(again.body.toString()).not.toContain('execution');
    expect(backend.executions(key)).toBe(1);
    verdict = 204;
    expect(statusOf(await ask('/asked', key))).toBe('replayed');
  },
);

it('who may not have the answer is not told either that the content differs, or that the outcome is not known', async () => {
  await ask('/asked', 'k2');
  backend.behave((arrival) => (arrival.request.url === '/asked' ? arrival.reset() : behave(arrival)));
  await ask('/asked', 'k3');
  verdict = 403;

  const other = await ask('/asked', 'k2', {}, '{"amount":2}');
  const unknown = await ask('/asked', 'k3');

  expect([problemCode(other), problemCode(unknown)]).toEqual(['replay-denied', 'replay-denied']);
});

it('who repeats while the first is in flight is asked about before it waits', async () => {
  const arrived = backend.nextArrival();
  let release = (): void => undefined;
  backend.behave((arrival) => {
    if (arrival.request.url === '/asked') release = () => executeAndAnswer(arrival);
    else behave(arrival);
  });
  const first = ask('/asked', 'k4');
  await arrived;
  verdict = 403;

  const joining = await ask('/asked', 'k4');
  release();

  expect([problemCode(joining), (await first).status]).toEqual(['replay-denied', 201]);
});

it('how a task stands, and its answer, are asked about as well', async () => {
  const started = await ask('/asked-task', 'k5');
  const path = String(started.headers.location);
  const look = (tail = ''): Promise<Answer> =>
    sendRequest(proxy.port, { method: 'GET', path: `${path}${tail}`, headers: keyed('k5', 'Bearer mine') });
  const allowed = await look();
  verdict = 403;

  const answers = [await look(), await look('/response'), await ask('/asked-task', 'k5')];

  expect([started.status, allowed.status]).toEqual([202, 200]);
  expect(answers.map(problemCode)).toEqual(['replay-denied', 'replay-denied', 'replay-denied']);
});

it('a token that has expired, or is none, gets no stored answer where the credential is hashed', async () => {
  const token = makeToken(signer, { sub: 'ada', exp: Math.floor(Date.now() / 1000) + 600 });
  const expired = makeToken(signer, { sub: 'ada', exp: 1 });
  const send = (key: string, credential: string): Promise<Answer> =>
    sendRequest(proxy.port, { path: '/token', headers: keyed(key, credential) });

  const firsts = [
    await send('k6', `Bearer ${token}`),
    await send('k6', `Bearer ${expired}`),
    await send('k6', 'Basic eA=='),
  ];
  const repeats = [
    await send('k6', `Bearer ${token}`),
    await send('k6', `Bearer ${expired}`),
    await send('k6', 'Basic eA=='),
  ];

  // Whether a first request is let through is the business of the backend.
  expect(firsts.map(statusOf)).toEqual(['executed', 'executed', 'executed']);
  expect(repeats.map(({ status }) => status)).toEqual([201, 401, 401]);
  expect(repeats[1]?.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  expect(backend.executions('k6')).toBe(3);
});

it('a route that asks nobody replays, whatever the backend would say', async () => {
  await ask('/open', 'k7');
  verdict = 403;

  expect([statusOf(await ask('/open', 'k7')), asked.length]).toEqual(['replayed', 0]);
});

it('explain tells what is asked before a repeat is told anything', async () => {
  const args = ['-H', 'Idempotency-Key: "e"', '-H', 'Authorization: Bearer x'];
  const explain = async (path: string): Promise<string> =>
    (await runBinary(['explain', '--config', config, '-X', 'POST', path, ...args])).stdout;

  expect(await explain('/asked')).toContain(
    'the backend is asked (GET /auth/check?for=replays, at most 300ms)',
  );
  expect(await explain('/token')).toContain('its token is verified, else 401 credential-invalid');
});
