import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  baseConfig,
  type ChildProxy,
  type Folder,
  runBinary,
  startChildProxy,
  temporaryFolder,
} from '../support/child-proxy.ts';
import { type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { AUDIENCE, createSigner, ISSUER, jwksText, makeToken } from '../support/tokens.ts';

/** A verified claim says whose key it is: real processes, real keys. */

const signer = createSigner('one');
const other = createSigner('two', 'RS256');
const OTHER_ISSUER = 'https://other.example';
let backend: CountingBackend;
let folder: Folder;
let proxy: ChildProxy;
let config: string;

beforeAll(async () => {
  backend = await startCountingBackend();
  folder = temporaryFolder();
  writeFileSync(`${folder.path}/one.json`, jwksText(signer));
  writeFileSync(`${folder.path}/two.json`, jwksText(other));
  config = folder.config({
    ...baseConfig(backend.origin, `lmdb:${folder.path}/store`),
    jwt: {
      issuers: [
        { issuer: ISSUER, jwks: `${folder.path}/one.json`, audience: [AUDIENCE] },
        { issuer: OTHER_ISSUER, jwks: `${folder.path}/two.json`, audience: 'any' },
      ],
    },
    defaults: { scope: { jwt: { claims: ['sub'] } } },
    routes: [{ name: 'open', match: { path: '/open' }, scope: { jwt: 'off', anonymous: 'allow' } }],
  });
  proxy = await startChildProxy(['--config', config]);
});

afterAll(async () => {
  await proxy?.kill();
  await backend?.close();
  folder?.remove();
});

const ask = (key: string, token: string): Promise<Answer> =>
  sendRequest(proxy.port, { headers: keyed(key, `Bearer ${token}`) });

const statusOf = (answer: Answer): unknown => answer.headers['idempotency-status'];

it('a retry with a renewed token gets the first answer, and nothing is executed twice', async () => {
  const first = await ask('renewed', makeToken(signer, { sub: 'ada', jti: '1' }));
  const again = await ask('renewed', makeToken(signer, { sub: 'ada', jti: '2' }));

  expect([first, again].map(statusOf)).toEqual(['executed', 'replayed']);
  expect(again.body).toEqual(first.body);
  expect(backend.executions('renewed')).toBe(1);
});

it('another subject, and the same subject of another issuer, execute on their own', async () => {
  const answers = [
    await ask('shared', makeToken(signer, { sub: 'ada' })),
    await ask('shared', makeToken(signer, { sub: 'bob' })),
    await ask('shared', makeToken(other, { sub: 'ada', iss: OTHER_ISSUER })),
  ];

  expect(answers.map(statusOf)).toEqual(['executed', 'executed', 'executed']);
  expect(backend.executions('shared')).toBe(3);
});

it('a token that does not verify gets 401 with a challenge, whether the key is known or not', async () => {
  await ask('known', makeToken(signer, { sub: 'ada' }));
  const expired = makeToken(signer, { sub: 'ada', exp: 1 });

  const [known, unknown] = [await ask('known', expired), await ask('never-used', expired)];

  expect([known, unknown].map(({ status }) => status)).toEqual([401, 401]);
  expect(problemCode(known)).toBe('credential-invalid');
  expect(known.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  expect(Object.keys(known.headers)).toEqual(Object.keys(unknown.headers));
  expect([backend.executions('known'), backend.executions('never-used')]).toEqual([1, 0]);
});

it('no token, a token without the claim, and one of no key of its issuer reach nothing', async () => {
  const missing = await sendRequest(proxy.port, { headers: { 'Idempotency-Key': '"none"' } });
  const nameless = await ask('none', makeToken(signer, { sub: 7 }));
  const crossed = await ask('none', makeToken(signer, { sub: 'ada', iss: OTHER_ISSUER }));

  expect([missing, nameless, crossed].map(problemCode)).toEqual([
    'scope-missing',
    'credential-invalid',
    'credential-invalid',
  ]);
  expect(backend.executions('none')).toBe(0);
});

it('requests without a key, and routes that ask for no token, are passed on with any', async () => {
  const unkeyed = await sendRequest(proxy.port, { headers: { Authorization: 'Bearer opaque' } });
  const open = await sendRequest(proxy.port, { path: '/open', headers: keyed('open', 'Bearer opaque') });

  expect([unkeyed.status, statusOf(open)]).toEqual([201, 'executed']);
});

it('explain verifies the token that it is given', async () => {
  const explain = async (token: string): Promise<string> => {
    const headers = ['-H', 'Idempotency-Key: "e"', '-H', `Authorization: Bearer ${token}`];
    return (await runBinary(['explain', '--config', config, '-X', 'POST', '/x', ...headers])).stdout;
  };

  expect(await explain(makeToken(signer, { sub: 'ada' }))).toContain('claim sub');
  expect(await explain(makeToken(signer, { sub: 'ada', exp: 1 }))).toContain('credential-invalid');
});

it('a key that leaves the key set ends what it had signed, without a restart', async () => {
  const token = makeToken(signer, { sub: 'ada' });
  await ask('revoked', token);
  const next = createSigner('next');
  const loaded = proxy.logLine((line) => line.msg === 'key set in use' && line.keys === 2);

  writeFileSync(`${folder.path}/one.json`, jwksText(next, createSigner('spare')));
  proxy.signal('SIGHUP');
  await loaded;

  expect(problemCode(await ask('revoked', token))).toBe('credential-invalid');
  expect(statusOf(await ask('revoked', makeToken(next, { sub: 'ada' })))).toBe('replayed');
  expect(backend.executions('revoked')).toBe(1);
});
