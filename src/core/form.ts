import { essenceOf } from './media-type.ts';

/** Bodies and queries of HTML forms (WHATWG URL, application/x-www-form-urlencoded). */

/** `+` is a space. Null when the escapes are no UTF-8. */
export function decodeForm(text: string): string | null {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

export function isForm(contentType: string | undefined): boolean {
  return contentType !== undefined && essenceOf(contentType) === 'application/x-www-form-urlencoded';
}

/** The pairs of a form in their order; null when one of them does not decode. */
export function readForm(body: Uint8Array): readonly (readonly [string, string])[] | null {
  const pairs: (readonly [string, string])[] = [];
  for (const pair of Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8').split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeForm(equals === -1 ? pair : pair.slice(0, equals));
    const value = decodeForm(equals === -1 ? '' : pair.slice(equals + 1));
    if (name === null || value === null) return null;
    pairs.push([name, value]);
  }
  return pairs;
}

export type FormField =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'repeated' };

export function formField(pairs: readonly (readonly [string, string])[], name: string): FormField {
  let found: string | null = null;
  for (const [one, value] of pairs) {
    if (one !== name) continue;
    if (found !== null) return { kind: 'repeated' };
    found = value;
  }
  return found === null ? { kind: 'absent' } : { kind: 'value', value: found };
}
