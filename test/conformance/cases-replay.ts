import type { Play } from '../support/scripted-upstream.ts';
import {
  answer,
  bytes,
  type ConformanceCase,
  chunked,
  exchange,
  type PolicyName,
  refused,
  required,
} from './model.ts';

/** A repeat gets the first response, byte for byte. */

const KEYED = { key: 'k1', body: 'x' } as const;
const BINARY = Array.from({ length: 256 }, (_value, code) => String.fromCharCode(code)).join('');

function faithful(
  id: string,
  title: string,
  source: string,
  play: Play,
  expect: Parameters<typeof refused>[1],
  policy: PolicyName = 'default',
): ConformanceCase {
  return required(
    id,
    policy,
    title,
    source,
    exchange(KEYED, [play], { ...expect, hits: 1 }),
    refused(KEYED, { ...expect, replayOf: 1, hits: 1 }),
  );
}

export const REPLAY_CASES: readonly ConformanceCase[] = [
  faithful(
    'replay-created',
    'a replay has the same status, body, Content-Type, Location and ETag',
    'edge case 49',
    answer(201, '{"id":1}', ['Content-Type: application/json', 'Location: /things/1', 'ETag: "v1"']),
    {
      status: 201,
      body: '{"id":1}',
      headers: { 'content-type': 'application/json', location: '/things/1', etag: '"v1"' },
    },
  ),
  faithful(
    'replay-order-and-case',
    'header fields keep their order and case',
    'design section 5, replay',
    answer(200, 'ok', ['x-lower: 1', 'X-UPPER: 2', 'X-Mixed: 3', 'Content-type: text/plain']),
    { order: ['x-lower', 'X-UPPER', 'X-Mixed', 'Content-type'] },
  ),
  faithful(
    'replay-repeated-fields',
    'repeated fields stay separate and in order',
    'RFC 9110 section 5.3',
    answer(200, 'ok', ['X-Item: 1', 'Link: </a>; rel=a', 'X-Item: 2', 'Link: </b>; rel=b', 'X-Item: 1']),
    { headers: { 'x-item': ['1', '2', '1'], link: ['</a>; rel=a', '</b>; rel=b'] } },
  ),
  faithful(
    'replay-empty-value',
    'a field with an empty value is kept',
    'RFC 9110 section 5.5',
    answer(200, 'ok', ['X-Empty:']),
    { headers: { 'x-empty': '' } },
  ),
  faithful(
    'replay-obs-text',
    'bytes above 0x7E in a field value are kept as they are',
    'RFC 9110 section 5.5, obs-text',
    answer(200, 'ok', ['X-Name: caf\xc3\xa9 \xff']),
    {
      headers: { 'x-name': 'caf\xc3\xa9 \xff' },
    },
  ),
  faithful(
    'replay-binary',
    'a body of all byte values is kept',
    'design section 5, replay',
    answer(200, BINARY),
    { body: BINARY },
  ),
  faithful(
    'replay-empty',
    'an empty body with a length is kept',
    'design section 5, replay',
    answer(200, ''),
    { body: '', status: 200 },
  ),
  faithful(
    'replay-204',
    'a 204 has neither body nor length',
    'RFC 9110 section 15.3.5',
    [bytes('HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n')],
    {
      status: 204,
      body: '',
      headers: { 'content-length': null, 'transfer-encoding': null, 'x-a': '1' },
    },
  ),
  faithful(
    'replay-304',
    'a 304 has no body and keeps its fields',
    'RFC 9110 section 15.4.5',
    [bytes('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')],
    {
      status: 304,
      body: '',
      headers: { etag: '"a"' },
    },
  ),
  faithful(
    'replay-redirect',
    'a redirect is kept and not followed',
    'RFC 9110 section 15.4',
    answer(307, '', ['Location: https://other.example/']),
    {
      status: 307,
      headers: { location: 'https://other.example/' },
    },
  ),
  faithful(
    'replay-chunked',
    'a chunked body is replayed with a length',
    'RFC 9112 section 7.1',
    chunked(200, ['first ', 'second ', 'third']),
    { body: 'first second third' },
  ),
  faithful(
    'replay-chunked-empty',
    'an empty chunked body is kept',
    'RFC 9112 section 7.1',
    chunked(200, []),
    { body: '', status: 200 },
  ),
  faithful(
    'replay-encoded',
    'an encoded body is neither decoded nor encoded again',
    'RFC 9110 section 8.4; edge case 58',
    answer(200, '\x1f\x8bnot really', ['Content-Encoding: gzip', 'Vary: Accept-Encoding']),
    {
      body: '\x1f\x8bnot really',
      headers: { 'content-encoding': 'gzip' },
    },
  ),
  faithful(
    'replay-unusual-status',
    'a status without a registered meaning is kept',
    'RFC 9110 section 15',
    answer(299, 'odd'),
    { status: 299, body: 'odd' },
  ),
  faithful(
    'replay-mark-dispatch',
    'a route with a dispatch mark replays as any other',
    'design section 3, markDispatch',
    answer(201, 'made'),
    { status: 201, body: 'made' },
    'mark',
  ),
  required(
    'replay-early-hints',
    'default',
    'informational answers are passed on live, and neither stored nor replayed',
    'RFC 9110 section 15.2; RFC 8297; edge case 54; fault 18',
    exchange(
      KEYED,
      [[bytes('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n'), ...answer(200, 'ok')]],
      { status: 200, body: 'ok', informational: [103], headers: { link: null } },
    ),
    refused(KEYED, { replayOf: 1, informational: [] }),
  ),
  required(
    'replay-upstream-continue',
    'default',
    'an unasked 100 of the backend is neither passed on nor taken for the answer',
    'RFC 9110 section 15.2.1; fault 18',
    exchange(KEYED, [[bytes('HTTP/1.1 100 Continue\r\n\r\n'), ...answer(200, 'ok')]], {
      informational: [],
      hits: 1,
      end: 'proven',
    }),
    refused(KEYED, { informational: [], hits: 1 }),
  ),
  required(
    'replay-over-limit',
    'small',
    'a response over the limit streams fully, and a repeat gets a problem instead of a second execution',
    'edge case 56; fault 39',
    exchange(KEYED, [answer(200, 'r'.repeat(2_000))], {
      status: 200,
      body: 'r'.repeat(2_000),
      headers: { 'idempotency-status': 'unstored' },
    }),
    refused(KEYED, { problem: 'response-not-stored', hits: 1 }),
  ),
  required(
    'replay-over-limit-chunked',
    'small',
    'the same without a length, where the limit is found out on the way',
    'edge case 56; fault 39',
    exchange(KEYED, [chunked(200, ['r'.repeat(1_000), 'r'.repeat(1_000)])], {
      status: 200,
      body: 'r'.repeat(2_000),
      end: 'proven',
    }),
    refused(KEYED, { problem: 'response-not-stored', hits: 1 }),
  ),
  faithful(
    'replay-at-limit',
    'a response of exactly the limit is stored',
    'edge case 56',
    answer(200, 'r'.repeat(1_024)),
    { body: 'r'.repeat(1_024) },
    'small',
  ),
];
