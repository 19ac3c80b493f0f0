/**
 * The String of RFC 9651 (section 3.3.3) as the value of an Item with parameters (section 3.3), which is the syntax
 * of `Idempotency-Key` in draft-ietf-httpapi-idempotency-key-header-07. Parameters are checked and ignored.
 */

export type SfString =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'malformed'; readonly detail: string };

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Parses a whole field value; leading and trailing spaces are dropped (section 4.2). Linear in the input. */
export function parseSfString(input: string): SfString {
  // Counting and no pattern: ` +$` takes quadratic time over a field value full of spaces.
  let at = 0;
  let end = input.length;
  while (input.charCodeAt(at) === SPACE) at += 1;
  while (input.charCodeAt(end - 1) === SPACE) end -= 1;
  if (input.charCodeAt(at) !== QUOTE) return malformed('it is not a string in double quotes');
  at += 1;
  let value = '';
  let from = at;
  for (; at < end; at += 1) {
    const code = input.charCodeAt(at);
    if (code === QUOTE) break;
    if (code === BACKSLASH) {
      value += input.slice(from, at);
      at += 1;
      from = at;
      const escaped = input.charCodeAt(at);
      if (escaped !== QUOTE && escaped !== BACKSLASH)
        return malformed('a backslash may stand only before " or \\');
    } else if (code < 0x20 || code > 0x7e) {
      return malformed('it has a character outside printable ASCII');
    }
  }
  if (at === end) return malformed('the closing double quote is missing');
  value += input.slice(from, at);
  return areParameters(input.slice(at + 1, end))
    ? { kind: 'string', value }
    : malformed('something that is no parameter follows the string');
}

function malformed(detail: string): SfString {
  return { kind: 'malformed', detail };
}

const KEY = '[a-z*][a-z0-9_.*-]*';
const NUMBER = '-?(?:\\d{1,12}\\.\\d{1,3}|\\d{1,15})';
const STRING = '"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\["\\\\])*"';
const TOKEN = "[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*";
const BYTES = ':[A-Za-z0-9+/]*={0,2}:';
const DATE = '@-?\\d{1,15}';
const DISPLAY = '%"(?:[\\x20\\x21\\x23\\x24\\x26-\\x7e]|%[0-9a-f]{2})*"';
const BARE = `(?:${NUMBER}|${STRING}|${TOKEN}|${BYTES}|\\?[01]|${DATE}|(${DISPLAY}))`;
/** Section 4.2.3.2: `;` then spaces then key, with or without a value. Only one way to match, so no backtracking. */
const PARAMETER = new RegExp(`; *${KEY}(?:=${BARE})?(?=;|$)`, 'y');

function areParameters(text: string): boolean {
  PARAMETER.lastIndex = 0;
  for (let at = 0; at < text.length; at = PARAMETER.lastIndex) {
    const found = PARAMETER.exec(text);
    if (found === null || (found[1] !== undefined && !isDisplayString(found[1]))) return false;
  }
  return true;
}

/** Section 4.2.10: what the escapes stand for must be UTF-8. */
function isDisplayString(text: string): boolean {
  try {
    decodeURIComponent(text.slice(2, -1));
  } catch {
    return false;
  }
  return true;
}
