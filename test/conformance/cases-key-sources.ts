import { answer, type ConformanceCase, exchange, refused, required } from './model.ts';

/** Keys that come from a query, a body, or several places. */

const MADE = answer(201, 'made', ['X-From: backend']);
const executed = {
  status: 201,
  body: 'made',
  headers: { 'idempotency-status': 'executed', 'idempotent-replayed': null },
} as const;

export const KEY_SOURCE_CASES: readonly ConformanceCase[] = [
  required(
    'key-case-sensitive',
    'default',
    'keys are compared with case',
    'edge case 9',
    exchange({ key: 'abc', body: 'x' }, [MADE], executed),
    exchange({ key: 'ABC', body: 'x' }, [MADE], { ...executed, hits: 2 }),
  ),
  required(
    'key-uuid-case',
    'uuid',
    'UUID keys are compared without case where the route says UUID',
    'RFC 9562 section 4; edge case 9',
    exchange({ key: '8e03978e-40d5-43e8-bc93-6894a57f9324', body: 'x' }, [MADE], executed),
    refused({ key: '8E03978E-40D5-43E8-BC93-6894A57F9324', body: 'x' }, { replayOf: 1, hits: 1 }),
    refused({ key: 'not-a-uuid', body: 'x' }, { problem: 'key-invalid', hits: 1 }),
  ),
  required(
    'key-in-trailer',
    'required',
    'a key in a trailer is ignored',
    'RFC 9110 section 6.5.1; edge case 10',
    refused(
      { framing: 'chunked', body: 'hello', trailers: [['Idempotency-Key', 'abc']] },
      { problem: 'key-missing', hits: 0 },
    ),
  ),
  required(
    'key-from-query',
    'sources',
    'a key can come from a query parameter',
    'design section 7, unique id',
    exchange({ path: '?request_key=q1', body: 'x' }, [MADE], executed),
    refused({ path: '?request_key=q1', body: 'x' }, { replayOf: 1, hits: 1 }),
  ),
  required(
    'key-from-body',
    'sources',
    'a key can come from a member of a JSON body',
    'RFC 6901; design section 7, unique id',
    exchange(
      { headers: [['Content-Type', 'application/json']], body: '{"meta":{"request_id":"b1"}}' },
      [MADE],
      executed,
    ),
    refused(
      { headers: [['Content-Type', 'application/json']], body: '{"meta":{"request_id":"b1"}}' },
      { replayOf: 1, hits: 1 },
    ),
  ),
  required(
    'key-body-missing',
    'sources',
    'a JSON body without the key member is refused where the key is required',
    'draft-ietf-httpapi-idempotency-key-header-07 section 2.7',
    refused(
      { headers: [['Content-Type', 'application/json']], body: '{"meta":{}}' },
      { problem: 'key-missing', hits: 0 },
    ),
  ),
  required(
    'key-body-repeated-member',
    'sources',
    'a repeated member on the way to the key is refused',
    'RFC 8259 section 4',
    refused(
      {
        headers: [['Content-Type', 'application/json']],
        body: '{"meta":{"request_id":"a","request_id":"b"}}',
      },
      { problem: 'key-invalid', hits: 0 },
    ),
  ),
  required(
    'key-body-number',
    'sources',
    'a number is no key',
    'RFC 8259 section 6',
    refused(
      { headers: [['Content-Type', 'application/json']], body: '{"meta":{"request_id":1}}' },
      { problem: 'key-invalid', hits: 0 },
    ),
  ),
  required(
    'key-sources-disagree-head',
    'sources',
    'a header and a query parameter that disagree are refused',
    'design section 7, unique id',
    refused(
      { path: '?request_key=q1', headers: [['X-Request-Key', 'h1']], body: 'x' },
      { problem: 'key-invalid', hits: 0 },
    ),
  ),
  required(
    'key-sources-disagree-body',
    'sources',
    'a header and a body member that disagree are refused',
    'design section 7, unique id',
    refused(
      {
        headers: [
          ['X-Request-Key', 'h1'],
          ['Content-Type', 'application/json'],
        ],
        body: '{"meta":{"request_id":"b1"}}',
      },
      { problem: 'key-invalid', hits: 0 },
    ),
  ),
];
