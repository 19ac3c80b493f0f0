import { type ConformanceCase, refused, required } from './model.ts';

/** Framing and heads that two parsers may read differently. */

const HEAD = 'POST {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {caller}\r\n';

/** Exact bytes that must be answered with a problem, on a connection that is closed then, and never reach the backend. */
function refusesBytes(
  id: string,
  title: string,
  source: string,
  raw: string,
  problem = 'bad-request',
): ConformanceCase {
  return required(
    id,
    'default',
    title,
    source,
    refused(
      { raw },
      { problem, hits: 0, headers: { connection: 'close', date: { some: /GMT$/ } }, connection: 'closed' },
    ),
  );
}

export const GUARD_FRAMING_CASES: readonly ConformanceCase[] = [
  refusesBytes(
    'guard-length-and-chunked',
    'Content-Length with Transfer-Encoding is refused',
    'RFC 9112 section 6.1; edge case 63',
    `${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n`,
  ),
  refusesBytes(
    'guard-chunked-and-length',
    'the same in the other order',
    'RFC 9112 section 6.1; edge case 63',
    `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
  ),
  refusesBytes(
    'guard-two-lengths',
    'two different lengths are refused',
    'RFC 9112 section 6.3',
    `${HEAD}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`,
  ),
  refusesBytes(
    'guard-length-list',
    'a list of lengths is refused',
    'RFC 9112 section 6.3',
    `${HEAD}Content-Length: 5, 5\r\n\r\nhello`,
  ),
  refusesBytes(
    'guard-length-plus',
    'a length with a sign is refused',
    'RFC 9110 section 8.6',
    `${HEAD}Content-Length: +5\r\n\r\nhello`,
  ),
  refusesBytes(
    'guard-length-hex',
    'a hexadecimal length is refused',
    'RFC 9110 section 8.6',
    `${HEAD}Content-Length: 0x5\r\n\r\nhello`,
  ),
  refusesBytes(
    'guard-length-empty',
    'an empty length is refused',
    'RFC 9110 section 8.6',
    `${HEAD}Content-Length:\r\n\r\n`,
  ),
  refusesBytes(
    'guard-other-coding',
    'a transfer coding but chunked is refused',
    'RFC 9112 section 6.1',
    `${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  ),
  refusesBytes(
    'guard-coding-twice',
    'chunked twice is refused',
    'RFC 9112 section 6.1',
    `${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ),
  refusesBytes(
    'guard-coding-obfuscated',
    'an obfuscated chunked is refused',
    'RFC 9112 section 6.1',
    `${HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  ),
  refusesBytes(
    'guard-coding-vertical-tab',
    'chunked after a control character is refused',
    'RFC 9112 section 6.1',
    `${HEAD}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
  ),
  refusesBytes(
    'guard-space-before-colon',
    'white space before the colon is refused',
    'RFC 9112 section 5.1',
    `${HEAD}Content-Length : 5\r\n\r\nhello`,
  ),
  refusesBytes(
    'guard-folded-line',
    'a folded field line is refused',
    'RFC 9112 section 5.2',
    `${HEAD}X-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n`,
  ),
  refusesBytes(
    'guard-bare-cr',
    'a bare CR in a field value is refused',
    'RFC 9112 section 2.2',
    `${HEAD}X-A: 1\rX-B: 2\r\nContent-Length: 0\r\n\r\n`,
  ),
  refusesBytes(
    'guard-nul',
    'a NUL in a field value is refused',
    'RFC 9110 section 5.5; fault 40',
    `${HEAD}Idempotency-Key: a\x00b\r\nContent-Length: 0\r\n\r\n`,
  ),
  refusesBytes(
    'guard-no-host',
    'a request without Host is refused',
    'RFC 9112 section 3.2',
    'POST {target} HTTP/1.1\r\nContent-Length: 0\r\n\r\n',
  ),
  refusesBytes(
    'guard-two-hosts',
    'two Host lines are refused',
    'RFC 9112 section 3.2',
    `${HEAD}Host: other\r\nContent-Length: 0\r\n\r\n`,
  ),
  refusesBytes(
    'guard-bad-host',
    'a Host that is no authority is refused',
    'RFC 9112 section 3.2',
    'POST {target} HTTP/1.1\r\nHost: a/b\r\nContent-Length: 0\r\n\r\n',
  ),
  refusesBytes(
    'guard-host-list',
    'a list of hosts is refused',
    'RFC 9112 section 3.2',
    'POST {target} HTTP/1.1\r\nHost: a, b\r\nContent-Length: 0\r\n\r\n',
  ),
  refusesBytes(
    'guard-not-http',
    'bytes that are no request are refused',
    'RFC 9112 section 2.2',
    'hello\r\n\r\n',
  ),
  refusesBytes(
    'guard-foreign-authority',
    'an absolute target of another authority is refused',
    'RFC 9112 section 3.2.2',
    'POST http://other.example{target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n',
  ),
  refusesBytes(
    'guard-no-path',
    'a target that is no path is refused',
    'RFC 9112 section 3.2',
    'POST conf/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n',
  ),
  refusesBytes(
    'guard-head-size',
    'a head over the limit is refused',
    'RFC 6585 section 5',
    `${HEAD}X-Big: ${'b'.repeat(20_000)}\r\nContent-Length: 0\r\n\r\n`,
    'head-too-large',
  ),
  refusesBytes(
    'guard-field-count',
    'more fields than the limit are refused',
    'RFC 6585 section 5',
    `${HEAD}${'X-N: 1\r\n'.repeat(60)}Content-Length: 0\r\n\r\n`,
    'head-too-large',
  ),
  refusesBytes(
    'guard-target-length',
    'a target over the limit is refused',
    'RFC 9110 section 4.1',
    `POST {target}?${'q'.repeat(2_100)} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n`,
  ),
  refusesBytes(
    'guard-connect',
    'CONNECT is refused',
    'RFC 9110 section 9.3.6',
    'CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n',
    'method-not-supported',
  ),
];
