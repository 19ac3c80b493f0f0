import { decodeForm, formField, isForm, readForm } from './form.ts';
import { type JsonFault, type JsonValue, readJson } from './json.ts';
import { valueAt } from './json-pointer.ts';
import { essenceOf, withoutOuterSpace } from './media-type.ts';
import type { KeyPolicy, KeySource } from './policy.ts';
import { parseSfString } from './sf-string.ts';
import { unreachable } from './unreachable.ts';
import { isField, type RequestHead } from './wire.ts';

/** The client's key, found and validated before anything is looked up with it. */

export type HeadKey =
  | { readonly kind: 'key'; readonly key: string; readonly source: KeySource }
  | { readonly kind: 'absent' }
  /** Nothing in the head, and the policy has a source in the body. */
  | { readonly kind: 'in-body' }
  | Invalid;

export type BodyKey = Exclude<HeadKey, { readonly kind: 'in-body' }>;

type Found = { readonly kind: 'raw'; readonly text: string } | { readonly kind: 'absent' } | Invalid;

/** several: two parties may take two keys for the one. */
export type Invalid = { readonly kind: 'invalid'; readonly detail: string; readonly keys?: 'several' };

const ABSENT = { kind: 'absent' } as const;

/** The key as the head has it. Every source of the head is read: two that disagree are an error, whatever their order. */
export function readHeadKey(policy: KeyPolicy, head: RequestHead): HeadKey {
  let first: Extract<HeadKey, { kind: 'key' }> | null = null;
  let inBody: 'no' | 'yes' = 'no';
  for (const source of policy.sources) {
    if (source.kind === 'json' || source.kind === 'form' || source.kind === 'message') {
      inBody = 'yes';
      continue;
    }
    const found =
      source.kind === 'header' ? fromHeader(policy, head, source.name) : fromQuery(head.target, source.name);
    const checked = found.kind === 'raw' ? checkKey(policy, found.text, source) : found;
    if (checked.kind === 'absent') continue;
    if (checked.kind === 'invalid') return checked;
    if (first !== null && first.key !== checked.key) return disagree(first.source, source);
    first ??= checked;
  }
  if (first !== null) return first;
  return inBody === 'yes' ? { kind: 'in-body' } : ABSENT;
}

/**
 * The key as a form has it, or a JSON body by JSON Pointer; for a request whose head had none. A body that says it is
 * JSON and cannot be read is invalid: a backend with a laxer parser could find a key, and execute, where none was
 * found here.
 */
export function readBodyKey(policy: KeyPolicy, body: Uint8Array, contentType: string | undefined): BodyKey {
  if (isForm(contentType)) return searchForm(policy, body);
  const type = mediaType(contentType);
  if (type === 'other' || body.byteLength === 0 || !looksInto(policy, 'json')) return ABSENT;
  const read = readJson(body, 'search');
  if (read.kind === 'value') return searchBody(policy, read.value);
  if (type === 'unnamed' && read.fault === 'not-json') return ABSENT;
  return invalid(`The body cannot be searched for the key: ${describeFault(read.fault)}.`);
}

/** Whether a body that also carries a key names the one of the head; without a source in it nothing is read. */
export function confirmHeadKey(
  policy: KeyPolicy,
  headKey: string,
  body: Uint8Array,
  contentType: string | undefined,
): { readonly kind: 'agrees' } | Invalid {
  const found = isForm(contentType) ? searchForm(policy, body) : confirmingJson(policy, body, contentType);
  if (found.kind === 'invalid') return found;
  return found.kind === 'absent' || found.key === headKey
    ? AGREES
    : several(`${nameOf(found.source)} differs from the one in the request head; send one key.`);
}

const AGREES = { kind: 'agrees' } as const;

function confirmingJson(policy: KeyPolicy, body: Uint8Array, contentType: string | undefined): BodyKey {
  if (!looksInto(policy, 'json') || mediaType(contentType) === 'other') return ABSENT;
  const read = readJson(body, 'search');
  // The head has named the key; what cannot be read cannot contradict it.
  return read.kind === 'fault' ? ABSENT : searchBody(policy, read.value);
}

function looksInto(policy: KeyPolicy, kind: 'json' | 'form'): boolean {
  return policy.sources.some((source) => source.kind === kind);
}

function searchForm(policy: KeyPolicy, body: Uint8Array): BodyKey {
  if (!looksInto(policy, 'form')) return ABSENT;
  const pairs = readForm(body);
  if (pairs === null) return invalid('The form is not well-formed percent-encoded UTF-8.');
  let first: Extract<HeadKey, { kind: 'key' }> | null = null;
  for (const source of policy.sources) {
    if (source.kind !== 'form') continue;
    const field = formField(pairs, source.name);
    if (field.kind === 'absent') continue;
    if (field.kind === 'repeated') return invalid(`The form field ${source.name} is repeated; send it once.`);
    const checked = checkKey(policy, field.value, source);
    if (checked.kind === 'invalid') return checked;
    if (first !== null && first.key !== checked.key) return disagree(first.source, source);
    first ??= checked;
  }
  return first ?? ABSENT;
}

function searchBody(policy: KeyPolicy, document: JsonValue): BodyKey {
  let first: Extract<HeadKey, { kind: 'key' }> | null = null;
  for (const source of policy.sources) {
    if (source.kind !== 'json') continue;
    const member = valueAt(document, source.tokens);
    if (member.kind === 'absent') continue;
    if (member.kind === 'repeated') {
      return invalid(
        `The member "${member.name}" on the way to ${source.pointer} is repeated; send it once.`,
      );
    }
    // A number has several spellings (1, 1.0, 1e0), and large ones lose digits: which of them are one key is a guess.
    if (member.value.kind !== 'string') return invalid(`${nameOf(source)} must be a JSON string.`);
    const checked = checkKey(policy, member.value.text, source);
    if (checked.kind === 'invalid') return checked;
    if (first !== null && first.key !== checked.key) return disagree(first.source, source);
    first ??= checked;
  }
  return first ?? ABSENT;
}

function invalid(detail: string): Invalid {
  return { kind: 'invalid', detail };
}

function several(detail: string): Invalid {
  return { kind: 'invalid', detail, keys: 'several' };
}

/** Two readers of one request could otherwise take it for two operations. */
function disagree(one: KeySource, other: KeySource): Invalid {
  return several(`${nameOf(one)} differs from the one in ${placeOf(other)}; send one key.`);
}

function nameOf(source: KeySource): string {
  return `The key in ${placeOf(source)}`;
}

function placeOf(source: KeySource): string {
  switch (source.kind) {
    case 'header':
      return `the field ${source.name}`;
    case 'query':
      return `the query parameter ${source.name}`;
    case 'json':
      return `the body at ${source.pointer}`;
    case 'form':
      return `the form field ${source.name}`;
    case 'message':
      return `the ${source.preset} message`;
    default:
      return unreachable(source);
  }
}

function fromHeader(policy: KeyPolicy, head: RequestHead, name: string): Found {
  const { rawHeaders } = head;
  let value: string | null = null;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (!isField(rawHeaders[i] ?? '', name)) continue;
    // RFC 9651 section 4.2: several lines combine to a list, which is no Item; equal ones included.
    if (value !== null) return several(`The field ${name} is repeated; send it once.`);
    value = rawHeaders[i + 1] ?? '';
  }
  if (value === null) return ABSENT;
  const text = withoutOuterSpace(value);
  if (policy.syntax === 'lenient' && !text.startsWith('"')) return { kind: 'raw', text };
  const parsed = parseSfString(text);
  return parsed.kind === 'string'
    ? { kind: 'raw', text: parsed.value }
    : invalid(
        `The field ${name} is not a String of RFC 9651: ${parsed.detail}. ` +
          `Example: ${name}: "8e03978e-40d5-43e8-bc93-6894a57f9324"`,
      );
}

function fromQuery(target: string, name: string): Found {
  const mark = target.indexOf('?');
  if (mark === -1) return ABSENT;
  let found: string | null = null;
  for (const pair of target.slice(mark + 1).split('&')) {
    const equals = pair.indexOf('=');
    if (decodeForm(equals === -1 ? pair : pair.slice(0, equals)) !== name) continue;
    if (found !== null) return several(`The query parameter ${name} is repeated; send it once.`);
    found = decodeForm(equals === -1 ? '' : pair.slice(equals + 1));
    if (found === null)
      return invalid(`The query parameter ${name} is not well-formed percent-encoded UTF-8.`);
  }
  return found === null ? ABSENT : { kind: 'raw', text: found };
}

function mediaType(contentType: string | undefined): 'json' | 'unnamed' | 'other' {
  if (contentType === undefined) return 'unnamed';
  const essence = essenceOf(contentType);
  // RFC 6839 section 3.1: the suffix. A sequence (json-seq, x-ndjson) is no JSON text.
  return essence === 'application/json' ||
    essence === 'text/json' ||
    essence.endsWith('+json') ||
    // The JSON protocols of AWS.
    /^application\/x-amz-json-1\.[01]$/.test(essence)
    ? 'json'
    : 'other';
}

function describeFault(fault: JsonFault): string {
  switch (fault) {
    case 'not-utf-8':
      return 'it is not UTF-8 (a compressed body cannot be searched)';
    case 'byte-order-mark':
      return 'it begins with a byte order mark (RFC 8259 section 8.1)';
    case 'not-json':
      return 'it is not well-formed JSON';
    case 'too-deep':
      return 'it is nested too deeply';
    // Let through by a search; named so that no fault is without words.
    case 'duplicate-member':
    case 'inexact-number':
    case 'lone-surrogate':
      // Stryker disable next-line StringLiteral: no search comes here
      return 'it can be read in more than one way';
    default:
      return unreachable(fault);
  }
}

const VISIBLE = /^[\x21-\x7e]+$/;
const PRINTABLE = /^[\x20-\x7e]+$/;
/** RFC 9562 section 5.4. */
const UUID4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Limits come before any hash: an oversized key must cost nothing. */
function checkKey(
  policy: KeyPolicy,
  key: string,
  source: KeySource,
): Extract<HeadKey, { kind: 'key' }> | Invalid {
  if (key.length === 0)
    return invalid(`${nameOf(source)} is empty; send a fresh random value for each operation.`);
  if (key.length < policy.charsMin || key.length > policy.charsMax) {
    return invalid(
      `${nameOf(source)} has ${key.length} characters; allowed are ${policy.charsMin} to ${policy.charsMax}.`,
    );
  }
  const { characters } = policy;
  switch (characters) {
    case 'visible-ascii':
      if (VISIBLE.test(key)) return { kind: 'key', key, source };
      return invalid(`${nameOf(source)} may have only visible ASCII characters, no spaces.`);
    case 'printable-ascii':
      if (PRINTABLE.test(key)) return { kind: 'key', key, source };
      return invalid(`${nameOf(source)} may have only printable ASCII characters.`);
    case 'uuid4':
    case 'uuid': {
      const lower = key.toLowerCase();
      if ((characters === 'uuid' ? UUID : UUID4).test(lower)) return { kind: 'key', key: lower, source };
      return invalid(
        `${nameOf(source)} must be a UUID${characters === 'uuid' ? '' : ' of version 4'}, such as 8e03978e-40d5-43e8-bc93-6894a57f9324.`,
      );
    }
    default:
      return unreachable(characters);
  }
}
