import { answer, type ConformanceCase, exchange, refused, required } from './model.ts';

/** Requests that two parsers may read differently, and limits. */

const MADE = answer(201, 'made');

function refusesPath(id: string, title: string, source: string, path: string): ConformanceCase {
  return required(
    id,
    'default',
    title,
    source,
    refused({ path, key: 'k1', body: 'x' }, { problem: 'bad-request', hits: 0 }),
  );
}

function refusesField(
  id: string,
  title: string,
  source: string,
  name: string,
  value: string,
  problem = 'bad-request',
): ConformanceCase {
  return required(
    id,
    'default',
    title,
    source,
    refused({ headers: [[name, value]], body: 'x' }, { problem, hits: 0 }),
  );
}

export const GUARD_CASES: readonly ConformanceCase[] = [
  refusesPath(
    'guard-encoded-slash',
    'an encoded slash in the path is refused',
    'RFC 3986 section 2.2',
    '/a%2Fb',
  ),
  refusesPath('guard-encoded-backslash', 'an encoded backslash is refused', 'RFC 3986 section 2.2', '/a%5cb'),
  refusesPath(
    'guard-double-encoded',
    'a double-encoded slash is refused',
    'RFC 3986 section 2.4',
    '/a%252Fb',
  ),
  refusesPath('guard-dot-segments', 'dot segments are refused', 'RFC 3986 section 5.2.4', '/../required'),
  refusesPath(
    'guard-encoded-dots',
    'encoded dots are refused',
    'RFC 3986 section 6.2.2.2',
    '/%2e%2e/required',
  ),
  refusesPath(
    'guard-dot-parameter',
    'a dot segment with a parameter is refused',
    'RFC 3986 section 3.3',
    '/..;a=1/required',
  ),
  refusesPath('guard-empty-segment', 'an empty segment is refused', 'RFC 3986 section 3.3', '//required'),
  refusesPath('guard-encoded-nul', 'an encoded NUL is refused', 'RFC 3986 section 7.3', '/a%00'),
  refusesPath('guard-backslash', 'a backslash in the path is refused', 'RFC 3986 section 2', '/a\\b'),
  refusesField(
    'guard-method-override',
    'a method override is refused',
    'design section 5, forwarded request',
    'X-HTTP-Method-Override',
    'DELETE',
  ),
  refusesField(
    'guard-method-override-twin',
    'its spelling with underscores too',
    'design section 5, forwarded request',
    'X_HTTP_Method_Override',
    'DELETE',
  ),
  refusesField(
    'guard-underscore-key',
    'a key field with underscores is refused',
    'RFC 3875 section 4.1.18',
    'Idempotency_Key',
    'abc',
  ),
  refusesField(
    'guard-underscore-length',
    'a length field with underscores is refused',
    'RFC 3875 section 4.1.18',
    'Content_Length',
    '5',
  ),
  refusesField(
    'guard-nominated-key',
    'a nominated key field is refused',
    'RFC 9110 section 7.6.1',
    'Connection',
    'close, Idempotency-Key',
  ),
  refusesField(
    'guard-nominated-authorization',
    'nominated credentials are refused',
    'RFC 9110 section 7.6.1',
    'Connection',
    'Authorization',
  ),
  refusesField(
    'guard-nominated-length',
    'a nominated length is refused',
    'RFC 9110 section 7.6.1',
    'Connection',
    'content-length',
  ),
  refusesField(
    'guard-nominated-configured',
    'a nominated field that a route identifies requests by is refused',
    'RFC 9110 section 7.6.1',
    'Connection',
    'x-request-key',
  ),
  refusesField('guard-h2c', 'an upgrade to h2c is refused', 'RFC 9113 section 3.1', 'Upgrade', 'h2c'),
  refusesField(
    'guard-http2-settings',
    'HTTP2-Settings is refused',
    'RFC 9113 section 3.1',
    'HTTP2-Settings',
    'AAMAAABk',
  ),
  refusesField(
    'guard-expectation',
    'an unknown expectation is refused',
    'RFC 9110 section 10.1.1',
    'Expect',
    '200-ok',
    'expectation-failed',
  ),
  required(
    'guard-upgrade-keyed',
    'default',
    'an upgrade with a key is refused',
    'edge case 55; fault 18',
    refused(
      {
        key: 'k1',
        headers: [
          ['Connection', 'Upgrade'],
          ['Upgrade', 'websocket'],
        ],
      },
      { problem: 'method-not-supported', hits: 0 },
    ),
  ),
  required(
    'guard-no-route',
    'default',
    'a request that matches no route gets 404',
    'RFC 9110 section 15.5.5',
    refused({ target: '/elsewhere', key: 'k1', body: 'x' }, { problem: 'not-found', hits: 0 }),
  ),
  required(
    'guard-route-case',
    'required',
    'paths are matched with case, and by whole segments',
    'RFC 3986 section 6.2.2.1',
    exchange({ target: '/conf/guard-route-case/Required', body: 'x' }, [MADE], { status: 201 }),
    exchange({ target: '/conf/guard-route-case/required-not', body: 'x' }, [MADE], { status: 201 }),
    refused(
      { target: '/conf/guard-route-case/required/deeper/still', body: 'x' },
      { problem: 'key-missing', hits: 2 },
    ),
  ),
];
