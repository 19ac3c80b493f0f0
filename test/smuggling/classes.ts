/**
 * The classes of request smuggling by name (RFC 9112 section 11.2, PortSwigger's research on desynchronisation, "funky
 * chunks" of 2025). Where a payload is understood in two ways, one of them begins a request for /smuggled.
 */

export type SmugglingCase = {
  readonly name: string;
  readonly text: string;
  /** What the proxy answers, in order; `none`: the connection is closed without a word. */
  readonly answers: readonly number[];
};

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
const CHUNKED = 'Transfer-Encoding: chunked';
const KEY = 'Idempotency-Key: k';

export function head(lines: readonly string[], method = 'POST', target = '/first'): string {
  return [`${method} ${target} HTTP/1.1`, 'Host: a', ...lines, '', ''].join('\r\n');
}

function refused(name: string, text: string, status = 400): SmugglingCase {
  return { name, text, answers: [status] };
}

/** A body in chunks, as written, then the request that must not be; with a key, so that it is read whole before anything. */
function chunks(name: string, body: string): SmugglingCase {
  return refused(name, `${head([CHUNKED, KEY])}${body}${SMUGGLED}`);
}

export const CLASSES: readonly SmugglingCase[] = [
  refused('CL.TE', `${head(['Content-Length: 6', CHUNKED])}0\r\n\r\n${SMUGGLED}`),
  refused(
    'TE.CL',
    `${head([CHUNKED, 'Content-Length: 4'])}${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  ),
  refused('TE.TE, a coding that is none', `${head([CHUNKED, 'Transfer-Encoding: cow'])}0\r\n\r\n${SMUGGLED}`),
  refused('TE.TE, twice the same', `${head([CHUNKED, CHUNKED])}0\r\n\r\n${SMUGGLED}`),
  refused('TE.TE, a list', `${head(['Transfer-Encoding: gzip, chunked'])}0\r\n\r\n${SMUGGLED}`),
  refused('TE.TE, a parameter', `${head(['Transfer-Encoding: chunked;q=1'])}0\r\n\r\n${SMUGGLED}`),
  refused('TE.0, an empty coding', `${head(['Transfer-Encoding: '])}${SMUGGLED}`),
  refused('CL.0, a body with GET', `${head([`Content-Length: ${SMUGGLED.length}`], 'GET')}${SMUGGLED}`),
  refused('CL.0, a body with HEAD', `${head([`Content-Length: ${SMUGGLED.length}`], 'HEAD')}${SMUGGLED}`),
  refused('CL.0, a body with OPTIONS in chunks', `${head([CHUNKED], 'OPTIONS')}0\r\n\r\n`),
  refused(
    '0.CL, a length that only some read',
    `${head([`Content-Length : ${SMUGGLED.length}`])}${SMUGGLED}`,
  ),
  refused(
    '0.CL, a length on a folded line',
    `${head([`X: y\r\n Content-Length: ${SMUGGLED.length}`])}${SMUGGLED}`,
  ),
  refused(
    '0.CL, a length behind an expectation',
    `${head(['Expect: y 100-continue', `Content-Length: ${SMUGGLED.length}`])}${SMUGGLED}`,
    417,
  ),
  refused(
    'duplicate lengths that differ',
    `${head(['Content-Length: 0', `Content-Length: ${SMUGGLED.length}`])}${SMUGGLED}`,
  ),
  refused('duplicate lengths that agree', `${head(['Content-Length: 0', 'Content-Length: 0'])}${SMUGGLED}`),
  refused('a list of lengths', `${head(['Content-Length: 0, 0'])}${SMUGGLED}`),
  refused('a length with a leading zero', `${head(['Content-Length: 00'])}${SMUGGLED}`),
  refused('a length with a sign', `${head(['Content-Length: +0'])}${SMUGGLED}`),
  refused('a negative length', `${head(['Content-Length: -0'])}${SMUGGLED}`),
  refused('a length in hexadecimal', `${head(['Content-Length: 0x0'])}${SMUGGLED}`),
  refused('an empty length', `${head(['Content-Length: '])}${SMUGGLED}`),
  refused('a length under another spelling', `${head([`Content_Length: ${SMUGGLED.length}`])}${SMUGGLED}`),
  chunks('a chunk size that overflows', `10000000000000000\r\n\r\n0\r\n\r\n`),
  chunks('a chunk size with a sign', '+0\r\n\r\n'),
  chunks('a negative chunk size', '-1\r\n\r\n'),
  chunks('a chunk size with 0x', '0x0\r\n\r\n'),
  chunks('a chunk size with an underscore', '0_0\r\n\r\n'),
  chunks('a chunk size with a space before it', ' 0\r\n\r\n'),
  chunks('a chunk size with a tab behind it', '0\t\r\n\r\n'),
  chunks('an empty chunk size', '\r\n\r\n'),
  chunks('TERM.EXT, a line feed within an extension', '1;a\nxx\r\n0\r\n\r\n'),
  chunks('EXT.TERM, a carriage return within an extension', '1;a\rxx\r\n0\r\n\r\n'),
  chunks('TERM.SPILL, a line feed alone ends a chunk', '1\r\nx\n0\r\n\r\n'),
  chunks('SPILL.TERM, bytes beyond the chunk', '1\r\nxyy\r\n0\r\n\r\n'),
  chunks('a line feed alone behind a chunk size', '1\nx\r\n0\r\n\r\n'),
  chunks('a length in the trailers', '0\r\nContent-Length: 9\r\n\r\n'),
  chunks('a line feed alone at the end of the chunks', '0\r\n\n'),
  refused('obs-fold', `${head(['X-A: b', ' c: d'])}`),
  refused('a bare LF between field lines', 'POST /first HTTP/1.1\r\nHost: a\nContent-Length: 0\r\n\r\n'),
  refused('a bare LF at the end of the head', 'GET /first HTTP/1.1\r\nHost: a\r\n\n'),
  refused('a bare CR between field lines', 'POST /first HTTP/1.1\r\nHost: a\rContent-Length: 0\r\n\r\n'),
  refused('a bare CR within a value', head(['X-A: b\rc'])),
  refused('a NUL within a value', head(['X-A: b\0c'])),
  refused(
    'HTTP/1.0 with Transfer-Encoding',
    `POST /first HTTP/1.0\r\nHost: a\r\n${CHUNKED}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ),
  refused('HTTP/0.9', 'GET /first\r\n\r\n'),
  refused('a version that is none', 'GET /first HTTP/1.2\r\nHost: a\r\n\r\n'),
  refused('a foreign authority in an absolute target', 'GET http://b/smuggled HTTP/1.1\r\nHost: a\r\n\r\n'),
  refused('an asterisk as the target', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n'),
  refused('an authority as the target', 'GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n'),
  refused('two Hosts', head(['Host: b'], 'GET')),
  refused('a list of Hosts', 'GET /first HTTP/1.1\r\nHost: a, b\r\n\r\n'),
  refused('an empty Host', 'GET /first HTTP/1.1\r\nHost: \r\n\r\n'),
  refused('no Host', 'GET /first HTTP/1.1\r\nX: y\r\n\r\n'),
  refused('a Host with a path', 'GET /first HTTP/1.1\r\nHost: a/b\r\n\r\n'),
  refused('a Host with a user', 'GET /first HTTP/1.1\r\nHost: b@a\r\n\r\n'),
  refused('a Host in bytes above ASCII', 'GET /first HTTP/1.1\r\nHost: \xe9\r\n\r\n'),
  refused('a tab in the request line', 'GET\t/first HTTP/1.1\r\nHost: a\r\n\r\n'),
  refused('a further word in the request line', 'GET /first x HTTP/1.1\r\nHost: a\r\n\r\n'),
  refused('a line break before the field lines', 'GET /first HTTP/1.1\r\n Host: a\r\n\r\n'),
  refused(
    'an upgrade to h2c',
    head(['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__', 'Connection: Upgrade, HTTP2-Settings'], 'GET'),
  ),
  refused('a method that another field overrides', head(['X-HTTP-Method-Override: DELETE'])),
  refused('CONNECT', 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n', 501),
  refused('SPACE: the key behind a space', head([KEY.replace(':', ' :')])),
  refused('TAB: the key behind a tab', head([KEY.replace(':', '\t:')])),
  refused('WRAP: the key on a folded line', head(['X: y', ` ${KEY}`])),
  refused('LPAD: a space before the first field', `POST /first HTTP/1.1\r\n ${KEY}\r\nHost: a\r\n\r\n`),
  refused('HOP: the key nominated by Connection', head([KEY, 'Connection: idempotency-key'])),
  refused(
    'HOP: the credential nominated by Connection',
    head([KEY, 'Authorization: x', 'Connection: close, authorization']),
  ),
  refused('HOP: a length nominated by Connection', head(['Connection: content-length', 'Content-Length: 0'])),
  refused('HOP: a forwarding field nominated by Connection', head(['Connection: x-forwarded-for'])),
  refused(
    'HOP: more fields nominated than anybody uses',
    head([`Connection: ${Array.from({ length: 11 }, (_none, at) => `x-${at}`).join(',')}`]),
  ),
  refused('DUPE: the key twice', head([KEY, 'Idempotency-Key: other'])),
  refused('UNDER: the key with an underscore', head(['Idempotency_Key: k'])),
  refused('NWRAP: the key behind a line feed', head([`X: y\n${KEY}`])),
  refused('RWRAP: the key behind a carriage return', head([`X: y\r${KEY}`])),
  refused('Expect: another expectation', head(['Expect: 100-continue, x']), 417),
  refused('Expect: twice', head(['Expect: 100-continue', 'Expect: x']), 417),
  refused('Expect: in bytes above ASCII', head(['Expect: 100-continue\xa0']), 400),
  refused('an encoded slash', head([], 'GET', '/a%2fb')),
  refused('a NUL in the path', head([], 'GET', '/a%00b')),
  refused('dot segments', head([], 'GET', '/a/../first')),
  refused('dot segments that are encoded', head([], 'GET', '/a/%2e%2E/first')),
  refused('dot segments that are encoded twice', head([], 'GET', '/a/%252e%252e/first')),
  refused('dot segments whose escape is itself encoded', head([], 'GET', '/a/%25%32%65./first')),
  refused('an escape that is none', head([], 'GET', '/a%zz')),
  refused('a backslash', head([], 'GET', '/a\\b')),
  refused('a fragment', head([], 'GET', '/a#b')),
  refused('an empty segment', head([], 'GET', '//a')),
  refused('a pipelined request behind one that was refused', `${head(['Host: b'], 'GET')}${SMUGGLED}`),
  refused(
    'a pipelined request behind one whose key is refused in the guard',
    `${head([KEY, 'Connection: idempotency-key', 'Content-Length: 0'])}${SMUGGLED}`,
  ),
];

/** Odd and clear all the same: served, and nothing but the one request reaches the backend. */
export const SERVED: readonly {
  readonly name: string;
  readonly text: string;
  readonly method: string;
  readonly target: string;
  readonly body: string;
}[] = [
  {
    name: 'chunk extensions',
    text: `${head([CHUNKED])}1;a=b;c="d"\r\nx\r\n0;e\r\n\r\n`,
    method: 'POST',
    target: '/first',
    body: 'x',
  },
  {
    name: 'trailers that would be a key and a credential',
    text: `${head([CHUNKED])}1\r\nx\r\n0\r\n${KEY}\r\nAuthorization: a\r\n\r\n`,
    method: 'POST',
    target: '/first',
    body: 'x',
  },
  {
    name: 'a coding in capitals',
    text: `${head(['Transfer-Encoding: Chunked'])}1\r\nx\r\n0\r\n\r\n`,
    method: 'POST',
    target: '/first',
    body: 'x',
  },
  {
    name: 'chunk sizes with leading zeros',
    text: `${head([CHUNKED])}0001\r\nx\r\n00\r\n\r\n`,
    method: 'POST',
    target: '/first',
    body: 'x',
  },
  {
    name: 'an absolute target of our own authority',
    text: 'GET http://a/first HTTP/1.1\r\nHost: a\r\n\r\n',
    method: 'GET',
    target: '/first',
    body: '',
  },
  {
    name: 'escapes of letters, which are these letters',
    text: head([], 'GET', '/%66irst%2d%7E%c3%a9'),
    method: 'GET',
    target: '/first-~%C3%A9',
    body: '',
  },
  {
    name: 'a field named __proto__',
    text: head(['__proto__: x', 'constructor: y'], 'GET'),
    method: 'GET',
    target: '/first',
    body: '',
  },
  {
    name: 'bytes above ASCII in a field that nobody here reads',
    text: head(['X-Name: \xe9\xff'], 'GET'),
    method: 'GET',
    target: '/first',
    body: '',
  },
  {
    name: 'a length of nothing with GET',
    text: head(['Content-Length: 0'], 'GET'),
    method: 'GET',
    target: '/first',
    body: '',
  },
  {
    name: 'two spaces in the request line, which is one to every parser',
    text: 'GET  /first HTTP/1.1\r\nHost: a\r\n\r\n',
    method: 'GET',
    target: '/first',
    body: '',
  },
];
