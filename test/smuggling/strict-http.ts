/**
 * A second parser of HTTP/1.1, independent of any library and as strict as RFC 9112: what it reads on the wire behind the
 * proxy, and what it reads of the answers in front, is what the proxy said, or there is a fault.
 */

export type Parsed<T> =
  | { readonly kind: 'message'; readonly message: T; readonly bytes: number }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed'; readonly why: string };

export type StrictRequest = {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: Buffer;
};

export type StrictAnswer = {
  readonly status: number;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: Buffer;
  /** closed: the connection's end is that of the message. */
  readonly end: 'proven' | 'closed';
};

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) (/[\\x21-\\x7e]*) HTTP/1\\.1$`);
const STATUS_LINE = /^HTTP\/1\.[01] ([1-5]\d\d) [\t\x20-\x7e\x80-\xff]*$/;
/** Many servers leave out the space as well where they have no reason to tell; nobody reads it in another way. */
const WITHOUT_REASON = /^HTTP\/1\.[01] ([1-5]\d\d)$/;
const FIELD_LINE = new RegExp(`^(${TOKEN}):[ \\t]*([\\t\\x20-\\x7e\\x80-\\xff]*?)[ \\t]*$`);

type Head = {
  readonly first: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly bytes: number;
};

function malformed(why: string): { readonly kind: 'malformed'; readonly why: string } {
  return { kind: 'malformed', why };
}

const INCOMPLETE = { kind: 'incomplete' } as const;

function parseHead(bytes: Buffer): Head | typeof INCOMPLETE | ReturnType<typeof malformed> {
  const end = bytes.indexOf('\r\n\r\n', 0, 'latin1');
  const text = bytes.toString('latin1', 0, end === -1 ? bytes.length : end);
  // A break that is not CRLF is a fault as soon as it is there.
  if (/(?:^|[^\r])\n|\r(?!\n|$)/.test(text)) return malformed('a bare CR or LF');
  if (end === -1) return INCOMPLETE;
  const [first = '', ...lines] = text.split('\r\n');
  const fields: [string, string][] = [];
  for (const line of lines) {
    const match = FIELD_LINE.exec(line);
    if (match === null) return malformed(`field line ${JSON.stringify(line)}`);
    fields.push([(match[1] ?? '').toLowerCase(), match[2] ?? '']);
  }
  return { first, fields, bytes: end + 4 };
}

export function valuesOf(fields: readonly (readonly [string, string])[], name: string): readonly string[] {
  return fields.filter(([found]) => found === name).map(([, value]) => value);
}

export function parseRequest(bytes: Buffer): Parsed<StrictRequest> {
  const head = parseHead(bytes);
  if ('kind' in head) return head;
  const line = REQUEST_LINE.exec(head.first);
  if (line === null) return malformed(`request line ${JSON.stringify(head.first)}`);
  if (valuesOf(head.fields, 'host').length !== 1) return malformed('not exactly one Host');
  const body = parseBody(bytes, head, 'none', 'none');
  if (body.kind !== 'message') return body;
  const message = {
    method: line[1] ?? '',
    target: line[2] ?? '',
    fields: head.fields,
    body: body.message.body,
  };
  return { kind: 'message', message, bytes: body.bytes };
}

/** What nobody needs and servers send: extensions of chunks, trailers, a status line that ends early. `none`: as our proxy sends. */
type Extras = 'none' | 'allowed';

/** `connection`: whether more can come. Informational answers are skipped. */
export function parseAnswer(
  bytes: Buffer,
  method: string,
  connection: 'open' | 'closed',
  extras: Extras = 'none',
): Parsed<StrictAnswer> {
  const head = parseHead(bytes);
  if ('kind' in head) return head;
  const line =
    STATUS_LINE.exec(head.first) ?? (extras === 'allowed' ? WITHOUT_REASON.exec(head.first) : null);
  const status = Number(line?.[1] ?? 0);
  if (status === 0) return malformed(`status line ${JSON.stringify(head.first)}`);
  if (status < 200 && status !== 101) {
    const after = parseAnswer(bytes.subarray(head.bytes), method, connection, extras);
    return after.kind === 'message' ? { ...after, bytes: after.bytes + head.bytes } : after;
  }
  if (method === 'HEAD' || status === 204 || status === 304 || status === 101)
    return {
      kind: 'message',
      message: { status, fields: head.fields, body: EMPTY, end: 'proven' },
      bytes: head.bytes,
    };
  const body = parseBody(bytes, head, connection === 'closed' ? 'to-the-end' : 'incomplete', extras);
  if (body.kind !== 'message') return body;
  return { kind: 'message', message: { status, fields: head.fields, ...body.message }, bytes: body.bytes };
}

const EMPTY = Buffer.alloc(0);
type Body = { readonly body: Buffer; readonly end: 'proven' | 'closed' };

/** `unframed`: what a message without a length is. */
function parseBody(
  bytes: Buffer,
  head: Head,
  unframed: 'none' | 'incomplete' | 'to-the-end',
  extras: Extras,
): Parsed<Body> {
  const lengths = valuesOf(head.fields, 'content-length');
  const codings = valuesOf(head.fields, 'transfer-encoding');
  if (lengths.length + codings.length > 1) return malformed('framing named twice');
  const [length] = lengths;
  const [coding] = codings;
  if (coding !== undefined)
    return coding.toLowerCase() === 'chunked'
      ? parseChunked(bytes, head.bytes, extras)
      : malformed(`coding ${coding}`);
  if (length !== undefined) {
    if (!/^(?:0|[1-9]\d{0,15})$/.test(length)) return malformed(`length ${length}`);
    const end = head.bytes + Number(length);
    if (bytes.length < end) return INCOMPLETE;
    return { kind: 'message', message: { body: bytes.subarray(head.bytes, end), end: 'proven' }, bytes: end };
  }
  if (unframed === 'none')
    return { kind: 'message', message: { body: EMPTY, end: 'proven' }, bytes: head.bytes };
  if (unframed === 'incomplete') return INCOMPLETE;
  return {
    kind: 'message',
    message: { body: bytes.subarray(head.bytes), end: 'closed' },
    bytes: bytes.length,
  };
}

/** RFC 9112 section 7.1.1, with the space that it calls bad. */
const EXTENSIONS = /[ \t]*;[\t\x20-\x7e\x80-\xff]*$/;

function parseChunked(bytes: Buffer, from: number, extras: Extras): Parsed<Body> {
  const parts: Buffer[] = [];
  let at = from;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at, 'latin1');
    const whole = bytes.toString('latin1', at, lineEnd === -1 ? bytes.length : lineEnd);
    const line = extras === 'allowed' ? whole.replace(EXTENSIONS, '') : whole;
    if (!/^[0-9a-fA-F]{0,8}$/.test(line.replace(/\r$/, '')))
      return malformed(`chunk size ${JSON.stringify(line)}`);
    if (lineEnd === -1) return INCOMPLETE;
    if (line === '') return malformed('an empty chunk size');
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size > 0) {
      if (bytes.length < at + size) return INCOMPLETE;
      parts.push(bytes.subarray(at, at + size));
      at += size;
    }
    if (size === 0 && extras === 'allowed') {
      const trailers = trailersEnd(bytes, at);
      if (typeof trailers !== 'number') return trailers;
      return { kind: 'message', message: { body: Buffer.concat(parts), end: 'proven' }, bytes: trailers };
    }
    const close = bytes.toString('latin1', at, at + 2);
    if (close.length < 2) return '\r\n'.startsWith(close) ? INCOMPLETE : malformed('no CRLF after a chunk');
    if (close !== '\r\n') return malformed(`after a chunk ${JSON.stringify(close)}`);
    at += 2;
    if (size === 0)
      return { kind: 'message', message: { body: Buffer.concat(parts), end: 'proven' }, bytes: at };
  }
}

/** Where the lines behind the last chunk end. */
function trailersEnd(bytes: Buffer, from: number): number | typeof INCOMPLETE | ReturnType<typeof malformed> {
  if (bytes.toString('latin1', from, from + 2) === '\r\n') return from + 2;
  // As a head without a first line, which is there then.
  const head = parseHead(Buffer.concat([Buffer.from('\r\n', 'latin1'), bytes.subarray(from)]));
  return 'kind' in head ? head : from + head.bytes - 2;
}
