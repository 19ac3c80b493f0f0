import { decodeForm } from './form.ts';
import { type JsonValue, readJson } from './json.ts';
import { valueAt } from './json-pointer.ts';
import type { Capture, CaptureSource } from './reconcile.ts';
import { unreachable } from './unreachable.ts';
import { allValues, type RequestHead } from './wire.ts';

/** What a probe will need of the first request. */

/** Longer ones are left out, and the probe that needs them is not sent. */
const VALUE_CHARS_MAX = 512;

/** The key as `key`, and what could be captured. */
export function captureValues(
  captures: readonly Capture[],
  key: string,
  head: RequestHead,
  body: Uint8Array,
): ReadonlyMap<string, string> {
  const values = new Map([['key', key]]);
  const document = captures.some(({ source }) => source.kind === 'json') ? readDocument(body) : null;
  for (const { name, source } of captures) {
    const value = captured(source, head, document);
    if (value !== null && value.length <= VALUE_CHARS_MAX) values.set(name, value);
  }
  return values;
}

function readDocument(body: Uint8Array): JsonValue | null {
  const read = readJson(body, 'search');
  return read.kind === 'value' ? read.value : null;
}

function captured(source: CaptureSource, head: RequestHead, document: JsonValue | null): string | null {
  switch (source.kind) {
    case 'header':
      return theOnly(allValues(head.rawHeaders, source.name));
    case 'query':
      return queryValue(head.target, source.name);
    case 'segment': {
      const [path = ''] = head.target.split('?', 1);
      const segment = path.split('/')[source.number];
      return segment === undefined ? null : unescaped(segment);
    }
    case 'json':
      return document === null ? null : scalarText(document, source.tokens);
    default:
      return unreachable(source);
  }
}

function queryValue(target: string, name: string): string | null {
  const mark = target.indexOf('?');
  if (mark === -1) return null;
  const values = target
    .slice(mark + 1)
    .split('&')
    .flatMap((pair) => {
      const equals = pair.indexOf('=');
      const given = equals === -1 ? pair : pair.slice(0, equals);
      return decodeForm(given) === name ? [equals === -1 ? '' : pair.slice(equals + 1)] : [];
    });
  const value = theOnly(values);
  return value === null ? null : decodeForm(value);
}

function theOnly(values: readonly string[]): string | null {
  const [value, ...others] = values;
  return value === undefined || others.length > 0 ? null : value;
}

function unescaped(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** A number that a double cannot hold is left out: another one would be asked about. */
function scalarText(document: JsonValue, tokens: readonly string[]): string | null {
  const found = valueAt(document, tokens);
  if (found.kind !== 'value') return null;
  const { value } = found;
  if (value.kind === 'string') return value.text;
  if (value.kind === 'number') return Number.isSafeInteger(value.value) ? String(value.value) : null;
  return value.kind === 'literal' && value.text !== 'null' ? value.text : null;
}
