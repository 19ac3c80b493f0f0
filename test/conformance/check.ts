import { fieldValues, type HeaderLine, type RawAnswer } from '../support/answer-reader.ts';
import type { SeenRequest } from '../support/request-reader.ts';
import type { Expect, HeaderExpect, UpstreamExpect } from './model.ts';
import { PROBLEM_FACTS } from './problem-table.ts';

/** Compares what came with what a case expects; every difference is a sentence. */

export type Observed = {
  readonly answer: RawAnswer;
  readonly seen: readonly SeenRequest[];
  /** Of the steps before, by number from 1. */
  readonly earlier: ReadonlyMap<number, RawAnswer>;
  readonly fill: (text: string) => string;
};

export function differences(expect: Expect, observed: Observed): readonly string[] {
  const { answer, seen, fill } = observed;
  const out: string[] = [];
  const say = (what: string, wanted: unknown, got: unknown): void => {
    out.push(`${what}: expected ${show(wanted)}, got ${show(got)}`);
  };
  if (expect.status !== undefined && answer.status !== expect.status)
    say('status', expect.status, `${answer.status} ${excerpt(answer)}`);
  if (expect.body !== undefined && answer.body.toString('latin1') !== fill(expect.body))
    say('body', fill(expect.body), answer.body.toString('latin1'));
  if (expect.end !== undefined && answer.end !== expect.end) say('end', expect.end, answer.end);
  if (expect.hits !== undefined && seen.length !== expect.hits)
    say('upstream hits', expect.hits, seen.length);
  if (expect.informational !== undefined) {
    const got = answer.informational.map((head) => head.status);
    if (got.join() !== expect.informational.join()) say('informational answers', expect.informational, got);
  }
  out.push(...headerDifferences('header', expect.headers ?? {}, answer.headers, fill));
  if (expect.order !== undefined) out.push(...orderDifferences(expect.order, answer.headers));
  if (expect.problem !== undefined)
    out.push(...problemDifferences(expect.problem, expect.members ?? {}, answer, fill));
  if (expect.upstream !== undefined) out.push(...upstreamDifferences(expect.upstream, seen, fill));
  if (expect.replayOf !== undefined)
    out.push(...replayDifferences(observed.earlier.get(expect.replayOf), answer));
  return out;
}

/** Whether a case says anything that can fail. */
export function isEmpty(expect: Expect): boolean {
  return Object.values(expect).every((value) => value === undefined);
}

function show(value: unknown): string {
  const text =
    typeof value === 'string'
      ? JSON.stringify(value)
      : value instanceof RegExp
        ? String(value)
        : JSON.stringify(value);
  return text === undefined ? 'nothing' : text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

function excerpt(answer: RawAnswer): string {
  return answer.body.toString('latin1').slice(0, 200);
}

function headerDifferences(
  what: string,
  expected: Readonly<Record<string, HeaderExpect>>,
  lines: readonly HeaderLine[],
  fill: (text: string) => string,
): readonly string[] {
  const out: string[] = [];
  for (const [name, wanted] of Object.entries(expected)) {
    const got = fieldValues(lines, name);
    if (!matches(wanted, got, fill))
      out.push(`${what} ${name}: expected ${show(describe(wanted, fill))}, got ${show(got)}`);
  }
  return out;
}

function matches(wanted: HeaderExpect, got: readonly string[], fill: (text: string) => string): boolean {
  if (wanted === null) return got.length === 0;
  if (typeof wanted === 'string') return got.length === 1 && got[0] === fill(wanted);
  // A list has a method of this name too.
  if (!isList(wanted)) return got.some((value) => wanted.some.test(value));
  return got.length === wanted.length && wanted.every((value, at) => got[at] === fill(value));
}

function describe(wanted: HeaderExpect, fill: (text: string) => string): unknown {
  if (wanted === null) return 'no line';
  if (typeof wanted === 'string') return fill(wanted);
  return isList(wanted) ? wanted.map(fill) : String(wanted.some);
}

/** Array.isArray does not narrow a readonly array. */
function isList(wanted: readonly string[] | { readonly some: RegExp }): wanted is readonly string[] {
  return Array.isArray(wanted);
}

/** The names in their case and order; other lines may stand between. */
function orderDifferences(order: readonly string[], lines: readonly HeaderLine[]): readonly string[] {
  let at = 0;
  for (const [name] of lines) if (name === order[at]) at += 1;
  return at === order.length
    ? []
    : [`header order: expected ${show(order)}, got ${show(lines.map(([name]) => name))}`];
}

function problemDifferences(
  code: string,
  members: Readonly<Record<string, unknown>>,
  answer: RawAnswer,
  fill: (text: string) => string,
): readonly string[] {
  const facts = PROBLEM_FACTS[code];
  if (facts === undefined) return [`the case names no known problem: ${code}`];
  const out: string[] = [];
  const problem = parseObject(answer.body.toString('utf8'));
  if (problem === null) return [`a problem ${code}: the body is no JSON object: ${excerpt(answer)}`];
  const retryable = 'retryable' in members ? members.retryable : facts.retryable;
  const wanted: Record<string, unknown> = {
    type: `urn:onceward:problem:${code}`,
    code,
    status: facts.status,
    retryable,
    sameKey: facts.sameKey,
    executed: facts.executed,
    ...(facts.title === undefined ? {} : { title: facts.title }),
    ...members,
  };
  for (const [name, value] of Object.entries(wanted)) {
    const filled = typeof value === 'string' ? fill(value) : value;
    if (problem[name] !== filled)
      out.push(
        `problem member ${name}: expected ${show(filled)}, got ${show(problem[name])} (${String(problem.code)})`,
      );
  }
  for (const name of ['title', 'detail']) {
    if (typeof problem[name] !== 'string' || problem[name] === '')
      out.push(`problem member ${name}: expected text, got ${show(problem[name])}`);
  }
  if (!/^urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(String(problem.instance)))
    out.push(`problem member instance: ${show(problem.instance)}`);
  if (answer.status !== facts.status)
    out.push(`status of a problem: expected ${facts.status}, got ${answer.status}`);
  const fields: Record<string, HeaderExpect> = {
    'content-type': 'application/problem+json',
    'x-should-retry': String(retryable),
    'stripe-should-retry': String(retryable),
    'retry-after': retryable === true ? { some: /^[1-9]\d*$/ } : null,
    'idempotency-status': null,
    'idempotent-replayed': null,
    link: { some: /rel="describedby"/ },
  };
  return [...out, ...headerDifferences('header', fields, answer.headers, fill)];
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    // An object without an array's index: its members are read one by one and compared.
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function upstreamDifferences(
  expected: UpstreamExpect,
  seen: readonly SeenRequest[],
  fill: (text: string) => string,
): readonly string[] {
  const hit = expected.hit ?? seen.length;
  const request = seen[hit - 1];
  if (request === undefined) return [`upstream request ${hit}: there were ${seen.length}`];
  const out: string[] = [];
  if (expected.method !== undefined && request.method !== expected.method)
    out.push(`upstream method: expected ${expected.method}, got ${request.method}`);
  if (expected.target !== undefined && request.target !== fill(expected.target))
    out.push(`upstream target: expected ${fill(expected.target)}, got ${request.target}`);
  const body = request.body().toString('latin1');
  if (expected.body !== undefined && body !== expected.body)
    out.push(`upstream body: expected ${show(expected.body)}, got ${show(body)}`);
  if (expected.tokenAbove !== undefined) {
    const tokens = [seen[expected.tokenAbove - 1], request].map((hit) =>
      Number(fieldValues(hit?.headers ?? [], 'onceward-fencing-token')[0]),
    );
    if (!((tokens[1] ?? 0) > (tokens[0] ?? 0))) out.push(`fencing tokens do not grow: ${tokens.join(', ')}`);
  }
  return [...out, ...headerDifferences('upstream header', expected.headers ?? {}, request.headers, fill)];
}

/** A replay says of itself what it is, may be framed otherwise, and leaves out what belonged to the first connection. */
const REPLAY_ONLY: ReadonlySet<string> = new Set([
  'age',
  'idempotency-status',
  'idempotent-replayed',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'set-cookie',
]);

function replayDifferences(first: RawAnswer | undefined, answer: RawAnswer): readonly string[] {
  if (first === undefined) return ['the case compares with a step that has no answer'];
  const out: string[] = [];
  if (first.status !== answer.status)
    out.push(`replayed status: expected ${first.status}, got ${answer.status} ${excerpt(answer)}`);
  if (!first.body.equals(answer.body))
    out.push(
      `replayed body: expected ${show(first.body.toString('latin1'))}, got ${show(answer.body.toString('latin1'))}`,
    );
  const plain = (lines: readonly HeaderLine[]): string =>
    JSON.stringify(lines.filter(([name]) => !REPLAY_ONLY.has(name.toLowerCase())));
  if (plain(first.headers) !== plain(answer.headers))
    out.push(`replayed headers: expected ${plain(first.headers)}, got ${plain(answer.headers)}`);
  const marks: Record<string, HeaderExpect> = {
    'idempotency-status': { some: /^(?:replayed|joined)$/ },
    'idempotent-replayed': 'true',
    age: { some: /^\d+$/ },
  };
  return [...out, ...headerDifferences('header', marks, answer.headers, (text) => text)];
}
