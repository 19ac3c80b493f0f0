import { type JsonFault, type JsonRead, type JsonValue, readJson } from './json.ts';
import { valueAt } from './json-pointer.ts';
import { unreachable } from './unreachable.ts';

/** RFC 8785. `fallback`: canonicalising would lose something, so the bytes stand for themselves. */
export type Canonical =
  | { readonly kind: 'canonical'; readonly text: string }
  | { readonly kind: 'fallback'; readonly reason: JsonFault };

/** Decoded reference tokens of JSON Pointers. */
export type Pointers = readonly (readonly string[])[];

const NONE: Pointers = [];

export function canonicalJson(bytes: Uint8Array): Canonical {
  return canonical(readJson(bytes, 'lossless'), (value) => serialise(value, NONE));
}

/** Only the members at the pointers, each tagged with its place; an absent one is told from null. */
export function selectedJson(bytes: Uint8Array, pointers: Pointers): Canonical {
  return canonical(readJson(bytes, 'lossless'), (value) => {
    const parts = pointers.map((tokens) => {
      const found = valueAt(value, tokens);
      return `${JSON.stringify(tokens)}${found.kind === 'value' ? `=${serialise(found.value, NONE)}` : '!'}`;
    });
    // No canonical text has a line feed, so the parts cannot run into one another.
    return parts.join('\n');
  });
}

/** Everything but the members at the pointers; what a pointer does not find leaves the rest as it is. */
export function excludedJson(bytes: Uint8Array, pointers: Pointers): Canonical {
  return canonical(readJson(bytes, 'lossless'), (value) =>
    // The empty pointer is the whole document (RFC 6901 section 5).
    pointers.some((tokens) => tokens.length === 0) ? '' : serialise(value, pointers),
  );
}

function canonical(read: JsonRead, textOf: (value: JsonValue) => string): Canonical {
  return read.kind === 'fault'
    ? { kind: 'fallback', reason: read.fault }
    : { kind: 'canonical', text: textOf(read.value) };
}

/** `without`: pointers below this value that are left out. Depth is bounded by the reader. */
function serialise(value: JsonValue, without: Pointers): string {
  switch (value.kind) {
    case 'object':
      return object(value.members, without);
    case 'array':
      return array(value.items, without);
    case 'string':
      return JSON.stringify(value.text);
    case 'number':
      // RFC 8785 section 3.2.2.3: ECMAScript's own form, in which -0 is 0.
      return String(value.value);
    case 'literal':
      return value.text;
    default:
      return unreachable(value);
  }
}

function object(members: ReadonlyMap<string, JsonValue>, without: Pointers): string {
  let text = '';
  // RFC 8785 section 3.2.3: by UTF-16 code units, which is how sort compares.
  for (const name of [...members.keys()].sort()) {
    const member = members.get(name);
    if (member === undefined || isLeftOut(without, name)) continue;
    const separator = text === '' ? '{' : ',';
    text += `${separator}${JSON.stringify(name)}:${serialise(member, below(without, name))}`;
  }
  return text === '' ? '{}' : `${text}}`;
}

function array(items: readonly JsonValue[], without: Pointers): string {
  let text = '';
  let index = 0;
  for (const item of items) {
    const token = String(index);
    index += 1;
    if (isLeftOut(without, token)) continue;
    text += `${text === '' ? '[' : ','}${serialise(item, below(without, token))}`;
  }
  return text === '' ? '[]' : `${text}]`;
}

function isLeftOut(without: Pointers, token: string): boolean {
  return without.some((tokens) => tokens.length === 1 && tokens[0] === token);
}

/** Of a member that is not itself left out. */
function below(without: Pointers, token: string): Pointers {
  // Stryker disable next-line ConditionalExpression: it only saves two empty lists for every member
  if (without.length === 0) return without;
  return without.filter((tokens) => tokens[0] === token).map((tokens) => tokens.slice(1));
}
