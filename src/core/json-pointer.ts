import type { JsonValue } from './json.ts';

/** JSON Pointer (RFC 6901). */

export type PointerParse =
  | { readonly kind: 'ok'; readonly tokens: readonly string[] }
  | { readonly kind: 'malformed'; readonly detail: string };

export function parsePointer(pointer: string): PointerParse {
  if (pointer === '') return { kind: 'ok', tokens: [] };
  if (!pointer.startsWith('/')) return { kind: 'malformed', detail: 'a JSON Pointer begins with "/"' };
  if (/~(?![01])/.test(pointer)) {
    return { kind: 'malformed', detail: 'in a JSON Pointer "~" is written "~0" and "/" inside a name "~1"' };
  }
  const tokens = pointer.slice(1).split('/');
  // The order is that of RFC 6901 section 4: "~01" is "~1", not "/".
  return { kind: 'ok', tokens: tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~')) };
}

export type PointerFound =
  | { readonly kind: 'value'; readonly value: JsonValue }
  | { readonly kind: 'absent' }
  /** A name on the way occurs twice: which one counts is up to the reader (RFC 8259 section 4). */
  | { readonly kind: 'repeated'; readonly name: string };

const ABSENT: PointerFound = { kind: 'absent' };

/** The value at the decoded tokens of a pointer (RFC 6901 section 4). */
export function valueAt(value: JsonValue, tokens: readonly string[]): PointerFound {
  let current: JsonValue = value;
  for (const token of tokens) {
    let next: JsonValue | undefined;
    if (current.kind === 'object') {
      if (current.repeated?.has(token) === true) return { kind: 'repeated', name: token };
      next = current.members.get(token);
    } else if (current.kind === 'array' && /^(?:0|[1-9]\d{0,8})$/.test(token)) {
      next = current.items[Number(token)];
    }
    if (next === undefined) return ABSENT;
    current = next;
  }
  return { kind: 'value', value: current };
}
