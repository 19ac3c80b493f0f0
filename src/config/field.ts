import { z } from 'zod';
import { nearestName } from './near.ts';
import {
  DURATION_PATTERN,
  formatDuration,
  formatSize,
  type Parsed,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
} from './units.ts';

/**
 * The kinds of values a field can have. Each says in its own words what it takes; no message repeats a value, because a
 * value may be a secret in the wrong place. `x-type` is the word the reference shows for the kind.
 */

// Compiling a validator for a file that is read once costs more than it saves, and needs eval.
z.config({ jitless: true });

type Refined<T> = (text: string) => Parsed<T>;

/** A YAML string that is parsed on; `expects` completes "the field …". */
export function parsedText<T>(
  type: string,
  expects: string,
  parse: Refined<T>,
  extra: Readonly<Record<string, unknown>> = {},
) {
  return z
    .string({ error: ({ input }) => (input === null ? EMPTY : expects) })
    .transform((text, context): T => {
      const parsed = parse(text);
      if (parsed.kind === 'ok') return parsed.value;
      context.issues.push({ code: 'custom', message: parsed.message, input: text });
      return z.NEVER;
    })
    .meta({ 'x-type': type, ...extra });
}

export function matching(type: string, pattern: RegExp, message: string) {
  return parsedText<string>(
    type,
    message,
    (text) => (pattern.test(text) ? { kind: 'ok', value: text } : { kind: 'fault', message }),
    {
      pattern: pattern.source,
    },
  );
}

/** node's timers fire at once when they are set further ahead. */
const TIMER_MS_MAX = 24 * 86_400_000;
const TEN_YEARS_MS = 3650 * 86_400_000;

type Bounds = { readonly least: number; readonly most: number };

/** Milliseconds. `timer`: waited for by this process, so not above 24 days. */
export function duration(least: string, use: 'timer' | 'retention' = 'timer') {
  const bounds: Bounds = {
    least: must(parseDuration(least)),
    most: use === 'timer' ? TIMER_MS_MAX : TEN_YEARS_MS,
  };
  return parsedText(
    'duration',
    'needs a unit, such as 500ms, 15s, 5m, 24h or 7d',
    (text) => within(parseDuration(text), bounds, formatDuration),
    { pattern: DURATION_PATTERN },
  );
}

/** Bytes. */
export function size(least: string, most: string) {
  const bounds: Bounds = { least: must(parseSize(least)), most: must(parseSize(most)) };
  return parsedText(
    'size',
    'needs a unit, such as 512B, 16KiB, 1MiB or 8GiB',
    (text) => within(parseSize(text), bounds, formatSize),
    {
      pattern: SIZE_PATTERN,
    },
  );
}

function within(
  parsed: Parsed<number>,
  { least, most }: Bounds,
  show: (value: number) => string,
): Parsed<number> {
  if (parsed.kind === 'fault' || (parsed.value >= least && parsed.value <= most)) return parsed;
  return { kind: 'fault', message: `must be from ${show(least)} to ${show(most)}` };
}

/** For the constants of the schema itself. */
function must(parsed: Parsed<number>): number {
  if (parsed.kind === 'ok') return parsed.value;
  throw new Error(`a bound of the schema ${parsed.message}`);
}

export function count(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`;
  return z.preprocess(numberOf, wholeNumber(least, most, message).meta({ 'x-type': 'number' }));
}

/** A number, or a word that leaves it to the process. */
export function countOr<const W extends string>(word: W, least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}, or ${word}`;
  return z.preprocess(
    numberOf,
    z
      .union([wholeNumber(least, most, message), z.literal(word)], { error: message })
      .meta({ 'x-type': `number or \`${word}\`` }),
  );
}

function wholeNumber(least: number, most: number, message: string) {
  return z.int({ error: message }).min(least, { error: message }).max(most, { error: message });
}

/** A variable is always text; `connections: ${N}` must work as `connections: 256` does. */
function numberOf(value: unknown): unknown {
  return typeof value === 'string' && /^[0-9]{1,15}$/.test(value) ? Number(value) : value;
}

export function flag() {
  return z.preprocess(
    (value) => (value === 'true' ? true : value === 'false' ? false : value),
    z.boolean({ error: 'must be true or false' }).meta({ 'x-type': 'true or false' }),
  );
}

export function choice<const T extends readonly [string, ...string[]]>(values: T) {
  return z
    .enum(values, {
      error: ({ input }) => {
        const near = typeof input === 'string' ? nearestName(input, values) : null;
        return `must be ${orList(values)}${near === null ? '' : `; did you mean ${near}?`}`;
      },
    })
    .meta({ 'x-type': orList(values.map((value) => `\`${value}\``)) });
}

function orList(values: readonly string[]): string {
  return values.length === 1
    ? (values[0] ?? '')
    : `${values.slice(0, -1).join(', ')} or ${values.at(-1) ?? ''}`;
}

const EMPTY = 'is empty; give it a value, or remove the line';

/** A section: unknown names in it are faults. */
export function section<T extends z.core.$ZodLooseShape>(fields: T) {
  return z.strictObject(fields, {
    error: (issue) =>
      issue.code !== 'invalid_type'
        ? undefined
        : issue.input === null
          ? EMPTY
          : 'must be a section with fields of its own',
  });
}

export function list<T extends z.ZodType>(item: T, most: number, what: string) {
  return z
    .array(item, {
      error: ({ input }) =>
        input === null ? EMPTY : `must be a list of ${what}: [a, b], or a line with "- " for each`,
    })
    .max(most, { error: `has more than ${most} entries` });
}

export function text(type: string, most: number) {
  const message = `must be text of 1 to ${most} characters; put a number in quotes`;
  return parsedText<string>(type, message, (value) =>
    value.length > 0 && value.length <= most ? { kind: 'ok', value } : { kind: 'fault', message },
  );
}
