/** Changes of a message of HTTP/1.1 where parsers differ; every choice follows from the numbers that are drawn. */

export type Random = () => number;

export const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

export function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error('nothing to pick from');
  return value;
}

const NAMES = [
  'Content-Length',
  'Transfer-Encoding',
  'Host',
  'Connection',
  'Expect',
  'Idempotency-Key',
  'Content_Length',
  'TE',
  'Trailer',
  'Upgrade',
  'Transfer-Encoding ',
  ' Content-Length',
];
const VALUES = [
  '0',
  '5',
  '05',
  '+5',
  '-1',
  '5, 5',
  '0x5',
  '1e1',
  '',
  'chunked',
  'Chunked',
  'xchunked',
  'chunked, chunked',
  'gzip, chunked',
  '\tchunked',
  'chunked\v',
  'identity',
  'a',
  'b',
  'close',
  'keep-alive',
  'content-length',
  'idempotency-key',
  '100-continue',
  'x',
  'h2c',
  '\xff',
  '99999999999999999999',
];
const BITS = [
  '\r',
  '\n',
  '\r\n',
  '\n\n',
  ' ',
  '\t',
  '\0',
  '\v',
  '\f',
  '\x7f',
  '\x85',
  '\xa0',
  ':',
  ';',
  ',',
  '_',
  '-',
  '+',
  '0',
  '0\r\n\r\n',
  '\r\n\r\n',
  SMUGGLED,
  '%2e',
  '..',
  '/',
  '\\',
  '#',
  '?',
  '*',
];

export type Mutate = (text: string, random: Random) => string;

function at(text: string, random: Random): number {
  return Math.floor(random() * (text.length + 1));
}

/** Those that fit a request as well as a response. */
export const OF_LINES: readonly Mutate[] = [
  (text, random) => {
    const place = at(text, random);
    return text.slice(0, place) + pick(random, BITS) + text.slice(place);
  },
  (text, random) => {
    const place = at(text, random);
    return text.slice(0, place) + text.slice(place + 1 + Math.floor(random() * 3));
  },
  (text, random) => {
    const place = at(text, random);
    return `${text.slice(0, place)}${String.fromCharCode(Math.floor(random() * 256))}${text.slice(place + 1)}`;
  },
  // A field line more, before any other.
  (text, random) =>
    text.replace(
      '\r\n',
      `\r\n${pick(random, NAMES)}${pick(random, [': ', ':', ' : ', ':\t'])}${pick(random, VALUES)}${pick(random, ['\r\n', '\r\n', '\r\n', '\n', '\r\n '])}`,
    ),
  // A line twice, or a line end that is another.
  (text, random) => {
    const lines = text.split('\r\n');
    const line = Math.floor(random() * lines.length);
    lines.splice(line, 0, lines[line] ?? '');
    return lines.join('\r\n');
  },
  (text, random) => {
    const ends = [...text.matchAll(/\r\n/g)];
    const end = ends.length === 0 ? 0 : pick(random, ends).index;
    return (
      text.slice(0, end) + pick(random, ['\n', '\r', '\r\r\n', '\n\r', ' \r\n', '']) + text.slice(end + 2)
    );
  },
];
