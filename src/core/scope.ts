import { hash } from 'node:crypto';
import { withoutOuterSpace } from './media-type.ts';
import type { ScopePolicy } from './policy.ts';
import { allValues, type RawHeaders, type RequestHead } from './wire.ts';

/** Whose key it is: a digest over the scope's fields, tagged so that no credential equals the anonymous scope. */
export type Scope =
  | { readonly kind: 'scope'; readonly scope: Uint8Array }
  | { readonly kind: 'missing'; readonly detail: string }
  | { readonly kind: 'invalid'; readonly detail: string };

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

export function readScope(policy: ScopePolicy, head: RequestHead): Scope {
  let text = CREDENTIAL_TAG;
  let present = 0;
  for (const name of policy.headers) {
    const values = allValues(head.rawHeaders, name);
    const [whole] = values;
    const value =
      policy.sigv4 === 'access-key' && name === 'authorization' && whole !== undefined
        ? (accessKeyOf(whole) ?? whole)
        : whole;
    // Which of two credentials the backend would believe is not ours to guess.
    if (values.length > 1)
      return {
        kind: 'invalid',
        detail: `The field ${name} is repeated; it says who is asking and must be there once.`,
      };
    if (value === undefined || value === '') {
      text += `${name.length}:${name}-`;
      continue;
    }
    if (NOT_ASCII.test(value))
      return { kind: 'invalid', detail: `The field ${name} has bytes that are not ASCII.` };
    present += 1;
    text += `${name.length}:${name}=${value.length}:${value}`;
  }
  for (const name of policy.cookies ?? NONE) {
    const values = cookieValues(head.rawHeaders, name);
    const [value] = values;
    if (values.length > 1)
      return { kind: 'invalid', detail: `The cookie ${name} is there twice; it says who is asking.` };
    if (value === undefined || value === '') {
      text += `k${name.length}:${name}-`;
      continue;
    }
    if (NOT_ASCII.test(value))
      return { kind: 'invalid', detail: `The cookie ${name} has bytes that are not ASCII.` };
    present += 1;
    text += `k${name.length}:${name}=${value.length}:${value}`;
  }
  if (present > 0) return { kind: 'scope', scope: hash('sha256', Buffer.from(text, 'latin1'), 'buffer') };
  if (policy.anonymous === 'allow') return { kind: 'scope', scope: ANONYMOUS };
  const fields = [...policy.headers, ...(policy.cookies ?? []).map((name) => `the cookie ${name}`)].join(
    ' or ',
  );
  return {
    kind: 'missing',
    detail: `A request with a key needs ${fields === '' ? 'a scope' : fields}: keys belong to a caller, and this one is not known.`,
  };
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
