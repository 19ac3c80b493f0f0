/** Text with `{name}` where a value goes. A brace that begins no name stands for itself. */
export type Template = readonly TemplatePart[];
export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly name: string };

export const VALUE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;
const PLACEHOLDER = /\{([A-Za-z][A-Za-z0-9_-]{0,31})\}/g;

export function parseTemplate(text: string): Template {
  const parts: TemplatePart[] = [];
  let at = 0;
  for (const found of text.matchAll(PLACEHOLDER)) {
    if (found.index > at) parts.push({ kind: 'text', text: text.slice(at, found.index) });
    parts.push({ kind: 'value', name: found[1] ?? '' });
    at = found.index + found[0].length;
  }
  if (at < text.length) parts.push({ kind: 'text', text: text.slice(at) });
  return parts;
}

/** As it was written. */
export function templateText(template: Template): string {
  return template.map((part) => (part.kind === 'text' ? part.text : `{${part.name}}`)).join('');
}

export function namesIn(template: Template): readonly string[] {
  return template.flatMap((part) => (part.kind === 'value' ? [part.name] : []));
}

export type Values = ReadonlyMap<string, string>;

/** Null where a value is missing, or where `write` has none for it: half a question is not asked. */
export function render(
  template: Template,
  values: Values,
  write: (value: string) => string | null,
): string | null {
  let out = '';
  for (const part of template) {
    if (part.kind === 'text') {
      out += part.text;
      continue;
    }
    const value = values.get(part.name);
    const written = value === undefined ? null : write(value);
    if (written === null) return null;
    out += written;
  }
  return out;
}

/** RFC 3986 section 2.3: all but unreserved characters. Null for a lone surrogate, which has no bytes. */
export function percentEncoded(value: string): string | null {
  try {
    return encodeURIComponent(value).replace(
      /[!'()*]/g,
      (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  } catch {
    return null;
  }
}

/** Literal parts of a path and query: no brace, no fragment, no space, no escape that is none. */
const TARGET_TEXT = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?[\]]|%[0-9A-Fa-f]{2})*$/;

/** Null where it is the template of an origin form (RFC 9112 section 3.2.1), else what is wrong with it. */
export function targetFault(template: Template): string | null {
  const [first] = template;
  if (first?.kind !== 'text' || !first.text.startsWith('/'))
    return 'must begin with "/": it is a path of the backend, whose address stands in upstream.url';
  if (template.some((part) => part.kind === 'text' && !TARGET_TEXT.test(part.text)))
    return 'has a character that no path or query may have; percent-encode it';
  const sample = template.map((part) => (part.kind === 'text' ? part.text : 'x')).join('');
  if (sample.startsWith('//')) return 'begins with "//", which some take for another host';
  if (hasDotSegment(sample)) return 'has a segment "." or ".."';
  return null;
}

/**
 * A target with every value percent-encoded. Null where a value would be more than a value: in the path neither a
 * separator, which some servers decode first, nor a segment of dots, nor nothing at all.
 */
export function renderTarget(template: Template, values: Values): string | null {
  let place: 'path' | 'query' = 'path';
  let out = '';
  for (const part of template) {
    if (part.kind === 'text') {
      if (part.text.includes('?')) place = 'query';
      out += part.text;
      continue;
    }
    const value = values.get(part.name);
    if (value === undefined || (place === 'path' && !isSegmentText(value))) return null;
    const encoded = percentEncoded(value);
    if (encoded === null) return null;
    out += encoded;
  }
  return hasDotSegment(out) ? null : out;
}

function isSegmentText(value: string): boolean {
  return value !== '' && !/[/\\\u0000-\u001f\u007f]/.test(value);
}

function hasDotSegment(target: string): boolean {
  const [path = ''] = target.split('?', 1);
  return path.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment));
}

/** RFC 9110 section 5.5: a line break in a value would be a second field. */
export function fieldValue(value: string): string | null {
  return /^[\x20-\x7e]*$/.test(value) ? value : null;
}

/** For a place inside the quotes of a JSON string. */
export function jsonText(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}
