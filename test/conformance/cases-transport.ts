import { answer, type ConformanceCase, exchange, optimal, refused, required } from './model.ts';

/** Bodies, connections, time. */

const MADE = answer(201, 'made');
const HEAD = 'POST {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {caller}\r\n';

export const TRANSPORT_CASES: readonly ConformanceCase[] = [
  required(
    'body-over-limit',
    'small',
    'a keyed body over the limit is refused by its length, without a 100, and makes no record',
    'RFC 9110 section 15.5.14; edge cases 62 and 64; fault 38',
    refused(
      { raw: `${HEAD}Idempotency-Key: k1\r\nExpect: 100-continue\r\nContent-Length: 1025\r\n\r\n` },
      { problem: 'request-too-large', hits: 0, informational: [] },
    ),
    exchange({ key: 'k1', body: 'x' }, [MADE], {
      status: 201,
      headers: { 'idempotency-status': 'executed' },
      hits: 1,
    }),
  ),
  required(
    'body-over-limit-chunked',
    'small',
    'a chunked keyed body over the limit is refused where it is found out',
    'edge case 64; fault 38',
    refused(
      { key: 'k1', body: 'b'.repeat(1_025), framing: 'chunked' },
      { problem: 'request-too-large', hits: 0 },
    ),
    exchange({ key: 'k1', body: 'x' }, [MADE], {
      status: 201,
      headers: { 'idempotency-status': 'executed' },
      hits: 1,
    }),
  ),
  required(
    'body-at-limit',
    'small',
    'a keyed body of exactly the limit is taken',
    'edge case 64',
    exchange({ key: 'k1', body: 'b'.repeat(1_024) }, [MADE], {
      status: 201,
      upstream: { body: 'b'.repeat(1_024) },
    }),
  ),
  required(
    'body-over-limit-unkeyed',
    'small',
    'the limit is for keyed bodies only',
    'config field limits.request',
    exchange({ body: 'b'.repeat(3_000) }, [MADE], { status: 201, upstream: { body: 'b'.repeat(3_000) } }),
  ),
  required(
    'body-continue',
    'default',
    'a request that waits for 100 gets it, then its answer',
    'RFC 9110 section 10.1.1; edge case 62',
    exchange({ key: 'k1', headers: [['Expect', '100-continue']], body: 'hello' }, [MADE], {
      status: 201,
      informational: [100],
      upstream: { body: 'hello', headers: { expect: null } },
    }),
    refused({ key: 'k1', headers: [['Expect', '100-continue']], body: 'hello' }, { replayOf: 1, hits: 1 }),
  ),
  required(
    'body-continue-unkeyed',
    'default',
    'the same without a key',
    'RFC 9110 section 10.1.1',
    exchange({ headers: [['Expect', '100-continue']], body: 'hello' }, [MADE], {
      status: 201,
      informational: [100],
      upstream: { body: 'hello' },
    }),
  ),
  required(
    'body-stalled',
    'default',
    'a keyed body that does not come is answered with 408 in time, and makes no record',
    'RFC 9110 section 15.5.9; fault 36',
    refused(
      { raw: `${HEAD}Idempotency-Key: k1\r\nContent-Length: 5\r\n\r\nhel` },
      { problem: 'request-timeout', hits: 0 },
    ),
    exchange({ key: 'k1', body: 'x' }, [MADE], {
      status: 201,
      headers: { 'idempotency-status': 'executed' },
      hits: 1,
    }),
  ),
  required(
    'body-keep-alive',
    'default',
    'one connection carries executions, replays and refusals one after another',
    'RFC 9112 section 9.3',
    exchange({ key: 'k1', body: 'x', connection: 'c' }, [MADE], { status: 201 }),
    refused({ key: 'k1', body: 'x', connection: 'c' }, { replayOf: 1 }),
    refused({ key: 'k1', body: 'y', connection: 'c' }, { problem: 'key-reused' }),
    refused({ key: '', body: 'y', connection: 'c' }, { problem: 'key-invalid' }),
    exchange({ key: 'k2', body: 'x', connection: 'c' }, [MADE], { status: 201, hits: 2 }),
  ),
  required(
    'body-connection-close',
    'default',
    'a client that asks to close gets its answer, and the connection is closed',
    'RFC 9112 section 9.6',
    exchange({ key: 'k1', headers: [['Connection', 'close']], body: 'x' }, [MADE], {
      status: 201,
      body: 'made',
      headers: { connection: 'close' },
      connection: 'closed',
    }),
  ),
  required(
    'body-http-1-0',
    'default',
    'an HTTP/1.0 client gets an answer it can read',
    'RFC 9112 section 9.3',
    exchange({ raw: 'GET {target} HTTP/1.0\r\nHost: {host}\r\n\r\n' }, [answer(200, 'ok')], {
      status: 200,
      body: 'ok',
      connection: 'closed',
      upstream: { headers: { via: '1.0 onceward' } },
    }),
  ),
  required(
    'time-retain-over',
    'short-retain',
    'after the retention the key executes anew',
    'edge cases 68 and 69',
    exchange({ key: 'k1', body: 'x' }, [MADE, answer(201, 'again')], { status: 201, body: 'made' }),
    refused({ key: 'k1', body: 'x' }, { replayOf: 1, hits: 1 }),
    {
      do: 'until',
      request: { key: 'k1', body: 'x' },
      expect: { body: 'again', hits: 2, headers: { 'idempotency-status': 'executed' } },
    },
  ),
  required(
    'time-read-after-completion',
    'default',
    'a replay asked for as soon as the last byte is there does not miss',
    'edge case 74; design section 4, execute',
    ...Array.from({ length: 10 }, (_value, at) => [
      exchange({ key: `k${at}`, body: 'x', connection: 'a' }, [MADE], {
        status: 201,
        headers: { 'idempotency-status': 'executed' },
      }),
      refused(
        { key: `k${at}`, body: 'x', connection: 'b' },
        { status: 201, headers: { 'idempotency-status': 'replayed' }, hits: at + 1 },
      ),
    ]).flat(),
  ),
  optimal(
    'time-tokens-grow',
    'default',
    'the fencing token of a later attempt is the greater one',
    'design section 2, fencing token',
    exchange({ key: 'k1', body: 'x' }, [answer(503, 'no')], {
      status: 503,
      upstream: { headers: { 'onceward-attempt': '1' } },
    }),
    exchange({ key: 'k1', body: 'x' }, [MADE], {
      status: 201,
      upstream: { headers: { 'onceward-attempt': '2' }, tokenAbove: 1 },
    }),
  ),
];
