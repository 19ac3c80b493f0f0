import { createHash, hash } from 'node:crypto';
import {
  type Canonical,
  canonicalJson,
  excludedJson,
  type Pointers,
  selectedJson,
} from './canonical-json.ts';
import { decodeForm } from './form.ts';
import { parsePointer } from './json-pointer.ts';
import type { FingerprintPolicy } from './policy.ts';
import { unreachable } from './unreachable.ts';
import { allValues, type RequestHead } from './wire.ts';

/**
 * The digest of what makes two requests the same: 43 characters of base64url. Every part is tagged and has its length
 * before it. Only what the policy names counts, so retry counters, trace and date fields never do.
 */
export function fingerprint(policy: FingerprintPolicy, head: RequestHead, body: Uint8Array): string {
  const mark = head.target.indexOf('?');
  let text = '';
  if (policy.method === 'include') text += part('m', head.method);
  if (policy.path === 'include') text += part('p', mark === -1 ? head.target : head.target.slice(0, mark));
  if (policy.query === 'raw') text += mark === -1 ? 'q-' : part('q', head.target.slice(mark + 1));
  else if (policy.query === 'parsed')
    text += part('Q', parsedQuery(mark === -1 ? '' : head.target.slice(mark + 1)));
  for (const name of sorted(policy.headers)) {
    const values = allValues(head.rawHeaders, name);
    text += part('h', name);
    for (const value of values) text += part('v', value);
  }
  const selected = selectBody(policy, body);
  switch (selected.kind) {
    case 'none':
      return hash('sha256', Buffer.from(text, 'latin1'), 'base64url');
    case 'canonical':
      return createHash('sha256').update(text, 'latin1').update(`J${selected.text}`).digest('base64url');
    case 'bytes':
      return digestWithBytes(`${text}B`, body);
    default:
      return unreachable(selected);
  }
}

/** Up to here one copy into one buffer and one call of the hash cost less than a hash object; measured. */
const ONE_SHOT_BYTES_MAX = 1024;

function digestWithBytes(text: string, body: Uint8Array): string {
  // Stryker disable next-line ConditionalExpression,EqualityOperator,BlockStatement: both ways give the same digest
  if (body.byteLength > ONE_SHOT_BYTES_MAX) {
    return createHash('sha256').update(text, 'latin1').update(body).digest('base64url');
  }
  const whole = Buffer.allocUnsafe(text.length + body.byteLength);
  whole.write(text, 'latin1');
  whole.set(body, text.length);
  return hash('sha256', whole, 'base64url');
}

function part(tag: string, text: string): string {
  return `${tag}${text.length}:${text}`;
}

type Selected =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'canonical'; readonly text: string };
const BYTES: Selected = { kind: 'bytes' };

/** The body is the last part, so it needs no length. */
function selectBody(policy: FingerprintPolicy, bytes: Uint8Array): Selected {
  const { body } = policy;
  switch (body.kind) {
    case 'none':
      return { kind: 'none' };
    case 'bytes':
      return BYTES;
    case 'canonical-json':
      return orBytes(canonicalJson(bytes));
    case 'json-select':
      return orBytes(selectedJson(bytes, tokensOf(body.pointers)));
    case 'json-exclude':
      return orBytes(excludedJson(bytes, tokensOf(body.pointers)));
    default:
      return unreachable(body);
  }
}

function orBytes(canonical: Canonical): Selected {
  return canonical.kind === 'canonical' ? canonical : BYTES;
}

/** The order of a policy's lists does not count, as in its id: reordering a file must not turn repeats into mismatches. */
const SORTED = new WeakMap<readonly string[], readonly string[]>();

/** Worked out once for each list of a policy, which is frozen. */
function sorted(list: readonly string[]): readonly string[] {
  let names = SORTED.get(list);
  // Stryker disable next-line ConditionalExpression: it only saves sorting again
  if (names === undefined) {
    names = [...list].sort();
    // Stryker disable next-line CallExpression: as above
    SORTED.set(list, names);
  }
  return names;
}

const TOKENS = new WeakMap<readonly string[], Pointers>();

/** The configuration has refused malformed pointers. */
function tokensOf(pointers: readonly string[]): Pointers {
  let tokens = TOKENS.get(pointers);
  // Stryker disable next-line ConditionalExpression: it only saves parsing again
  if (tokens === undefined) {
    tokens = sorted(pointers).map((pointer) => {
      const parsed = parsePointer(pointer);
      return parsed.kind === 'ok' ? parsed.tokens : [pointer];
    });
    // Stryker disable next-line CallExpression: as above
    TOKENS.set(pointers, tokens);
  }
  return tokens;
}

/**
 * Names sorted, the values of one name in their order, by form rules (`+` is `%20`). What does not decode, and what
 * should have been escaped, stays as it was sent, tagged.
 */
function parsedQuery(query: string): string {
  const pairs = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const name = normal(equals === -1 ? pair : pair.slice(0, equals));
      return { name, value: equals === -1 ? '-' : normal(pair.slice(equals + 1)) };
    });
  // Stable, so the values of one name stay in their order.
  pairs.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return pairs.map(({ name, value }) => part('n', name) + part('v', value)).join('');
}

function normal(text: string): string {
  // A byte above 0x7E is no URI character: taken for the letter of its code it would equal that letter's escape.
  const decoded = /[^\x21-\x7e]/.test(text) ? null : decodeForm(text);
  return decoded === null ? `!${text}` : `=${encodeURIComponent(decoded)}`;
}
