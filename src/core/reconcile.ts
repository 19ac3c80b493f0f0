import { mayHaveBody } from './headers.ts';
import { type JsonValue, readJson } from './json.ts';
import { valueAt } from './json-pointer.ts';
import { spanAt } from './json-span.ts';
import type { PlainResponse } from './record.ts';
import { fieldValue, jsonText, render, renderTarget, type Template, type Values } from './template.ts';
import { unreachable } from './unreachable.ts';
import { firstValue, type RawHeaders } from './wire.ts';

/** The probe: how the backend is asked what became of a request, and what its answer means. */

export type ReconcilePolicy = {
  readonly request: {
    /** POST only where the operator said that this one changes nothing. */
    readonly method: 'GET' | 'HEAD' | 'POST';
    readonly path: Template;
    readonly headers: readonly ProbeField[];
    readonly body: Template | null;
    /** Lower-case names of the fields that a repeat lends to its probe; where there are any, nothing else probes. */
    readonly callerHeaders: readonly string[];
    readonly timeoutMs: number;
  };
  readonly capture: readonly Capture[];
  /** The first that fits decides. */
  readonly rules: readonly Rule[];
  readonly sweep: SweepPolicy;
};

export type ProbeField = { readonly name: string; readonly value: Template };

export type SweepPolicy =
  | { readonly kind: 'off' }
  | {
      readonly kind: 'on';
      /** Until the first probe and the second; doubles from try to try. */
      readonly intervalMs: number;
      readonly attemptsMax: number;
      /** An outcome unknown for longer is left to an operator. */
      readonly ageMsMax: number;
    };

export type Capture = { readonly name: string; readonly source: CaptureSource };
export type CaptureSource =
  | { readonly kind: 'json'; readonly tokens: readonly string[] }
  /** `name` in lower case. */
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'query'; readonly name: string }
  /** Of the path, counted from 1. */
  | { readonly kind: 'segment'; readonly number: number };

export type Rule = {
  readonly when: {
    /** Statuses 200 to 599 that fit; empty: all. */
    readonly statuses: readonly number[];
    readonly json: readonly JsonCondition[];
  };
  readonly verdict:
    | { readonly kind: 'completed'; readonly replay: ReplayShape }
    | { readonly kind: 'did-not-happen' }
    | { readonly kind: 'unsure' };
};

export type JsonCondition = { readonly tokens: readonly string[]; readonly test: JsonTest };
export type JsonTest =
  | { readonly kind: 'one-of'; readonly values: readonly Expected[] }
  | { readonly kind: 'empty-list' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'present' };
export type Expected =
  | { readonly kind: 'text'; readonly template: Template }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'boolean'; readonly text: 'true' | 'false' };

export type ReplayShape = {
  /** Null: that of the answer. */
  readonly status: number | null;
  readonly body:
    | { readonly kind: 'as-is' }
    | { readonly kind: 'none' }
    | { readonly kind: 'part'; readonly tokens: readonly string[] };
  readonly headers: readonly ProbeField[];
};

export type ProbeRequest = {
  readonly method: string;
  readonly target: string;
  readonly rawHeaders: readonly string[];
  readonly body: string | null;
};

/** Null: a value is missing, or would be more than a value where it goes. Nothing is asked then. */
export function renderProbe({ request }: ReconcilePolicy, values: Values): ProbeRequest | null {
  const target = renderTarget(request.path, values);
  const rawHeaders = renderFields(request.headers, values);
  const body = request.body === null ? null : render(request.body, values, jsonText);
  if (target === null || target.length > TARGET_CHARS_MAX || rawHeaders === null) return null;
  if (request.body !== null && body === null) return null;
  return { method: request.method, target, rawHeaders, body };
}

const TARGET_CHARS_MAX = 8 * 1024;

function renderFields(fields: readonly ProbeField[], values: Values): string[] | null {
  const rawHeaders: string[] = [];
  for (const { name, value } of fields) {
    const text = render(value, values, fieldValue);
    if (text === null) return null;
    rawHeaders.push(name, text);
  }
  return rawHeaders;
}

export type ProbeAnswer = {
  readonly status: number;
  readonly rawHeaders: RawHeaders;
  readonly body: Uint8Array;
  /** Wall time of the head. */
  readonly receivedAtMs: number;
};

export type Verdict =
  | { readonly kind: 'completed'; readonly response: PlainResponse }
  | { readonly kind: 'did-not-happen' }
  | { readonly kind: 'unsure' };

const UNSURE: Verdict = { kind: 'unsure' };

/**
 * What an answer says. What cannot be read where a rule has to read it is no reason to go on to the next rule: a list
 * that came as rubbish is not an empty list.
 */
export function judgeAnswer(policy: ReconcilePolicy, answer: ProbeAnswer, values: Values): Verdict {
  let document: JsonValue | 'unreadable' | null = null;
  for (const { when, verdict } of policy.rules) {
    if (when.statuses.length > 0 && !when.statuses.includes(answer.status)) continue;
    if (when.json.length > 0) {
      document ??= readDocument(answer);
      const fits = document === 'unreadable' ? 'undecided' : fitsAll(when.json, document, values);
      if (fits === 'undecided') return UNSURE;
      if (fits === 'no') continue;
    }
    switch (verdict.kind) {
      case 'completed': {
        const response = replayOf(verdict.replay, answer, values);
        return response === null ? UNSURE : { kind: 'completed', response };
      }
      case 'did-not-happen':
      case 'unsure':
        return verdict;
      default:
        return unreachable(verdict);
    }
  }
  return UNSURE;
}

function readDocument(answer: ProbeAnswer): JsonValue | 'unreadable' {
  const read = readJson(answer.body, 'search');
  return read.kind === 'value' ? read.value : 'unreadable';
}

type Fit = 'yes' | 'no' | 'undecided';

function fitsAll(conditions: readonly JsonCondition[], document: JsonValue, values: Values): Fit {
  let fits: Fit = 'yes';
  for (const { tokens, test } of conditions) {
    const found = valueAt(document, tokens);
    if (found.kind === 'repeated') return 'undecided';
    const fit = fitsOne(test, found.kind === 'value' ? found.value : null, values);
    if (fit === 'undecided') return fit;
    if (fit === 'no') fits = 'no';
  }
  return fits;
}

function fitsOne(test: JsonTest, value: JsonValue | null, values: Values): Fit {
  switch (test.kind) {
    case 'absent':
      return value === null ? 'yes' : 'no';
    case 'present':
      return value === null ? 'no' : 'yes';
    case 'empty-list':
      return value?.kind === 'array' && value.items.length === 0 ? 'yes' : 'no';
    case 'one-of': {
      if (value === null) return 'no';
      const fits = test.values.map((expected) => equals(expected, value, values));
      return fits.includes('yes') ? 'yes' : fits.includes('undecided') ? 'undecided' : 'no';
    }
    default:
      return unreachable(test);
  }
}

function equals(expected: Expected, value: JsonValue, values: Values): Fit {
  switch (expected.kind) {
    case 'number':
      return value.kind === 'number' && value.value === expected.value ? 'yes' : 'no';
    case 'boolean':
      return value.kind === 'literal' && value.text === expected.text ? 'yes' : 'no';
    case 'text': {
      const text = render(expected.template, values, (captured) => captured);
      if (text === null) return 'undecided';
      if (value.kind === 'string') return value.text === text ? 'yes' : 'no';
      if (value.kind !== 'number') return 'no';
      // What was captured from a number is text by now. One that a double cannot hold may be it and may not.
      if (!Number.isSafeInteger(value.value)) return 'undecided';
      return String(value.value) === text ? 'yes' : 'no';
    }
    default:
      return unreachable(expected);
  }
}

/** Of the answer's own fields only what says how to read the body: the rest speaks of the question. */
const BODY_FIELDS = ['content-type', 'content-encoding', 'content-language'] as const;

function replayOf(shape: ReplayShape, answer: ProbeAnswer, values: Values): PlainResponse | null {
  const status = shape.status ?? answer.status;
  const own = renderFields(shape.headers, values);
  if (own === null) return null;
  const named = new Set(shape.headers.map(({ name }) => name.toLowerCase()));
  const body = mayHaveBody(status) ? bodyOf(shape.body, answer) : { bytes: NOTHING, rawHeaders: [] };
  if (body === null) return null;
  const rawHeaders: string[] = [];
  for (let i = 0; i < body.rawHeaders.length; i += 2) {
    const name = body.rawHeaders[i] ?? '';
    if (!named.has(name.toLowerCase())) rawHeaders.push(name, body.rawHeaders[i + 1] ?? '');
  }
  return {
    kind: 'full',
    status,
    rawHeaders: [...rawHeaders, ...own],
    body: body.bytes,
    receivedAtMs: answer.receivedAtMs,
  };
}

const NOTHING = new Uint8Array(0);

type ReplayBody = { readonly bytes: Uint8Array; readonly rawHeaders: readonly string[] };

/** Null where the part that was asked for is not there. */
function bodyOf(shape: ReplayShape['body'], answer: ProbeAnswer): ReplayBody | null {
  switch (shape.kind) {
    case 'none':
      return { bytes: NOTHING, rawHeaders: [] };
    case 'as-is':
      return {
        bytes: answer.body,
        rawHeaders: BODY_FIELDS.flatMap((name) => {
          const value = firstValue(answer.rawHeaders, name);
          return value === undefined ? [] : [CASED[name], value];
        }),
      };
    case 'part': {
      const document = readDocument(answer);
      if (document === 'unreadable' || valueAt(document, shape.tokens).kind !== 'value') return null;
      const text = Buffer.from(answer.body).toString('utf8');
      const span = spanAt(text, shape.tokens);
      if (span === null) return null;
      return {
        bytes: Buffer.from(text.slice(span.start, span.end)),
        rawHeaders: ['Content-Type', 'application/json'],
      };
    }
    default:
      return unreachable(shape);
  }
}

const CASED = {
  'content-type': 'Content-Type',
  'content-encoding': 'Content-Encoding',
  'content-language': 'Content-Language',
} as const;

/**
 * What to do with an unknown key after its probe. `unknownForMs`: by the store, before the probe was sent. Only of a
 * request that had been quiet by then is "did not happen" said for good: earlier the backend may still be at work.
 */
export type AfterProbe =
  | { readonly kind: 'complete'; readonly response: PlainResponse }
  | { readonly kind: 'release' }
  | { readonly kind: 'hold'; readonly why: 'unsure' | 'not-quiet' };

export function afterProbe(verdict: Verdict, unknownForMs: number, quietMs: number): AfterProbe {
  switch (verdict.kind) {
    case 'completed':
      return { kind: 'complete', response: verdict.response };
    case 'did-not-happen':
      return unknownForMs >= quietMs ? { kind: 'release' } : { kind: 'hold', why: 'not-quiet' };
    case 'unsure':
      return { kind: 'hold', why: 'unsure' };
    default:
      return unreachable(verdict);
  }
}
