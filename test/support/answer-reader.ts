/** Reads one HTTP/1.1 answer from bytes, as strictly as RFC 9112 allows. */

export type HeaderLine = readonly [name: string, value: string];
export type AnswerHead = { readonly status: number; readonly headers: readonly HeaderLine[] };

export type RawAnswer = AnswerHead & {
  readonly statusLine: string;
  /** After de-framing. */
  readonly body: Buffer;
  /** proven: by length, last chunk, or a status without body. closed: by a FIN where nothing else says. broken: cut short. */
  readonly end: 'proven' | 'closed' | 'broken';
  readonly framing: 'none' | 'length' | 'chunked' | 'close';
  readonly trailers: readonly HeaderLine[];
  readonly informational: readonly AnswerHead[];
};

export type ParsedAnswer =
  | { readonly kind: 'need-more' }
  | { readonly kind: 'informational'; readonly head: AnswerHead; readonly bytes: number }
  | { readonly kind: 'answer'; readonly answer: RawAnswer; readonly bytes: number };

export type ConnectionEnd = 'open' | 'fin' | 'reset';

const NEED_MORE = { kind: 'need-more' } as const;

export function parseAnswer(buffer: Buffer, method: string, connection: ConnectionEnd): ParsedAnswer {
  const headEnd = buffer.indexOf('\r\n\r\n', 0, 'latin1');
  if (headEnd === -1) {
    if (connection === 'open') return NEED_MORE;
    return {
      kind: 'answer',
      answer: { ...EMPTY, end: 'broken', statusLine: buffer.toString('latin1') },
      bytes: buffer.length,
    };
  }
  const [statusLine = '', ...lines] = buffer.toString('latin1', 0, headEnd).split('\r\n');
  const status = /^HTTP\/1\.1 ([1-9]\d\d) [\t\x20-\x7e\x80-\xff]*$/.exec(statusLine)?.[1];
  if (status === undefined) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
  const head: AnswerHead = { status: Number(status), headers: lines.map(parseField) };
  const from = headEnd + 4;
  if (head.status < 200 && head.status !== 101) return { kind: 'informational', head, bytes: from };
  return parseBody(buffer, { ...EMPTY, ...head, statusLine }, from, method, connection);
}

const EMPTY: RawAnswer = {
  status: 0,
  headers: [],
  statusLine: '',
  body: Buffer.alloc(0),
  end: 'proven',
  framing: 'none',
  trailers: [],
  informational: [],
};

function parseField(line: string): HeaderLine {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon);
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
    throw new Error(`not a field line: ${JSON.stringify(line)}`);
  return [name, line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
}

/** The values of a field, in order. */
export function fieldValues(headers: readonly HeaderLine[], name: string): readonly string[] {
  return headers.filter(([found]) => found.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}

function parseBody(
  buffer: Buffer,
  answer: RawAnswer,
  from: number,
  method: string,
  connection: ConnectionEnd,
): ParsedAnswer {
  const { status, headers } = answer;
  if (method === 'HEAD' || status === 204 || status === 304 || status === 101)
    return { kind: 'answer', answer, bytes: from };
  const codings = fieldValues(headers, 'transfer-encoding');
  const lengths = fieldValues(headers, 'content-length');
  if (codings.length > 0 && lengths.length > 0)
    throw new Error('an answer with Content-Length and Transfer-Encoding');
  if (codings.length > 0) return parseChunked(buffer, answer, from, connection);
  const [length] = lengths;
  if (length !== undefined) {
    if (lengths.length > 1 || !/^\d+$/.test(length))
      throw new Error(`Content-Length: ${lengths.join(' | ')}`);
    const to = from + Number(length);
    if (buffer.length >= to)
      return whole({ ...answer, framing: 'length', body: buffer.subarray(from, to) }, to);
    return connection === 'open'
      ? NEED_MORE
      : whole({ ...answer, framing: 'length', end: 'broken', body: buffer.subarray(from) }, buffer.length);
  }
  if (connection === 'open') return NEED_MORE;
  return whole(
    {
      ...answer,
      framing: 'close',
      end: connection === 'fin' ? 'closed' : 'broken',
      body: buffer.subarray(from),
    },
    buffer.length,
  );
}

function whole(answer: RawAnswer, bytes: number): ParsedAnswer {
  return { kind: 'answer', answer, bytes };
}

function parseChunked(
  buffer: Buffer,
  answer: RawAnswer,
  from: number,
  connection: ConnectionEnd,
): ParsedAnswer {
  const parts: Buffer[] = [];
  let at = from;
  const cut = (): ParsedAnswer =>
    connection === 'open'
      ? NEED_MORE
      : whole({ ...answer, framing: 'chunked', end: 'broken', body: Buffer.concat(parts) }, buffer.length);
  for (;;) {
    const lineEnd = buffer.indexOf('\r\n', at, 'latin1');
    if (lineEnd === -1) return cut();
    const line = buffer.toString('latin1', at, lineEnd);
    if (!/^[0-9a-fA-F]{1,8}$/.test(line)) throw new Error(`chunk size: ${JSON.stringify(line)}`);
    const bytes = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (bytes === 0) break;
    parts.push(buffer.subarray(at, Math.min(at + bytes, buffer.length)));
    if (buffer.length < at + bytes + 2) return cut();
    at += bytes + 2;
  }
  const trailers: HeaderLine[] = [];
  for (;;) {
    const lineEnd = buffer.indexOf('\r\n', at, 'latin1');
    if (lineEnd === -1) return cut();
    const line = buffer.toString('latin1', at, lineEnd);
    at = lineEnd + 2;
    if (line === '')
      return whole({ ...answer, framing: 'chunked', body: Buffer.concat(parts), trailers }, at);
    trailers.push(parseField(line));
  }
}
