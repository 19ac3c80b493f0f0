import {
  answer,
  begin,
  type ConformanceCase,
  exchange,
  finish,
  gate,
  open,
  optimal,
  refused,
  required,
} from './model.ts';

/** Which requests are keyed, and whose key it is. */

const MADE = answer(201, 'made');
const executed = { status: 201, body: 'made', headers: { 'idempotency-status': 'executed' } } as const;
const passed = { headers: { 'idempotency-status': null, 'idempotent-replayed': null } } as const;

/** A request with a key that passes twice, unchanged and without a record. */
function passesTwice(id: string, method: string, why: string, source: string): ConformanceCase {
  const request = { method, key: 'k1' };
  const body = method === 'HEAD' ? '' : 'one';
  return required(
    id,
    'default',
    `${method} with a key passes through and makes no record: ${why}`,
    source,
    exchange(request, [answer(200, 'one')], {
      ...passed,
      status: 200,
      body,
      hits: 1,
      upstream: { method, headers: { 'idempotency-key': 'k1', 'onceward-attempt': null } },
    }),
    exchange(request, [answer(200, 'one')], { ...passed, status: 200, body, hits: 2 }),
  );
}

/** A request with a key that executes once. */
function executesOnce(id: string, method: string, why: string, source: string): ConformanceCase {
  const request = { method, key: 'k1', body: 'x' };
  return required(
    id,
    'default',
    `${method} with a key executes once: ${why}`,
    source,
    exchange(request, [MADE], { ...executed, hits: 1, upstream: { method } }),
    refused(request, { replayOf: 1, hits: 1 }),
  );
}

export const METHOD_CASES: readonly ConformanceCase[] = [
  passesTwice('method-get', 'GET', 'it is safe', 'RFC 9110 section 9.2.1; edge case 11'),
  passesTwice('method-head', 'HEAD', 'it is safe', 'RFC 9110 section 9.2.1; edge case 11'),
  passesTwice(
    'method-options',
    'OPTIONS',
    'a preflight never needs a key',
    'RFC 9110 section 9.3.7; edge case 15',
  ),
  passesTwice('method-query', 'QUERY', 'it is safe', 'RFC 10008 section 2; edge case 12'),
  passesTwice('method-propfind', 'PROPFIND', 'it is safe', 'RFC 4918 section 9.1'),
  passesTwice('method-put', 'PUT', 'it is idempotent already', 'RFC 9110 section 9.2.2; edge case 13'),
  passesTwice('method-delete', 'DELETE', 'it is idempotent already', 'RFC 9110 section 9.2.2; edge case 13'),
  executesOnce('method-post', 'POST', 'it is not idempotent', 'RFC 9110 section 9.2.2'),
  executesOnce('method-patch', 'PATCH', 'it is not idempotent', 'RFC 5789 section 2'),
  executesOnce('method-lock', 'LOCK', 'it is treated like POST', 'RFC 4918 section 9.10; edge case 12'),
  required(
    'method-put-opt-in',
    'idempotent',
    'PUT with a key executes once where the route says so',
    'edge case 13',
    exchange({ method: 'PUT', key: 'k1', body: 'x' }, [answer(200, 'put')], {
      status: 200,
      body: 'put',
      headers: { 'idempotency-status': 'executed' },
    }),
    refused({ method: 'PUT', key: 'k1', body: 'x' }, { replayOf: 1, hits: 1 }),
  ),
  required(
    'method-delete-opt-in',
    'idempotent',
    'a repeated DELETE gets the first 204, not 404, where the route says so',
    'edge case 13',
    exchange(
      { method: 'DELETE', key: 'k1' },
      [[{ kind: 'bytes', bytes: 'HTTP/1.1 204 Gone\r\nX-N: 1\r\n\r\n' }]],
      { status: 204, body: '' },
    ),
    refused(
      { method: 'DELETE', key: 'k1' },
      { replayOf: 1, hits: 1, status: 204, headers: { 'content-length': null } },
    ),
  ),
  required(
    'method-post-without-key',
    'default',
    'POST without a key passes through where none is required',
    'design section 4, classify',
    exchange({ body: 'x' }, [MADE], { ...passed, status: 201, hits: 1, upstream: { body: 'x' } }),
    exchange({ body: 'x' }, [MADE], { ...passed, status: 201, hits: 2 }),
  ),
  required(
    'method-post-key-required',
    'required',
    'POST without a key is refused where one is required',
    'draft-ietf-httpapi-idempotency-key-header-07 section 2.7; edge case 14',
    refused(
      { body: 'x' },
      {
        problem: 'key-missing',
        hits: 0,
        headers: { link: { some: /^<https:\/\/docs\.example\.com\/problems#key-missing>/ } },
      },
    ),
  ),
  required(
    'method-key-required-before-body',
    'required',
    'a missing key is answered before the body is read',
    'edge case 14',
    refused(
      {
        raw: 'POST {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {caller}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
      },
      { problem: 'key-missing', hits: 0, informational: [] },
    ),
  ),
  required(
    'method-safe-key-required',
    'required',
    'a safe request needs no key where one is required',
    'RFC 9110 section 9.2.1; edge case 15',
    exchange({ method: 'GET' }, [answer(200, 'read')], { ...passed, status: 200, body: 'read' }),
  ),
  required(
    'scope-two-callers',
    'default',
    'two callers with the same key never see each other',
    'draft-ietf-httpapi-idempotency-key-header-07 section 5; edge case 16',
    exchange({ caller: 'anna', key: 'k1', body: 'x' }, [answer(201, 'for anna')], {
      status: 201,
      body: 'for anna',
      hits: 1,
    }),
    exchange({ caller: 'ben', key: 'k1', body: 'x' }, [answer(201, 'for ben')], {
      status: 201,
      body: 'for ben',
      headers: { 'idempotency-status': 'executed' },
      hits: 2,
    }),
    refused({ caller: 'anna', key: 'k1', body: 'x' }, { replayOf: 1, hits: 2 }),
  ),
  required(
    'scope-other-caller-other-body',
    'default',
    'another caller with the same key and another body gets no 422',
    'edge case 16; fault 43',
    exchange({ caller: 'anna', key: 'k1', body: 'x' }, [MADE], executed),
    exchange({ caller: 'ben', key: 'k1', body: 'y' }, [MADE], { ...executed, hits: 2 }),
  ),
  required(
    'scope-other-caller-in-flight',
    'reject',
    'another caller with the same key gets no 409 while the first is in flight',
    'edge case 16',
    begin('first', { caller: 'anna', key: 'k1', body: 'x' }, [[gate('go'), ...MADE]]),
    exchange({ caller: 'ben', key: 'k1', body: 'x' }, [MADE], { ...executed, hits: 2 }),
    open('go'),
    finish('first', executed),
  ),
  required(
    'scope-missing',
    'default',
    'a keyed request without credentials is refused',
    'draft-ietf-httpapi-idempotency-key-header-07 section 5; edge case 17',
    refused({ caller: null, key: 'k1', body: 'x' }, { problem: 'scope-missing', hits: 0 }),
  ),
  required(
    'scope-no-replay-without-credentials',
    'default',
    'a caller without credentials never receives a replay',
    'RFC 9111 section 3.5; edge case 17',
    exchange({ key: 'k1', body: 'x' }, [MADE], executed),
    refused({ caller: null, key: 'k1', body: 'x' }, { problem: 'scope-missing', hits: 1 }),
  ),
  required(
    'scope-unkeyed-anonymous',
    'default',
    'a request without key and credentials passes',
    'design section 3, scope',
    exchange({ caller: null, body: 'x' }, [MADE], {
      status: 201,
      hits: 1,
      headers: { 'idempotency-status': null },
    }),
  ),
  required(
    'scope-anonymous-allowed',
    'anonymous',
    'callers without credentials share a scope where the route allows it',
    'design section 3, scope',
    exchange({ caller: null, key: 'shared-{run}', body: 'x' }, [MADE], executed),
    refused({ caller: null, key: 'shared-{run}', body: 'x' }, { replayOf: 1, hits: 1 }),
  ),
  required(
    'scope-anonymous-is-apart',
    'anonymous',
    'the anonymous scope is none of a caller',
    'design section 3, scope',
    exchange({ caller: null, key: 'apart-{run}', body: 'x' }, [MADE], executed),
    exchange({ caller: 'anna', key: 'apart-{run}', body: 'x' }, [MADE], { ...executed, hits: 2 }),
  ),
  required(
    'scope-repeated-credentials',
    'default',
    'two Authorization lines are refused',
    'RFC 9110 section 11.6.2',
    refused(
      { headers: [['Authorization', 'Bearer other']], key: 'k1', body: 'x' },
      { problem: 'bad-request', hits: 0 },
    ),
  ),
  required(
    'scope-other-path',
    'default',
    'the same key on another path is a mismatch, as a keyspace has one set of keys',
    'design section 2, keyspace; edge case 19',
    exchange({ path: '/a', key: 'k1', body: 'x' }, [MADE], executed),
    refused({ path: '/b', key: 'k1', body: 'x' }, { problem: 'key-reused', hits: 1 }),
  ),
  required(
    'scope-other-method',
    'default',
    'the same key with another method is a mismatch',
    'design section 2, keyspace; edge case 19; fault 43',
    exchange({ key: 'k1', body: 'x' }, [MADE], executed),
    refused({ method: 'PATCH', key: 'k1', body: 'x' }, { problem: 'key-reused', hits: 1 }),
  ),
  optimal(
    'scope-other-keyspace',
    'other-keyspace',
    'a route with a keyspace of its own does not see the keys of others',
    'design section 2, keyspace',
    exchange({ target: '/conf/scope-other-keyspace/default', key: 'k1', body: 'x' }, [MADE], executed),
    exchange({ key: 'k1', body: 'y' }, [MADE], { ...executed, hits: 2 }),
  ),
  required(
    'mode-observe',
    'observe',
    'a route that only observes forwards every repeat unchanged',
    'design section 4; config field mode',
    exchange({ key: 'k1', body: 'x' }, [MADE], {
      ...passed,
      status: 201,
      hits: 1,
      upstream: { headers: { 'onceward-attempt': null } },
    }),
    exchange({ key: 'k1', body: 'x' }, [MADE], { ...passed, status: 201, hits: 2 }),
    exchange({ caller: null, key: 'k1', body: 'x' }, [MADE], { ...passed, status: 201, hits: 3 }),
  ),
];
