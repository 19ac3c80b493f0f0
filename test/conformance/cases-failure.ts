import type { Play } from '../support/scripted-upstream.ts';
import {
  answer,
  bytes,
  type ConformanceCase,
  exchange,
  type PolicyName,
  refused,
  required,
} from './model.ts';

/** What an exchange with the backend proves, and what becomes of the key. */

const KEYED = { key: 'k1', body: 'x' } as const;
const MADE = answer(201, 'made');
const HALF: Play = [bytes('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'), { kind: 'close' }];

/** The outcome is not known: the client is told, and nothing is executed again. */
function parks(
  id: string,
  title: string,
  source: string,
  play: Play,
  policy: PolicyName = 'default',
): ConformanceCase {
  return required(
    id,
    policy,
    title,
    source,
    exchange(KEYED, [play], { problem: 'upstream-failed', members: { idempotency_key: 'k1' }, hits: 1 }),
    refused(KEYED, { problem: 'outcome-unknown', members: { idempotency_key: 'k1' }, hits: 1 }),
    refused(KEYED, { problem: 'outcome-unknown', hits: 1 }),
  );
}

/** A whole answer whose status says that nothing was executed: the next try is an execution. */
function releases(
  id: string,
  status: number,
  source: string,
  policy: PolicyName = 'default',
): ConformanceCase {
  return required(
    id,
    policy,
    `${status} is passed on, not stored, and releases the key`,
    source,
    exchange(KEYED, [answer(status, 'not now', ['Retry-After: 7', 'X-Reason: busy'])], {
      status,
      body: 'not now',
      headers: { 'idempotency-status': 'unstored', 'retry-after': '7', 'x-reason': 'busy' },
      hits: 1,
    }),
    exchange(KEYED, [MADE], {
      status: 201,
      body: 'made',
      headers: { 'idempotency-status': 'executed' },
      hits: 2,
      upstream: { headers: { 'onceward-attempt': '2' } },
    }),
    refused(KEYED, { replayOf: 2, hits: 2 }),
  );
}

/** A whole answer whose status leaves it open whether anything was executed. */
function parksStatus(
  id: string,
  status: number,
  source: string,
  policy: PolicyName = 'default',
): ConformanceCase {
  return required(
    id,
    policy,
    `${status} is passed on, and the outcome counts as unknown`,
    source,
    exchange(KEYED, [answer(status, 'lost')], {
      status,
      body: 'lost',
      headers: { 'idempotency-status': 'unstored' },
      hits: 1,
    }),
    refused(KEYED, { problem: 'outcome-unknown', hits: 1 }),
  );
}

function completes(
  id: string,
  status: number,
  source: string,
  policy: PolicyName = 'default',
): ConformanceCase {
  return required(
    id,
    policy,
    `${status} is stored and replayed`,
    source,
    exchange(KEYED, [answer(status, 'said', ['Content-Type: text/plain'])], {
      status,
      body: 'said',
      headers: { 'idempotency-status': 'executed' },
    }),
    refused(KEYED, { replayOf: 1, hits: 1 }),
  );
}

/** Broken framing after the head has gone out: the client must not take it for whole. */
function cutShort(id: string, title: string, source: string, play: Play): ConformanceCase {
  return required(
    id,
    'default',
    title,
    source,
    exchange(KEYED, [play], { end: 'broken', hits: 1 }),
    refused(KEYED, { problem: 'outcome-unknown', hits: 1 }),
  );
}

export const FAILURE_CASES: readonly ConformanceCase[] = [
  parks(
    'fail-reset',
    'a reset after the request was sent leaves the outcome unknown',
    'RFC 9110 section 9.2.2; edge case 39; fault 11',
    [{ kind: 'reset' }],
  ),
  parks(
    'fail-close-without-answer',
    'a connection closed without an answer leaves the outcome unknown',
    'RFC 9110 section 9.2.2; edge case 39',
    [{ kind: 'close' }],
  ),
  parks(
    'fail-half-head',
    'a connection closed within the head leaves the outcome unknown',
    'RFC 9112 section 8',
    [bytes('HTTP/1.1 200 OK\r\nContent-Le'), { kind: 'close' }],
  ),
  parks('fail-not-http', 'an answer that is no HTTP leaves the outcome unknown', 'fault 19', [
    bytes('SSH-2.0-OpenSSH\r\n\r\n'),
    { kind: 'close' },
  ]),
  parks(
    'fail-two-lengths',
    'an answer with two lengths leaves the outcome unknown',
    'RFC 9112 section 6.3; fault 19',
    [bytes('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'), { kind: 'close' }],
  ),
  parks(
    'fail-length-and-chunked',
    'an answer with length and chunks leaves the outcome unknown',
    'RFC 9112 section 6.3; fault 19',
    [
      bytes('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'),
      { kind: 'close' },
    ],
  ),
  parks(
    'fail-bad-field-name',
    'an answer with a malformed field name leaves the outcome unknown',
    'RFC 9112 section 5.1; fault 19',
    [bytes('HTTP/1.1 200 OK\r\nBad Name: 1\r\nContent-Length: 1\r\n\r\na'), { kind: 'close' }],
  ),
  parks(
    'fail-mark-dispatch',
    'a reset leaves the outcome unknown where dispatch is a write of its own',
    'design section 3, markDispatch',
    [{ kind: 'reset' }],
    'mark',
  ),
  parks(
    'fail-switching-protocols',
    'an unasked 101 leaves the outcome unknown',
    'RFC 9110 section 15.2.2; fault 18',
    [
      bytes('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
      { kind: 'close' },
    ],
  ),
  cutShort(
    'fail-length-cut',
    'a body shorter than its Content-Length is broken off and never stored',
    'RFC 9112 section 8; edge case 42; fault 14',
    HALF,
  ),
  cutShort(
    'fail-chunked-cut',
    'a chunked body without its last chunk is broken off and never stored',
    'RFC 9112 section 8; edge case 42; fault 13',
    [bytes('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'), { kind: 'close' }],
  ),
  cutShort(
    'fail-chunk-cut',
    'a chunk that is cut is broken off and never stored',
    'RFC 9112 section 8; edge case 42',
    [bytes('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf'), { kind: 'reset' }],
  ),
  parks(
    'fail-chunk-size',
    'an answer that comes with a malformed chunk size is refused whole and never stored',
    'RFC 9112 section 7.1; fault 19',
    [bytes('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n'), { kind: 'close' }],
  ),
  required(
    'fail-close-delimited',
    'default',
    'a body that ends with the connection reaches the client and is not stored',
    'RFC 9112 section 6.3; fault 16',
    exchange(KEYED, [[bytes('HTTP/1.1 200 OK\r\n\r\nmaybe all'), { kind: 'close' }]], {
      status: 200,
      body: 'maybe all',
      headers: { 'idempotency-status': 'unstored' },
      hits: 1,
    }),
    refused(KEYED, { problem: 'outcome-unknown', hits: 1 }),
  ),
  required(
    'fail-close-delimited-trusted',
    'trust',
    'a body that ends with the connection is stored where the route trusts it',
    'RFC 9112 section 6.3; fault 16',
    exchange(KEYED, [[bytes('HTTP/1.1 200 OK\r\n\r\nall of it'), { kind: 'close' }]], {
      status: 200,
      body: 'all of it',
      headers: { 'idempotency-status': 'executed' },
    }),
    refused(KEYED, { replayOf: 1, hits: 1 }),
  ),
  required(
    'fail-unkeyed-reset',
    'default',
    'a reset on an unkeyed POST is told, and not to be retried blindly',
    'RFC 9110 section 9.2.2',
    exchange({ body: 'x' }, [[{ kind: 'reset' }]], {
      problem: 'upstream-failed',
      members: { retryable: false, sameKey: undefined },
      hits: 1,
    }),
  ),
  required(
    'fail-unkeyed-cut',
    'default',
    'a truncated answer to an unkeyed request is broken off too',
    'RFC 9112 section 8',
    exchange({ method: 'GET' }, [HALF], { end: 'broken', status: 200 }),
  ),
  releases('fail-401', 401, 'edge case 44'),
  releases('fail-425', 425, 'RFC 8470 section 5.2; edge case 48'),
  releases('fail-429', 429, 'RFC 6585 section 4; edge case 43'),
  releases('fail-503', 503, 'RFC 9110 section 15.6.4; edge case 43'),
  releases('fail-404-by-class', 404, 'design section 4, status table', 'statuses'),
  releases('fail-500-by-route', 500, 'edge case 46; design section 4, status table', 'statuses'),
  parksStatus('fail-408', 408, 'RFC 9110 section 15.5.9; design section 4, status table'),
  parksStatus('fail-502', 502, 'RFC 9110 section 15.6.3; design section 4, status table'),
  parksStatus('fail-504', 504, 'RFC 9110 section 15.6.5; design section 4, status table'),
  parksStatus('fail-503-by-route', 503, 'design section 4, status table', 'statuses'),
  completes('fail-400', 400, 'edge case 45'),
  completes('fail-409', 409, 'edge case 47'),
  completes('fail-422', 422, 'edge case 45'),
  completes('fail-500', 500, 'edge case 46'),
  completes('fail-501', 501, 'design section 4, status table'),
  completes('fail-422-over-class', 422, 'design section 4, status table', 'statuses'),
  required(
    'fail-upstream-409-is-no-problem',
    'default',
    "a backend's own 409 is told apart from the proxy's by its fields",
    'edge case 47',
    exchange(KEYED, [answer(409, '{"code":"in-flight"}', ['Content-Type: application/json'])], {
      status: 409,
      headers: {
        'idempotency-status': 'executed',
        'content-type': 'application/json',
        'x-should-retry': null,
      },
    }),
  ),
];
