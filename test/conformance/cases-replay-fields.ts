import { answer, type ConformanceCase, chunked, exchange, optimal, refused, required } from './model.ts';

/** Which fields a repeat gets, and which not. */

const KEYED = { key: 'k1', body: 'x' } as const;

export const REPLAY_FIELD_CASES: readonly ConformanceCase[] = [
  required(
    'replay-marked',
    'default',
    'the first answer says executed, a repeat says replayed',
    'design section 5, answers',
    exchange(KEYED, [answer(201, 'made')], {
      headers: { 'idempotency-status': 'executed', 'idempotent-replayed': null, age: null },
    }),
    refused(KEYED, {
      headers: { 'idempotency-status': 'replayed', 'idempotent-replayed': 'true', age: { some: /^\d+$/ } },
    }),
  ),
  required(
    'replay-hop-by-hop',
    'default',
    'hop-by-hop and nominated fields are neither passed on nor replayed',
    'RFC 9110 section 7.6.1; edge case 50',
    exchange(
      KEYED,
      [
        answer(200, 'ok', [
          'Connection: close, X-Hop',
          'X-Hop: secret',
          'Keep-Alive: timeout=99',
          'Proxy-Connection: keep-alive',
          'Upgrade: h9',
          'X-End: kept',
        ]),
      ],
      { headers: { 'x-hop': null, 'proxy-connection': null, upgrade: null, 'x-end': 'kept' }, body: 'ok' },
    ),
    refused(KEYED, {
      replayOf: 1,
      headers: { 'x-hop': null, 'proxy-connection': null, upgrade: null, 'x-end': 'kept' },
    }),
  ),
  required(
    'replay-set-cookie',
    'default',
    'Set-Cookie reaches the first client and is left out of a replay',
    'edge case 51; design section 5, replay',
    exchange(KEYED, [answer(200, 'ok', ['Set-Cookie: a=1; Path=/', 'X-A: 1', 'Set-Cookie: b=2, c'])], {
      headers: { 'set-cookie': ['a=1; Path=/', 'b=2, c'] },
    }),
    refused(KEYED, { replayOf: 1, headers: { 'set-cookie': null, 'x-a': '1' } }),
  ),
  optimal(
    'replay-set-cookie-kept',
    'cookies',
    'Set-Cookie is replayed as separate lines in order where the route asks for it',
    'RFC 9110 section 5.3; edge case 51',
    exchange(KEYED, [answer(200, 'ok', ['Set-Cookie: a=1; Path=/', 'X-A: 1', 'Set-Cookie: b=2, c'])], {}),
    refused(KEYED, { replayOf: 1, headers: { 'set-cookie': ['a=1; Path=/', 'b=2, c'] } }),
  ),
  optimal(
    'replay-withheld',
    'withhold',
    'a field that the route withholds is left out of a replay',
    'config field replay.withhold',
    exchange(KEYED, [answer(200, 'ok', ['X-Request-Id: 1', 'X-A: 1'])], { headers: { 'x-request-id': '1' } }),
    refused(KEYED, {
      status: 200,
      headers: { 'x-request-id': null, 'x-a': '1', 'idempotency-status': 'replayed' },
    }),
  ),
  required(
    'replay-date',
    'default',
    'Date is the first one, with Age beside it',
    'RFC 9110 section 6.6.1; RFC 9111 section 5.1; edge case 52',
    exchange(KEYED, [answer(200, 'ok', ['Date: Sun, 01 Nov 2026 00:00:00 GMT'])], {
      headers: { date: 'Sun, 01 Nov 2026 00:00:00 GMT', age: null },
    }),
    refused(KEYED, { headers: { date: 'Sun, 01 Nov 2026 00:00:00 GMT', age: { some: /^\d+$/ } } }),
  ),
  required(
    'replay-date-added',
    'default',
    'a response without Date gets one, once',
    'RFC 9110 section 6.6.1',
    exchange(KEYED, [answer(200, 'ok')], {
      headers: { date: { some: /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/ } },
    }),
    refused(KEYED, { replayOf: 1 }),
  ),
  required(
    'replay-age-added-up',
    'default',
    "the backend's own Age is counted on",
    'RFC 9111 section 4.2.3',
    exchange(KEYED, [answer(200, 'ok', ['Age: 100'])], { headers: { age: '100' } }),
    refused(KEYED, { headers: { age: { some: /^10\d$/ } } }),
  ),
  required(
    'replay-trailers',
    'default',
    'trailers are dropped, never merged into the header',
    'RFC 9110 section 6.5.1; edge case 53',
    exchange(KEYED, [chunked(200, ['ok'], ['Trailer: X-Sum'], ['X-Sum: 1'])], {
      body: 'ok',
      headers: { 'x-sum': null, trailer: null },
    }),
    refused(KEYED, { replayOf: 1, headers: { 'x-sum': null, trailer: null } }),
  ),
  required(
    'replay-accept-encoding',
    'default',
    'a repeat that accepts other codings gets the same bytes, which were asked for plain',
    'RFC 9110 section 12.5.3; edge case 58',
    exchange({ ...KEYED, headers: [['Accept-Encoding', 'gzip, br']] }, [answer(200, 'plain')], {
      body: 'plain',
      upstream: { headers: { 'accept-encoding': 'identity' } },
    }),
    refused({ ...KEYED, headers: [['Accept-Encoding', 'zstd']] }, { replayOf: 1, hits: 1 }),
  ),
  required(
    'replay-accept-encoding-counts',
    'accept-encoding',
    'where Accept-Encoding counts it is sent on as it came',
    'edge case 58; design section 4',
    exchange({ ...KEYED, headers: [['Accept-Encoding', 'gzip, br']] }, [answer(200, 'ok')], {
      status: 200,
      upstream: { headers: { 'accept-encoding': 'gzip, br' } },
    }),
    refused({ ...KEYED, headers: [['Accept-Encoding', 'identity']] }, { problem: 'key-reused', hits: 1 }),
  ),
  required(
    'replay-if-match',
    'default',
    'a repeat with If-Match gets the first 2xx',
    'RFC 9110 section 13.1.1; edge case 60',
    exchange({ ...KEYED, headers: [['If-Match', '"1"']] }, [answer(200, 'updated', ['ETag: "2"'])], {
      status: 200,
    }),
    refused({ ...KEYED, headers: [['If-Match', '"1"']] }, { replayOf: 1, hits: 1 }),
  ),
  required(
    'replay-cors-merged',
    'default',
    'a browser can read the marks where the backend speaks CORS',
    'Fetch standard, CORS-exposed header-name list; edge case 15',
    exchange(
      KEYED,
      [answer(200, 'ok', ['Access-Control-Allow-Origin: *', 'Access-Control-Expose-Headers: X-A'])],
      {
        headers: { 'access-control-expose-headers': 'X-A, Idempotency-Status, Idempotent-Replayed' },
      },
    ),
    refused(KEYED, {
      headers: { 'access-control-expose-headers': 'X-A, Idempotency-Status, Idempotent-Replayed' },
    }),
  ),
  required(
    'replay-cors-added',
    'default',
    'the field is added where the backend allows an origin and exposes nothing',
    'Fetch standard, CORS-exposed header-name list; edge case 15',
    exchange(KEYED, [answer(200, 'ok', ['Access-Control-Allow-Origin: https://shop.example'])], {
      headers: { 'access-control-expose-headers': 'Idempotency-Status, Idempotent-Replayed' },
    }),
    refused(KEYED, {
      headers: { 'access-control-expose-headers': 'Idempotency-Status, Idempotent-Replayed' },
    }),
  ),
  required(
    'replay-cors-none',
    'default',
    'nothing is added where the backend does not speak CORS',
    'Fetch standard, CORS-exposed header-name list',
    exchange(KEYED, [answer(200, 'ok')], { headers: { 'access-control-expose-headers': null } }),
  ),
  required(
    'replay-renamed-marks',
    'default',
    "the backend's own status words are renamed",
    'design section 5, answers',
    exchange(KEYED, [answer(200, 'ok', ['Idempotency-Status: fake', 'idempotent-replayed: true'])], {
      headers: {
        'idempotency-status': 'executed',
        'idempotent-replayed': null,
        'onceward-upstream-idempotency-status': 'fake',
        'onceward-upstream-idempotent-replayed': 'true',
      },
    }),
    refused(KEYED, {
      headers: { 'idempotency-status': 'replayed', 'onceward-upstream-idempotency-status': 'fake' },
    }),
  ),
];
