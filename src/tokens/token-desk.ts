import { hash } from 'node:crypto';
import type { JwtConfig, JwtIssuer } from '../config/resolved.ts';
import type { TokenFacts, TokenResult } from '../core/caller.ts';
import { allValues, type RawHeaders } from '../core/wire.ts';
import type { KeySet } from './jwks.ts';
import type { KeySets } from './key-sets.ts';
import { refusedToken, type Verified, verifyToken } from './verify-token.ts';

/** Reads the token of a request, and remembers what it verified: a retry costs no signature. */

export type TokenDesk = {
  /** A promise only where a signature has to be verified. Never rejects. */
  read(rawHeaders: RawHeaders): TokenFacts | Promise<TokenFacts>;
};

export type TokenDeskOptions = {
  readonly config: JwtConfig;
  /** The claims that any route asks for. */
  readonly claims: ReadonlySet<string>;
  readonly keySets: KeySets;
  readonly wallMs: () => number;
  readonly onRead: (result: TokenResult) => void;
};

type Remembered = { readonly verified: Verified; readonly issuer: JwtIssuer; readonly keys: KeySet };

const TOKEN_CHARS_MAX = 8192;
const REMEMBERED_MAX = 10_000;
const ABSENT = { kind: 'absent' } as const;

export function createTokenDesk(options: TokenDeskOptions): TokenDesk {
  const { config, keySets, wallMs, onRead } = options;
  const remembered = new Map<string, Remembered>();
  const pending = new Map<string, Promise<TokenFacts>>();

  const recall = (id: string): TokenFacts | null => {
    const found = remembered.get(id);
    if (found === undefined) return null;
    const now = wallMs();
    const { notBeforeMs, notAfterMs, facts } = found.verified;
    // By identity: a key set that was read again may have lost the key that verified this.
    if (keySets.now(found.issuer.jwksFile) === found.keys && now >= notBeforeMs && now < notAfterMs)
      return facts;
    remembered.delete(id);
    return null;
  };

  const verify = async (id: string, token: string): Promise<TokenFacts> => {
    const outcome = await verifyToken(token, options);
    pending.delete(id);
    if (outcome.kind !== 'verified') {
      onRead(outcome.kind === 'refused' ? outcome.why : 'unavailable');
      return outcome;
    }
    onRead('verified');
    const [oldest] = remembered.keys();
    if (remembered.size >= REMEMBERED_MAX && oldest !== undefined) remembered.delete(oldest);
    remembered.set(id, { verified: outcome.verified, issuer: outcome.issuer, keys: outcome.keys });
    return outcome.verified.facts;
  };

  return {
    read(rawHeaders) {
      const presented = presentedToken(config.header, rawHeaders);
      if (typeof presented !== 'string') {
        onRead(presented.kind === 'refused' ? presented.why : 'absent');
        return presented;
      }
      // The cache must not hold what could be used as a credential.
      const id = hash('sha256', presented, 'base64url');
      const known = recall(id);
      if (known !== null) {
        onRead('cached');
        return known;
      }
      const underWay = pending.get(id);
      if (underWay !== undefined) return underWay;
      const verification = verify(id, presented);
      pending.set(id, verification);
      return verification;
    },
  };
}

/** `Authorization` needs its scheme (RFC 6750 section 2.1); another field holds the token alone, or with it. */
export function presentedToken(
  header: string,
  rawHeaders: RawHeaders,
): string | Extract<TokenFacts, { kind: 'absent' | 'refused' }> {
  const values = allValues(rawHeaders, header);
  const [value = ''] = values;
  if (values.length > 1)
    return refusedToken(
      'repeated',
      `The field ${header} is repeated; it says who is asking and must be there once.`,
    );
  const scheme = /^bearer +/i.exec(value);
  if (value === '' || (scheme === null && header === 'authorization')) return ABSENT;
  const token = value.slice(scheme?.[0].length ?? 0);
  if (token.length > TOKEN_CHARS_MAX)
    return refusedToken('too-large', `The token is longer than ${TOKEN_CHARS_MAX} characters.`);
  return token;
}
