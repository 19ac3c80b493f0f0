/** Where a value stands in a JSON text: for a part of a document that must go out byte for byte, digits and all. */

export type Span = { readonly start: number; readonly end: number };

/**
 * The span of the value at the decoded tokens of a pointer, in a text that `readJson` has found well-formed. Of a
 * repeated name the last one, as JSON.parse has it. Null where nothing stands there.
 */
export function spanAt(text: string, tokens: readonly string[]): Span | null {
  let at = skipSpace(text, 0);
  for (const token of tokens) {
    const found =
      text[at] === '{' ? memberAt(text, at, token) : text[at] === '[' ? itemAt(text, at, token) : null;
    if (found === null) return null;
    at = found;
  }
  return { start: at, end: skipValue(text, at) };
}

function memberAt(text: string, open: number, name: string): number | null {
  let found: number | null = null;
  let at = skipSpace(text, open + 1);
  while (text[at] === '"') {
    const end = skipValue(text, at);
    const member: unknown = JSON.parse(text.slice(at, end));
    const value = skipSpace(text, skipSpace(text, end) + 1);
    if (member === name) found = value;
    at = skipSpace(text, skipValue(text, value));
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return found;
}

function itemAt(text: string, open: number, token: string): number | null {
  if (!/^(?:0|[1-9]\d{0,8})$/.test(token)) return null;
  let at = skipSpace(text, open + 1);
  for (let left = Number(token); at < text.length && text[at] !== ']'; left -= 1) {
    if (left === 0) return at;
    at = skipSpace(text, skipValue(text, at));
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return null;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1;
  return at;
}

function skipValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  do {
    const character = text[at];
    if (character === '"') at = skipString(text, at);
    else if (character === '{' || character === '[') {
      depth += 1;
      at += 1;
    } else if (character === '}' || character === ']') {
      depth -= 1;
      at += 1;
    } else if (depth > 0) at += 1;
    else at = skipScalar(text, at);
  } while (depth > 0 && at < text.length);
  return at;
}

function skipString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function skipScalar(text: string, from: number): number {
  let at = from + 1;
  while (!/[\s,\]}]/.test(text[at] ?? ',')) at += 1;
  return at;
}
