/**
 * A JSON reader (RFC 8259) that sees what JSON.parse hides: repeated member names, numbers that a double cannot
 * hold, lone surrogates. Linear in the text; nesting is bounded by DEPTH_MAX, size by the caller's body limit.
 */

export type JsonValue =
  | {
      readonly kind: 'object';
      /** Of a repeated name the last value, as JSON.parse has it. */
      readonly members: ReadonlyMap<string, JsonValue>;
      /** Names that occur more than once; null when none does. */
      readonly repeated: ReadonlySet<string> | null;
    }
  | { readonly kind: 'array'; readonly items: readonly JsonValue[] }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'literal'; readonly text: 'true' | 'false' | 'null' };

export type JsonFault =
  | 'not-utf-8'
  | 'byte-order-mark'
  | 'not-json'
  | 'too-deep'
  | 'duplicate-member'
  | 'inexact-number'
  | 'lone-surrogate';

export type JsonRead =
  | { readonly kind: 'value'; readonly value: JsonValue }
  | { readonly kind: 'fault'; readonly fault: JsonFault };

/** lossless: the last three faults are faults. search: they are let through, to find a member in any JSON text. */
export type JsonReading = 'lossless' | 'search';

const DEPTH_MAX = 128;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function readJson(bytes: Uint8Array, reading: JsonReading): JsonRead {
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    return { kind: 'fault', fault: 'not-utf-8' };
  }
  if (text.charCodeAt(0) === 0xfeff) return { kind: 'fault', fault: 'byte-order-mark' };
  const cursor = new Cursor(text, reading);
  const value = cursor.document();
  return value === null ? { kind: 'fault', fault: cursor.fault } : { kind: 'value', value };
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** A number of at most this many digits, without point or exponent, is exact in a double. */
const EXACT_DIGITS = 15;

const ESCAPES: ReadonlyMap<string, string> = new Map(
  Object.entries({ '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }),
);

/** A null of its methods means a fault, which is then named. Character codes and no patterns: this is a hot loop. */
class Cursor {
  fault: JsonFault = 'not-json';
  readonly #text: string;
  readonly #reading: JsonReading;
  #at = 0;
  #depth = 0;

  constructor(text: string, reading: JsonReading) {
    this.#text = text;
    this.#reading = reading;
  }

  document(): JsonValue | null {
    const value = this.#value();
    this.#skipSpace();
    return value !== null && this.#at === this.#text.length ? value : null;
  }

  #value(): JsonValue | null {
    switch (this.#skipSpace()) {
      case OPEN_BRACE:
        return this.#enter() ? this.#object() : null;
      case OPEN_BRACKET:
        return this.#enter() ? this.#array() : null;
      case QUOTE: {
        const text = this.#string();
        return text === null ? null : { kind: 'string', text };
      }
      case 0x74:
        return this.#literal('true');
      case 0x66:
        return this.#literal('false');
      case 0x6e:
        return this.#literal('null');
      default:
        return this.#number();
    }
  }

  /** A limit in place of the stack's: the fault is ours to name, and no input can overflow it. */
  #enter(): boolean {
    if (this.#depth >= DEPTH_MAX) {
      this.fault = 'too-deep';
      return false;
    }
    this.#depth += 1;
    this.#at += 1;
    return true;
  }

  #object(): JsonValue | null {
    const members = new Map<string, JsonValue>();
    let repeated: Set<string> | null = null;
    for (let first = true; !this.#take(CLOSE_BRACE); first = false) {
      if (!first && !this.#take(COMMA)) return null;
      const name = this.#skipSpace() === QUOTE ? this.#string() : null;
      if (name === null || !this.#take(COLON)) return null;
      const value = this.#value();
      if (value === null) return null;
      if (members.has(name)) {
        if (this.#reading === 'lossless') return this.#fail('duplicate-member');
        repeated ??= new Set();
        repeated.add(name);
      }
      members.set(name, value);
    }
    this.#depth -= 1;
    return { kind: 'object', members, repeated };
  }

  #array(): JsonValue | null {
    const items: JsonValue[] = [];
    for (let first = true; !this.#take(CLOSE_BRACKET); first = false) {
      if (!first && !this.#take(COMMA)) return null;
      const value = this.#value();
      if (value === null) return null;
      items.push(value);
    }
    this.#depth -= 1;
    return { kind: 'array', items };
  }

  #literal(text: 'true' | 'false' | 'null'): JsonValue | null {
    if (!this.#text.startsWith(text, this.#at)) return null;
    this.#at += text.length;
    return { kind: 'literal', text };
  }

  #string(): string | null {
    this.#at += 1;
    let from = this.#at;
    let text = '';
    let escapes: 'none' | 'some' = 'none';
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === QUOTE) {
        text += this.#text.slice(from, this.#at);
        this.#at += 1;
        // Only an escape can bring one in: the text was decoded from UTF-8.
        if (escapes === 'some' && this.#reading === 'lossless' && !text.isWellFormed())
          return this.#fail('lone-surrogate');
        return text;
      }
      if (code === BACKSLASH) {
        text += this.#text.slice(from, this.#at);
        this.#at += 1;
        const escaped = this.#escape();
        if (escaped === null) return null;
        text += escaped;
        escapes = 'some';
        from = this.#at;
      } else if (code >= 0x20) {
        this.#at += 1;
      } else {
        // A control character, or NaN at the end of the text.
        return null;
      }
    }
  }

  #escape(): string | null {
    const letter = this.#text.charAt(this.#at);
    this.#at += 1;
    if (letter !== 'u') return ESCAPES.get(letter) ?? null;
    const digits = this.#text.slice(this.#at, this.#at + 4);
    if (!/[0-9a-fA-F]{4}/.test(digits)) return null;
    this.#at += 4;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  #number(): JsonValue | null {
    const start = this.#at;
    if (this.#text.charCodeAt(start) === MINUS) this.#at += 1;
    const integerAt = this.#at;
    const digits = this.#digits();
    if (digits === 0 || (digits > 1 && this.#text.charCodeAt(integerAt) === ZERO)) return null;
    if (this.#text.charCodeAt(this.#at) === POINT) {
      this.#at += 1;
      if (this.#digits() === 0) return null;
    }
    const code = this.#text.charCodeAt(this.#at);
    if (code === 0x65 || code === 0x45) {
      this.#at += 1;
      const sign = this.#text.charCodeAt(this.#at);
      if (sign === PLUS || sign === MINUS) this.#at += 1;
      if (this.#digits() === 0) return null;
    }
    const source = this.#text.slice(start, this.#at);
    const value = Number(source);
    // The shortest form of the double must be the very number that was written (infinity never is).
    const exact =
      (this.#at === integerAt + digits && digits <= EXACT_DIGITS) ||
      this.#reading === 'search' ||
      normalDecimal(source) === normalDecimal(String(value));
    // Two numbers that a double cannot tell apart must not become one fingerprint.
    return exact ? { kind: 'number', value } : this.#fail('inexact-number');
  }

  #digits(): number {
    const from = this.#at;
    for (
      let code = this.#text.charCodeAt(from);
      code >= ZERO && code <= 0x39;
      code = this.#text.charCodeAt(this.#at)
    )
      this.#at += 1;
    return this.#at - from;
  }

  /** Returns the code of what follows, NaN at the end. */
  #skipSpace(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.#at += 1;
    }
  }

  #take(wanted: number): boolean {
    if (this.#skipSpace() !== wanted) return false;
    this.#at += 1;
    return true;
  }

  #fail(fault: JsonFault): null {
    this.fault = fault;
    return null;
  }
}

/**
 * Sign, significant digits without outer zeros, and the exponent of the last one; zero is `0`. Counting and no
 * pattern: one that looks for trailing zeros takes quadratic time over a body full of them.
 */
function normalDecimal(text: string): string {
  const sign = text.startsWith('-') ? '-' : '';
  const mark = text.search(/[eE]/);
  const mantissa = text.slice(sign.length, mark === -1 ? text.length : mark);
  const point = mantissa.indexOf('.');
  const digits = point === -1 ? mantissa : mantissa.slice(0, point) + mantissa.slice(point + 1);
  let first = 0;
  while (digits.charCodeAt(first) === ZERO) first += 1;
  let end = digits.length;
  while (end > first && digits.charCodeAt(end - 1) === ZERO) end -= 1;
  if (first === end) return '0';
  const written = mark === -1 ? 0 : Number(text.slice(mark + 1));
  const exponent = written - (point === -1 ? 0 : mantissa.length - point - 1) + (digits.length - end);
  return `${sign}${digits.slice(first, end)}e${exponent}`;
}
