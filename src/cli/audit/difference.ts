/** How two answers differ, but for what is known to change from one to the next. */

export type Answer = {
  readonly status: number;
  readonly rawHeaders: readonly string[];
  readonly body: Uint8Array;
};

export type Ignore = {
  /** In lower case. */
  readonly fields: ReadonlySet<string>;
  /** Reference tokens of JSON Pointers; `*` stands for any one. */
  readonly pointers: readonly (readonly string[])[];
};

export type Difference = {
  /** A field of the head, `status`, `body`, or the JSON Pointer of a member. */
  readonly what: string;
  /** Null where it is none of a JSON body. */
  readonly tokens: readonly string[] | null;
  readonly from: string;
  readonly to: string;
};

/** They change by themselves, and say nothing of what a request did. */
const PASSING = new Set([
  ...[
    'date',
    'age',
    'expires',
    'last-modified',
    'server-timing',
    'set-cookie',
    'retry-after',
    'via',
    'report-to',
  ],
  ...['x-request-id', 'request-id', 'x-correlation-id', 'x-amzn-requestid', 'x-amzn-trace-id', 'x-trace-id'],
  ...['traceparent', 'tracestate', 'x-runtime', 'x-response-time', 'cf-ray', 'nel', 'x-served-by'],
  ...['connection', 'keep-alive', 'transfer-encoding', 'content-length'],
]);
const PASSING_PREFIX = /^(?:x-)?ratelimit/;

const DIFFERENCES_MAX = 10;
const DEPTH_MAX = 100;
const SHOWN_CHARS_MAX = 60;

export function differences(one: Answer, other: Answer, ignore: Ignore): readonly Difference[] {
  const found: Difference[] = [];
  if (one.status !== other.status)
    found.push({ what: 'status', tokens: null, from: String(one.status), to: String(other.status) });
  found.push(...fieldDifferences(one, other, ignore), ...bodyDifferences(one, other, ignore));
  return found.slice(0, DIFFERENCES_MAX);
}

function fieldDifferences(one: Answer, other: Answer, ignore: Ignore): readonly Difference[] {
  const [before, after] = [fieldsOf(one, ignore), fieldsOf(other, ignore)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [from, to] = [before.get(name) ?? '', after.get(name) ?? ''];
    return from === to ? [] : [{ what: name, tokens: null, from: shown(from), to: shown(to) }];
  });
}

function fieldsOf({ rawHeaders }: Answer, ignore: Ignore): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    if (PASSING.has(name) || PASSING_PREFIX.test(name) || ignore.fields.has(name)) continue;
    const earlier = fields.get(name);
    const value = rawHeaders[at + 1] ?? '';
    fields.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  }
  return fields;
}

function bodyDifferences(one: Answer, other: Answer, ignore: Ignore): readonly Difference[] {
  if (Buffer.compare(one.body, other.body) === 0) return [];
  const [from, to] = [parsed(one.body), parsed(other.body)];
  if (from !== undefined && to !== undefined) {
    const found: Difference[] = [];
    compare(from, to, [], ignore, found);
    return found;
  }
  return [{ what: 'body', tokens: null, from: outline(one.body), to: outline(other.body) }];
}

/** Pushes what differs; stops at the most that is told. */
function compare(
  from: unknown,
  to: unknown,
  tokens: readonly string[],
  ignore: Ignore,
  found: Difference[],
): void {
  if (found.length >= DIFFERENCES_MAX || Object.is(from, to)) return;
  if (ignore.pointers.some((pointer) => fits(pointer, tokens))) return;
  const deeper = isTree(from) && isTree(to) && Array.isArray(from) === Array.isArray(to);
  // What is deeper is not looked into: text that differs there counts as other.
  if (!deeper || tokens.length >= DEPTH_MAX) {
    const what = tokens.length === 0 ? 'body' : pointerOf(tokens);
    found.push({ what, tokens, from: text(from), to: text(to) });
    return;
  }
  const [before, after] = [new Map(Object.entries(from)), new Map(Object.entries(to))];
  for (const name of new Set([...before.keys(), ...after.keys()]))
    compare(before.get(name), after.get(name), [...tokens, name], ignore, found);
}

function isTree(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

export function fits(pointer: readonly string[], tokens: readonly string[]): boolean {
  return (
    pointer.length === tokens.length && pointer.every((token, at) => token === '*' || token === tokens[at])
  );
}

function pointerOf(tokens: readonly string[]): string {
  return tokens.map((token) => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** Undefined: it is no JSON. */
function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

function text(value: unknown): string {
  if (value === undefined) return 'absent';
  if (isTree(value)) return Array.isArray(value) ? '[…]' : '{…}';
  return shown(JSON.stringify(value));
}

function outline(body: Uint8Array): string {
  return shown(JSON.stringify(Buffer.from(body.subarray(0, SHOWN_CHARS_MAX + 1)).toString('utf8')));
}

function shown(value: string): string {
  const printable = value.replace(/[^\x20-\x7e\u00a1-\uffff]/g, '.');
  return printable.length > SHOWN_CHARS_MAX ? `${printable.slice(0, SHOWN_CHARS_MAX)}…` : printable;
}
