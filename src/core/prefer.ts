import { allValues, isField, type RawHeaders } from './wire.ts';

/** What of `Prefer` (RFC 7240) is understood here. */
export type Preferences = {
  readonly respondAsync: 'yes' | 'no';
  /** `wait=N` (section 4.3), in seconds; null: not said. */
  readonly waitSeconds: number | null;
};

const NONE: Preferences = { respondAsync: 'no', waitSeconds: null };
const WAIT_SECONDS_MAX = 999_999_999;

/** Of a preference that is there twice only the first counts, over all lines (section 2). What is malformed is ignored. */
export function readPreferences(rawHeaders: RawHeaders): Preferences {
  const lines = allValues(rawHeaders, 'prefer');
  if (lines.length === 0) return NONE;
  const first = new Map<string, string>();
  for (const line of lines)
    for (const { name, value } of preferencesOf(line)) if (!first.has(name)) first.set(name, value);
  const wait = first.get('wait') ?? '';
  return {
    respondAsync: first.get('respond-async') === '' ? 'yes' : 'no',
    waitSeconds: /^[0-9]+$/.test(wait) ? Math.min(Number(wait), WAIT_SECONDS_MAX) : null,
  };
}

/** The same field lines without these preferences; a line of which nothing is left goes. */
export function withoutPreferences(rawHeaders: RawHeaders, names: readonly string[]): RawHeaders {
  const out: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const field = rawHeaders[i] ?? '';
    const line = rawHeaders[i + 1] ?? '';
    if (!isField(field, 'prefer')) {
      out.push(field, line);
      continue;
    }
    const kept = preferencesOf(line).filter(({ name }) => !names.includes(name));
    if (kept.length > 0) out.push(field, kept.map(({ text }) => text).join(', '));
  }
  return out;
}

type Preference = {
  readonly name: string;
  /** Without its quotes; no value and an empty one are the same (section 2). */
  readonly value: string;
  /** With its parameters, as it came. */
  readonly text: string;
};

function preferencesOf(line: string): readonly Preference[] {
  const found: Preference[] = [];
  for (let from = 0; from < line.length; ) {
    const end = unquotedIndex(line, from, ',');
    const text = trimmed(line.slice(from, end));
    from = end + 1;
    // RFC 9110 section 5.6.1.2: empty elements of a list are ignored.
    if (text === '') continue;
    const preference = text.slice(0, unquotedIndex(text, 0, ';'));
    const equals = preference.indexOf('=');
    const name = trimmed(equals === -1 ? preference : preference.slice(0, equals)).toLowerCase();
    found.push({ name, value: equals === -1 ? '' : unquoted(trimmed(preference.slice(equals + 1))), text });
  }
  return found;
}

/** Where `stop` stands outside quotes, or the end. */
function unquotedIndex(text: string, from: number, stop: ',' | ';'): number {
  let quoted: 'no' | 'yes' = 'no';
  for (let at = from; at < text.length; at += 1) {
    const char = text[at];
    if (quoted === 'yes') {
      if (char === '\\') at += 1;
      else if (char === '"') quoted = 'no';
    } else if (char === '"') quoted = 'yes';
    else if (char === stop) return at;
  }
  return text.length;
}

function unquoted(word: string): string {
  return word.length >= 2 && word.startsWith('"') && word.endsWith('"')
    ? word.slice(1, -1).replaceAll(/\\(.)/g, '$1')
    : word;
}

/** OWS alone (RFC 9110 section 5.6.3). Counting, as a pattern would be quadratic. */
function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isSpace(text.charCodeAt(from))) from += 1;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
