import type { Play } from '../support/scripted-upstream.ts';
import {
  answer,
  bytes,
  type ConformanceCase,
  chunked,
  exchange,
  refused,
  required,
  type Step,
} from './model.ts';

/** What the proxy must not change, and what it must drop or add, on its way in both directions. */

const MADE = answer(201, 'made');
const NOT_STORED: ReadonlySet<number> = new Set([401, 408, 425, 429, 502, 503, 504]);

/** RFC 9110 section 6.4.1: these have no body. */
function playOf(status: number): Play {
  return status === 204 || status === 304
    ? [bytes(`HTTP/1.1 ${status} Said\r\nX-N: ${status}\r\n\r\n`)]
    : answer(status, `body ${status}`, [`X-N: ${status}`]);
}

function everyStatus(first: number): ConformanceCase {
  const steps: Step[] = [];
  for (let status = first; status < first + 100; status++) {
    const body = status === 204 || status === 304 ? '' : `body ${status}`;
    const said = { status, body, headers: { 'x-n': String(status) } };
    steps.push(exchange({ method: 'GET', connection: 'get' }, [playOf(status)], said));
    steps.push(exchange({ key: `k${status}`, body: 'x', connection: 'post' }, [playOf(status)], said));
    if (!NOT_STORED.has(status))
      steps.push(
        refused({ key: `k${status}`, body: 'x', connection: 'post' }, { ...said, replayOf: steps.length }),
      );
  }
  return required(
    `pass-${first}`,
    'default',
    `every status from ${first} to ${first + 99} is passed on, and replayed where it is stored`,
    'RFC 9110 section 15',
    ...steps,
  );
}

export const TRANSPARENT_CASES: readonly ConformanceCase[] = [
  everyStatus(200),
  everyStatus(300),
  everyStatus(400),
  everyStatus(500),
  required(
    'pass-response-fields',
    'default',
    'an unkeyed response keeps the order, case and repetition of its fields',
    'RFC 9110 section 5.3',
    exchange(
      { method: 'GET' },
      [answer(200, 'ok', ['x-b: 1', 'X-A: caf\xe9', 'Set-Cookie: a=1', 'x-b: 2', 'Set-Cookie: b=2'])],
      {
        order: ['x-b', 'X-A', 'Set-Cookie', 'x-b', 'Set-Cookie'],
        headers: {
          'x-b': ['1', '2'],
          'x-a': 'caf\xe9',
          'set-cookie': ['a=1', 'b=2'],
          'idempotency-status': null,
          age: null,
        },
      },
    ),
  ),
  required(
    'pass-response-hop-by-hop',
    'default',
    'hop-by-hop and nominated fields of an unkeyed response are dropped',
    'RFC 9110 section 7.6.1',
    exchange(
      { method: 'GET' },
      [answer(200, 'ok', ['Connection: X-Hop', 'X-Hop: 1', 'Proxy-Connection: x', 'X-End: 1'])],
      {
        headers: { 'x-hop': null, 'proxy-connection': null, 'x-end': '1' },
      },
    ),
  ),
  required(
    'pass-chunked-request',
    'default',
    'a chunked unkeyed upload arrives whole',
    'RFC 9112 section 7.1',
    exchange({ body: 'hello world', framing: 'chunked' }, [MADE], {
      status: 201,
      upstream: { body: 'hello world', headers: { 'content-length': null } },
    }),
  ),
  required(
    'pass-chunked-request-keyed',
    'default',
    'a chunked keyed upload arrives whole, with a length',
    'RFC 9112 section 6.3',
    exchange({ key: 'k1', body: 'hello world', framing: 'chunked' }, [MADE], {
      status: 201,
      upstream: { body: 'hello world', headers: { 'content-length': '11', 'transfer-encoding': null } },
    }),
  ),
  required(
    'pass-chunked-empty-keyed',
    'default',
    'an empty chunked keyed upload goes on with length 0',
    'RFC 9112 section 6.3',
    exchange({ key: 'k1', framing: 'chunked' }, [MADE], {
      status: 201,
      upstream: { body: '', headers: { 'content-length': '0', 'transfer-encoding': null } },
    }),
  ),
  required(
    'pass-chunked-response',
    'default',
    'a chunked unkeyed response arrives whole',
    'RFC 9112 section 7.1',
    exchange({ method: 'GET' }, [chunked(200, ['a', 'b', 'c'], [], ['X-T: 1'])], {
      body: 'abc',
      end: 'proven',
      headers: { 'x-t': null },
    }),
  ),
  required(
    'pass-head-length',
    'default',
    'the length of a HEAD response is passed on, without a body',
    'RFC 9110 section 9.3.2',
    exchange(
      { method: 'HEAD', connection: 'c' },
      [[bytes('HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n')]],
      { status: 200, body: '', headers: { 'content-length': '1234' } },
    ),
    exchange({ method: 'GET', connection: 'c' }, [answer(200, 'next')], { body: 'next' }),
  ),
  required(
    'pass-binary-both-ways',
    'default',
    'all byte values pass in both directions',
    'RFC 9110 section 6.4',
    exchange({ key: 'k1', body: '\x00\r\n\xff\x80\x1b' }, [answer(200, '\xff\x00\r\n\r\n0\r\n')], {
      body: '\xff\x00\r\n\r\n0\r\n',
      upstream: { body: '\x00\r\n\xff\x80\x1b' },
    }),
  ),
  required(
    'pass-target-bytes',
    'default',
    'path and query go on byte for byte',
    'RFC 9110 section 7.7; edge case 67',
    exchange({ path: "/a%20b;v=1/~x/%E2%82%AC/(y)'?q=%2F..%2f&&=&a=b?c", key: 'k1', body: 'x' }, [MADE], {
      status: 201,
      upstream: { target: "{path}/a%20b;v=1/~x/%E2%82%AC/(y)'?q=%2F..%2f&&=&a=b?c" },
    }),
  ),
  required(
    'pass-absolute-form',
    'default',
    'an absolute target of our own authority goes on as a path',
    'RFC 9112 section 3.2.2',
    exchange({ target: 'http://{host}{path}/a?b=1', key: 'k1', body: 'x' }, [MADE], {
      status: 201,
      upstream: { target: '{path}/a?b=1' },
    }),
    refused({ path: '/a?b=1', key: 'k1', body: 'x' }, { replayOf: 1, hits: 1 }),
  ),
];
