import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JwtConfig } from '../../src/config/resolved.ts';
import type { TokenFacts } from '../../src/core/caller.ts';
import { createKeySets, type KeySets } from '../../src/tokens/key-sets.ts';
import { createTokenDesk, type TokenDesk } from '../../src/tokens/token-desk.ts';
import { AUDIENCE, createSigner, ISSUER, jwksText, makeToken } from '../support/tokens.ts';
import { until } from '../support/until.ts';

const folder = mkdtempSync(join(tmpdir(), 'onceward-tokens-'));
const file = join(folder, 'jwks.json');
const ec = createSigner('ec');
const rsa = createSigner('rsa', 'RS256');
const ed = createSigner('ed', 'EdDSA');
const stranger = createSigner('ec');
const elsewhere = createSigner('elsewhere');
const NOW = Math.floor(Date.now() / 1000);
let nowMs = NOW * 1000;
let results: string[] = [];
let keySets: KeySets;
let desk: TokenDesk;

function newDesk(config: Partial<JwtConfig> = {}): TokenDesk {
  const issuer = {
    issuer: ISSUER,
    jwksFile: file,
    audiences: [AUDIENCE],
    algorithms: ['RS256', 'ES256', 'EdDSA'],
  };
  return createTokenDesk({
    config: { issuers: [issuer], header: 'authorization', leewayMs: 30_000, ...config },
    claims: new Set(['sub', 'tenant']),
    keySets,
    wallMs: () => nowMs,
    onRead: (result) => void results.push(result),
  });
}

beforeAll(async () => {
  writeFileSync(file, jwksText(ec, rsa, ed));
  keySets = createKeySets({ intervalMs: 60_000, onRead: () => undefined });
  await keySets.use([file]);
  desk = newDesk();
});

afterAll(() => {
  keySets?.stop();
  rmSync(folder, { recursive: true });
});

async function read(token: string, of: TokenDesk = desk): Promise<TokenFacts> {
  return await of.read(['Authorization', `Bearer ${token}`]);
}

describe('a token that is right', () => {
  it.each([
    ['RS256', rsa],
    ['ES256', ec],
    ['EdDSA', ed],
  ])('is verified with %s, and tells its issuer and the claims that routes ask for', async (_, signer) => {
    expect(await read(makeToken(signer, { sub: 'ada', other: 'x' }))).toEqual({
      kind: 'verified',
      issuer: ISSUER,
      claims: new Map([['sub', 'ada']]),
    });
  });

  it('is remembered: the second time nothing is awaited', async () => {
    const token = makeToken(ec, { sub: 'bob' });
    results = [];
    await read(token);

    const again = desk.read(['authorization', `bearer ${token}`]);

    expect(again).not.toBeInstanceOf(Promise);
    expect(results).toEqual(['verified', 'cached']);
  });

  it('is not remembered beyond its time and the leeway', async () => {
    const token = makeToken(ec, { sub: 'cy', exp: NOW + 10 });
    await read(token);
    nowMs = (NOW + 39) * 1000;
    const inTime = (await read(token)).kind;
    nowMs = (NOW + 40) * 1000;
    const late = await read(token);
    nowMs = NOW * 1000;

    expect(inTime).toBe('verified');
    expect(late).toMatchObject({ kind: 'refused', why: 'expired' });
  });

  it('names a claim only where it is text that has one spelling', async () => {
    const none: readonly unknown[] = [7, null, ['a'], '', 'x'.repeat(1025), '\ud800'];
    for (const sub of none)
      expect(await read(makeToken(ec, { sub }))).toMatchObject({ kind: 'verified', claims: new Map() });
  });
});

const hs = (): string => {
  const parts = [
    { alg: 'HS256', kid: 'rsa' },
    { iss: ISSUER, aud: AUDIENCE, sub: 'ada', exp: NOW + 600 },
  ];
  const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  // The public key as a shared secret: what alg confusion is about.
  return `${signed}.${createHmac('sha256', JSON.stringify(rsa.jwk)).update(signed).digest('base64url')}`;
};
const none = (): string => {
  const [, payload] = makeToken(ec, { sub: 'ada' }).split('.');
  return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
};
const sub = { sub: 'ada' };
const doubled = `{"iss":"${ISSUER}","aud":"${AUDIENCE}","exp":${NOW + 600},"sub":"ada","sub":"eve"}`;

describe('a token is refused', () => {
  it.each<[string, string, () => string]>([
    ['that nobody signed (alg none)', 'malformed', none],
    ['that says none and has a signature', 'algorithm', () => makeToken(ec, sub, { alg: 'none' })],
    ['signed with the public key as a secret', 'algorithm', hs],
    ['whose alg is another than that of its key', 'unknown-key', () => makeToken(rsa, sub, { alg: 'ES256' })],
    ['of an algorithm that is not listed', 'algorithm', () => makeToken(rsa, sub, { alg: 'RS512' })],
    ['whose kid is not known', 'unknown-key', () => makeToken(elsewhere, sub)],
    ['whose kid is known and whose key is not', 'signature', () => makeToken(stranger, sub)],
    ['that brings its key along (jwk)', 'signature', () => makeToken(stranger, sub, { jwk: stranger.jwk })],
    [
      'that says where its key is (jku)',
      'unknown-key',
      () => makeToken(elsewhere, sub, { jku: 'http://127.0.0.1:9/' }),
    ],
    [
      'that says where its certificate is (x5u)',
      'unknown-key',
      () => makeToken(elsewhere, sub, { x5u: 'http://127.0.0.1:9/' }),
    ],
    ['with crit', 'critical', () => makeToken(ec, sub, { crit: ['b64'], b64: false })],
    ['with a claim twice', 'malformed', () => makeToken(ec, doubled)],
    ['whose claims are no object', 'malformed', () => makeToken(ec, '[]')],
    ['that is over', 'expired', () => makeToken(ec, { ...sub, exp: NOW - 30 })],
    ['without an end', 'expired', () => makeToken(ec, { ...sub, exp: undefined })],
    ['whose end is no number', 'malformed', () => makeToken(ec, { ...sub, exp: 'never' })],
    ['whose time has not come', 'not-yet', () => makeToken(ec, { ...sub, nbf: NOW + 31 })],
    ['that was issued in the future', 'not-yet', () => makeToken(ec, { ...sub, iat: NOW + 31 })],
    ['of another issuer', 'issuer', () => makeToken(ec, { ...sub, iss: 'https://evil.example' })],
    ['without an issuer', 'issuer', () => makeToken(ec, { ...sub, iss: undefined })],
    ['for another audience', 'audience', () => makeToken(ec, { ...sub, aud: ['other'] })],
    ['without an audience', 'audience', () => makeToken(ec, { ...sub, aud: undefined })],
    ['that is too long', 'too-large', () => makeToken(ec, { ...sub, pad: 'x'.repeat(8192) })],
    ['that is none', 'malformed', () => 'opaque'],
    ['that was changed', 'signature', () => makeToken(ec, sub).replace(/.{8}$/, 'AAAAAAAA')],
  ])('%s', async (_, why, token) => {
    expect(await read(token())).toMatchObject({ kind: 'refused', why });
  });

  it('where there are two', async () => {
    const token = `Bearer ${makeToken(ec, sub)}`;

    expect(await desk.read(['Authorization', token, 'authorization', token])).toMatchObject({
      why: 'repeated',
    });
  });
});

describe('no token', () => {
  it('is what has another scheme, or is empty', async () => {
    expect(await desk.read([])).toEqual({ kind: 'absent' });
    expect(await desk.read(['Authorization', 'Basic YTpi'])).toEqual({ kind: 'absent' });
    expect(await newDesk({ header: 'x-token' }).read(['X-Token', makeToken(ec, sub)])).toMatchObject({
      kind: 'verified',
    });
  });
});

describe('the key set', () => {
  it('that changes ends what was verified with it; a faulty one changes nothing', async () => {
    const own = join(folder, 'own.json');
    const seen: string[] = [];
    writeFileSync(own, jwksText(ec));
    const sets = createKeySets({ intervalMs: 60_000, onRead: ({ kind }) => void seen.push(kind) });
    await sets.use([own]);
    const issuer = { issuer: ISSUER, jwksFile: own, audiences: null, algorithms: ['ES256'] };
    const config = { issuers: [issuer], header: 'authorization', leewayMs: 0 };
    const of = createTokenDesk({
      config,
      claims: new Set(),
      keySets: sets,
      wallMs: () => nowMs,
      onRead: () => undefined,
    });
    const token = makeToken(ec, sub);
    expect((await read(token, of)).kind).toBe('verified');

    writeFileSync(own, '{"keys":[]}');
    await until('the faulty one', async () => {
      sets.checkNow();
      return seen.includes('faulty') ? true : null;
    });
    expect((await read(token, of)).kind).toBe('verified');

    writeFileSync(own, jwksText(elsewhere));
    await until('the next one', async () => {
      sets.checkNow();
      return seen.filter((kind) => kind === 'keys').length > 1 ? true : null;
    });
    expect(await read(token, of)).toMatchObject({ why: 'unknown-key' });
    sets.stop();
  });

  it.each([
    ['a shared secret', { keys: [{ kty: 'oct', k: 'AAAA' }] }],
    ['a private key', { keys: [ed.privateKey.export({ format: 'jwk' })] }],
    ['two keys of one kid', { keys: [ec.jwk, stranger.jwk] }],
    ['more than 100 keys', { keys: Array.from({ length: 101 }, (_, i) => ({ ...ec.jwk, kid: String(i) })) }],
    ['nothing to verify with', { keys: [{ ...ec.jwk, use: 'enc' }, { kty: 'AKP' }] }],
    ['a key that is none', { keys: [{ kty: 'RSA', n: 'AA', e: 'AA' }] }],
    ['no list of keys', {}],
  ])('with %s is refused', async (_, set) => {
    const wrong = join(folder, 'wrong.json');
    writeFileSync(wrong, JSON.stringify(set));
    const sets = createKeySets({ intervalMs: 60_000, onRead: () => undefined });

    const [found] = await sets.use([wrong]);
    sets.stop();

    expect(found?.kind).toBe('faulty');
  });
});
