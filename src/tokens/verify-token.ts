import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { JwtConfig, JwtIssuer } from '../config/resolved.ts';
import type { TokenFacts, TokenFault } from '../core/caller.ts';
import { type JsonValue, readJson } from '../core/json.ts';
import type { KeySet } from './jwks.ts';
import type { KeySets } from './key-sets.ts';

/** Verifies one token (RFC 7519, RFC 8725). The signature is the business of `jose`; this says what is asked of it. */

type Refused = Extract<TokenFacts, { kind: 'refused' }>;

export type Verified = {
  readonly facts: Extract<TokenFacts, { kind: 'verified' }>;
  /** With the leeway of the clocks. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
};

type Outcome =
  | Refused
  | Extract<TokenFacts, { kind: 'unavailable' }>
  | {
      readonly kind: 'verified';
      readonly verified: Verified;
      readonly issuer: JwtIssuer;
      readonly keys: KeySet;
    };

export function refusedToken(why: TokenFault, detail: string): Refused {
  return { kind: 'refused', why, detail };
}

const MALFORMED = refusedToken('malformed', 'The token is no signed JSON Web Token.');
const CLAIM_CHARS_MAX = 1024;

/** Never rejects. */
export async function verifyToken(
  token: string,
  options: {
    readonly config: JwtConfig;
    readonly claims: ReadonlySet<string>;
    readonly keySets: KeySets;
    readonly wallMs: () => number;
  },
): Promise<Outcome> {
  const { config, keySets } = options;
  const issuer = issuerOf(token, config);
  if ('kind' in issuer) return issuer;
  const keys = await keySets.of(issuer.jwksFile);
  if (keys === null)
    return { kind: 'unavailable', detail: 'The keys of the issuer of this token have not been read yet.' };
  const nowMs = options.wallMs();
  try {
    const { payload } = await jwtVerify(token, keys.find, {
      algorithms: [...issuer.algorithms],
      issuer: issuer.issuer,
      ...(issuer.audiences === null ? {} : { audience: [...issuer.audiences] }),
      requiredClaims: ['exp'],
      clockTolerance: config.leewayMs / 1000,
      currentDate: new Date(nowMs),
    });
    const verified = verifiedOf(payload, issuer, options.claims, config.leewayMs);
    return nowMs < verified.notBeforeMs ? NOT_YET : { kind: 'verified', verified, issuer, keys };
  } catch (error) {
    return refusalOf(error);
  }
}

/** Which issuer it claims to be of, and that what it claims can be read in one way only. Nothing is believed yet. */
function issuerOf(token: string, config: JwtConfig): JwtIssuer | Refused {
  const parts = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+$/.exec(token);
  const header = members(parts?.[1]);
  const claims = members(parts?.[2]);
  if (header === null || claims === null) return MALFORMED;
  if (header.has('crit'))
    return refusedToken('critical', 'The token demands extensions that are not known here.');
  const claimed = textOf(claims.get('iss'));
  const issuer = config.issuers.find((known) => known.issuer === claimed);
  if (issuer === undefined) return refusedToken('issuer', 'The token is of no issuer that is trusted here.');
  const algorithm = textOf(header.get('alg'));
  return issuer.algorithms.some((allowed) => allowed === algorithm) ? issuer : ALGORITHM;
}

const ALGORITHM = refusedToken('algorithm', 'The token is signed with an algorithm that is not taken here.');
const NOT_YET = refusedToken('not-yet', 'The time of the token has not come yet.');

/** RFC 7519 section 4: of a name that is there twice, another reader might take the other value. */
function members(part: string | undefined): ReadonlyMap<string, JsonValue> | null {
  const read = readJson(Buffer.from(part ?? '', 'base64url'), 'search');
  if (read.kind === 'fault' || read.value.kind !== 'object' || read.value.repeated !== null) return null;
  return read.value.members;
}

function textOf(value: JsonValue | undefined): string | null {
  return value?.kind === 'string' ? value.text : null;
}

function verifiedOf(
  payload: JWTPayload,
  { issuer }: JwtIssuer,
  names: ReadonlySet<string>,
  leewayMs: number,
): Verified {
  const claims = new Map<string, string>();
  for (const name of names) {
    const value = Object.hasOwn(payload, name) ? payload[name] : undefined;
    if (typeof value === 'string' && value !== '' && value.length <= CLAIM_CHARS_MAX && value.isWellFormed())
      claims.set(name, value);
  }
  const from = Math.max(payload.nbf ?? 0, payload.iat ?? 0);
  return {
    facts: { kind: 'verified', issuer, claims },
    notBeforeMs: from * 1000 - leewayMs,
    notAfterMs: (payload.exp ?? 0) * 1000 + leewayMs,
  };
}

/** Whatever goes wrong over a token is the token's fault: it must never become an error of ours. */
function refusalOf(error: unknown): Refused {
  if (error instanceof errors.JWTExpired) return refusedToken('expired', 'The time of the token is over.');
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'aud') return refusedToken('audience', 'The token is not meant for this service.');
    if (error.claim === 'nbf' && error.reason === 'check_failed') return NOT_YET;
    if (error.claim === 'exp' && error.reason === 'missing')
      return refusedToken('expired', 'The token has no time at which it ends.');
    return MALFORMED;
  }
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) return ALGORITHM;
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return refusedToken('unknown-key', 'The token is signed with no key of its issuer that is known here.');
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return refusedToken('signature', 'The signature of the token is not right.');
  return MALFORMED;
}
