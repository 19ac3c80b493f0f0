import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** An issuer of tokens, with keys of its own; tokens are put together by hand, so that any of them can be wrong. */

export type Signer = { readonly kid: string; readonly jwk: object; readonly privateKey: KeyObject };

export function createSigner(kid: string, kind: 'RS256' | 'ES256' | 'EdDSA' = 'ES256'): Signer {
  const pair =
    kind === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : kind === 'ES256'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('ed25519');
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid, alg: kind, use: 'sig' };
  return { kid, jwk, privateKey: pair.privateKey };
}

export function jwksText(...signers: readonly Signer[]): string {
  return JSON.stringify({ keys: signers.map(({ jwk }) => jwk) });
}

export const ISSUER = 'https://login.example';
export const AUDIENCE = 'payments';

/** `claims` and `header` as JSON text where they must not be well-formed. */
export function makeToken(
  signer: Signer,
  claims: Readonly<Record<string, unknown>> | string,
  header: Readonly<Record<string, unknown>> = {},
): string {
  const alg =
    signer.privateKey.asymmetricKeyType === 'rsa'
      ? 'RS256'
      : signer.privateKey.asymmetricKeyType === 'ec'
        ? 'ES256'
        : 'EdDSA';
  const payload =
    typeof claims === 'string'
      ? claims
      : JSON.stringify({ iss: ISSUER, aud: AUDIENCE, exp: Math.floor(Date.now() / 1000) + 600, ...claims });
  const parts = [JSON.stringify({ alg, kid: signer.kid, ...header }), payload];
  const signed = parts.map((part) => Buffer.from(part).toString('base64url')).join('.');
  const key = { key: signer.privateKey, dsaEncoding: 'ieee-p1363' as const };
  const signature = sign(alg === 'EdDSA' ? null : 'sha256', Buffer.from(signed), key);
  return `${signed}.${signature.toString('base64url')}`;
}
