import { hash } from 'node:crypto';
import type { Caller, CallerCertificate, TokenFacts } from './caller.ts';
import { withoutOuterSpace } from './media-type.ts';
import type { ScopePolicy } from './policy.ts';
import { unreachable } from './unreachable.ts';
import { allValues, type RawHeaders, type RequestHead } from './wire.ts';

/** Whose key it is: a digest over the scope's fields, tagged so that no credential equals the anonymous scope. */
export type Scope =
  | { readonly kind: 'scope'; readonly scope: Uint8Array }
  /** The token counts, and nobody has read it yet. */
  | { readonly kind: 'unread' }
  | { readonly kind: 'unknown'; readonly code: ScopeProblem; readonly detail: string };

export type ScopeProblem =
  | 'scope-missing'
  | 'bad-request'
  | 'credential-invalid'
  | 'verification-unavailable';

function unknown(code: ScopeProblem, detail: string): Extract<Scope, { kind: 'unknown' }> {
  return { kind: 'unknown', code, detail };
}

const ANONYMOUS = Uint8Array.of(0x61);
const CREDENTIAL_TAG = 'c';
const NONE: readonly string[] = [];
/** One text in one charset and another in the next: two callers could be one, or one two. */
const NOT_ASCII = /[\u0080-\uffff]/;

/**
 * `AWS4-HMAC-SHA256 Credential=ID/date/region/service/aws4_request, …`: the id with the name of the algorithm, which
 * keeps it apart from any other credential. Null: it is none of these.
 */
function accessKeyOf(authorization: string): string | null {
  const match = /^(AWS4-[A-Z0-9-]{1,40}) {1,8}Credential=([^\s,/=]{1,128})\//.exec(authorization);
  return match === null ? null : `${match[1]} ${match[2]}`;
}

/** By the fields any one of which is enough; a token or certificate that the policy asks for must be there besides. */
export function readScope(policy: ScopePolicy, head: RequestHead, caller: Caller): Scope {
  let text = CREDENTIAL_TAG;
  let present = 0;
  if (policy.jwt !== undefined || policy.certificate !== undefined) {
    const proven = provenPart(policy, caller);
    if (proven.kind !== 'part') return proven;
    text += proven.text;
    present += proven.present;
  }
  for (const name of policy.headers) {
    const values = allValues(head.rawHeaders, name);
    const [whole] = values;
    const value =
      policy.sigv4 === 'access-key' && name === 'authorization' && whole !== undefined
        ? (accessKeyOf(whole) ?? whole)
        : whole;
    // Which of two credentials the backend would believe is not ours to guess.
    if (values.length > 1)
      return unknown(
        'bad-request',
        `The field ${name} is repeated; it says who is asking and must be there once.`,
      );
    if (value === undefined || value === '') {
      text += `${name.length}:${name}-`;
      continue;
    }
    if (NOT_ASCII.test(value))
      return unknown('bad-request', `The field ${name} has bytes that are not ASCII.`);
    present += 1;
    text += `${name.length}:${name}=${value.length}:${value}`;
  }
  for (const name of policy.cookies ?? NONE) {
    const values = cookieValues(head.rawHeaders, name);
    const [value] = values;
    if (values.length > 1)
      return unknown('bad-request', `The cookie ${name} is there twice; it says who is asking.`);
    if (value === undefined || value === '') {
      text += `k${name.length}:${name}-`;
      continue;
    }
    if (NOT_ASCII.test(value))
      return unknown('bad-request', `The cookie ${name} has bytes that are not ASCII.`);
    present += 1;
    text += `k${name.length}:${name}=${value.length}:${value}`;
  }
  if (present > 0) return { kind: 'scope', scope: hash('sha256', Buffer.from(text, 'latin1'), 'buffer') };
  if (policy.anonymous === 'allow') return { kind: 'scope', scope: ANONYMOUS };
  const fields = [...policy.headers, ...(policy.cookies ?? []).map((name) => `the cookie ${name}`)].join(
    ' or ',
  );
  return missing(fields === '' ? 'a scope' : fields);
}

function missing(what: string): Scope {
  return unknown(
    'scope-missing',
    `A request with a key needs ${what}: keys belong to a caller, and this one is not known.`,
  );
}

type Part = { readonly kind: 'part'; readonly text: string; readonly present: number };

/** Tags that are no digits: a part of one kind is never read as one of another, whatever it holds. */
const JWT_TAG = 'j';
const CERTIFICATE_TAG = 'x';

function provenPart({ jwt, certificate, anonymous }: ScopePolicy, caller: Caller): Part | Scope {
  let text = '';
  let present = 0;
  if (jwt !== undefined) {
    if (caller.token.kind === 'absent') {
      if (anonymous === 'refuse') return missing('a token');
      text += `${JWT_TAG}-`;
    } else {
      const part = tokenPart(jwt.claims, caller.token);
      if (part.kind !== 'part') return part;
      text += part.text;
      present += 1;
    }
  }
  if (certificate !== undefined) {
    const named = caller.certificate === null ? '' : certificateText(caller.certificate, certificate);
    if (named === '' && anonymous === 'refuse')
      return missing(
        caller.certificate === null ? 'a client certificate' : `a client certificate with a ${certificate}`,
      );
    text += named === '' ? `${CERTIFICATE_TAG}-` : `${CERTIFICATE_TAG}${certificate}=${prefixed(named)}`;
    if (named !== '') present += 1;
  }
  return { kind: 'part', text, present };
}

/** The issuer always counts: another one may give the same name to somebody else. */
function tokenPart(
  claims: readonly string[],
  token: Exclude<TokenFacts, { kind: 'absent' }>,
): Part | Exclude<Scope, { kind: 'scope' }> {
  switch (token.kind) {
    case 'not-read':
      return { kind: 'unread' };
    case 'unavailable':
      return unknown('verification-unavailable', token.detail);
    case 'refused':
      return unknown(token.why === 'repeated' ? 'bad-request' : 'credential-invalid', token.detail);
    case 'verified': {
      let text = `${JWT_TAG}${prefixed(token.issuer)}`;
      for (const name of claims) {
        const value = token.claims.get(name);
        if (value === undefined)
          return unknown(
            'credential-invalid',
            `The token says nothing of its caller: it has no claim ${name} that is text of 1 to 1024 characters.`,
          );
        text += `${JWT_TAG}${prefixed(name)}=${prefixed(value)}`;
      }
      return { kind: 'part', text, present: 1 };
    }
    default:
      return unreachable(token);
  }
}

function certificateText(
  { fingerprint, subject, alternativeNames }: CallerCertificate,
  part: NonNullable<ScopePolicy['certificate']>,
): string {
  switch (part) {
    case 'fingerprint':
      return fingerprint;
    case 'subject':
      return subject;
    case 'san':
      return alternativeNames.toSorted().map(prefixed).join('');
    default:
      return unreachable(part);
  }
}

/** In UTF-8, which the digest takes byte by byte: cut to latin1, two names could be one. */
function prefixed(text: string): string {
  const bytes = Buffer.from(text, 'utf8').toString('latin1');
  return `${bytes.length}:${bytes}`;
}

/** The values of a cookie in all lines of the field (RFC 6265 section 4.2.1); its name counts with its case. */
export function cookieValues(rawHeaders: RawHeaders, name: string): readonly string[] {
  const found: string[] = [];
  for (const line of allValues(rawHeaders, 'cookie')) {
    for (const pair of line.split(';')) {
      const equals = pair.indexOf('=');
      if (equals === -1 || withoutOuterSpace(pair.slice(0, equals)) !== name) continue;
      found.push(withoutOuterSpace(pair.slice(equals + 1)));
    }
  }
  return found;
}
