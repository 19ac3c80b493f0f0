import { describe, expect, it } from 'vitest';
import { ERROR_SHAPES, type ErrorShape, KEY_PROBLEMS } from '../../src/core/dialect.ts';
import { renderProblem } from '../../src/problems/problem.ts';
import { PROBLEM_CODES, type ProblemCode, problemType } from '../../src/problems/registry.ts';

/** Problems in the words of other APIs. */

const INSTANCE = '3f0d8c52-6b0e-4f55-9d4e-0a8f6e0b7a11';

type Rendered = {
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly body: unknown;
};

function render(
  errors: ErrorShape,
  code: ProblemCode,
  statuses: Readonly<Record<string, number>> = {},
): Rendered {
  const { status, rawHeaders, body } = renderProblem({
    code,
    instance: INSTANCE,
    docsUrl: 'https://docs.example.com/problems',
    key: 'k1',
    detail: 'What to do.',
    dialect: { errors, statuses, echoKey: null, repeatability: null, jsonRpc: null, grpc: null },
  });
  const fields = new Map<string, string>();
  for (let i = 0; i < rawHeaders.length; i += 2)
    fields.set((rawHeaders[i] ?? '').toLowerCase(), rawHeaders[i + 1] ?? '');
  expect(fields.get('content-length')).toBe(String(body.byteLength));
  return { status, fields, body: JSON.parse(body.toString('utf8')) };
}

/** gRPC has no body and no status of HTTP: its own test is below. */
const others = ERROR_SHAPES.filter((shape) => shape !== 'problem' && shape !== 'grpc');

describe.each(others)('the words of %s', (shape) => {
  it.each(PROBLEM_CODES)('tell %s with its code, whether to retry, and where it is documented', (code) => {
    const { status, fields } = render(shape, code);
    const type = problemType(code);

    expect(status).toBe(type.status);
    expect(fields.get('onceward-problem')).toBe(code);
    expect(fields.get('x-should-retry')).toBe(String(type.retryable));
    expect(fields.get('stripe-should-retry')).toBe(String(type.retryable));
    expect(fields.has('retry-after')).toBe(type.retryAfterMs !== null);
    expect(fields.get('link')).toContain(`#${code}`);
    expect(fields.get('cache-control')).toBe('no-store');
  });
});

describe('a problem told to a client of gRPC', () => {
  it.each(PROBLEM_CODES)('%s is a call that is over with its head', (code) => {
    const type = problemType(code);
    const { status, rawHeaders, body } = renderProblem({
      ...{ code, instance: INSTANCE, docsUrl: null, detail: '100 % – really' },
      dialect: {
        errors: 'grpc',
        statuses: {},
        echoKey: null,
        repeatability: null,
        jsonRpc: null,
        grpc: null,
      },
    });
    const field = (name: string) => rawHeaders[rawHeaders.indexOf(name) + 1];

    expect([status, body.byteLength, field('Content-Type')]).toEqual([200, 0, 'application/grpc']);
    expect(Number(field('grpc-status'))).toBeGreaterThan(0);
    expect(field('grpc-message')).toBe('100 %25 %E2%80%93 really');
    expect(field('Onceward-Problem')).toBe(code);
    // What clients send again by themselves, only where that is right with the same key.
    if (field('grpc-status') === '14') expect(type.retryable).toBe(true);
    expect(field('grpc-retry-pushback-ms') === '-1').toBe(!type.retryable);
  });
});

describe('the body that a client of an API reads', () => {
  const error = (type: string, code: string) => ({ error: { type, code, message: 'What to do.' } });

  const flat = (type: string, code: string) => ({ type, code, message: 'What to do.' });
  const paypal = (name: string, issue: string) => ({
    name,
    message: expect.any(String),
    debug_id: INSTANCE,
    details: [{ issue, description: 'What to do.' }],
    links: [],
  });
  const adyen = (status: number, errorCode: string, errorType: string) => ({
    status,
    errorCode,
    message: 'What to do.',
    errorType,
    pspReference: INSTANCE,
  });
  const checkout = (error_type: string, code: string) => ({
    request_id: INSTANCE,
    error_type,
    error_codes: [code],
  });
  const square = (category: string, code: string, field?: string) => ({
    errors: [{ category, code, detail: 'What to do.', ...(field === undefined ? {} : { field }) }],
  });
  const google = (code: number, status: string, reason: string) => ({
    error: {
      code,
      message: 'What to do.',
      status,
      details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'onceward' }],
    },
  });

  const rpc = (number: number, code: string, data: object) => ({
    jsonrpc: '2.0',
    id: null,
    error: {
      code: number,
      message: 'What to do.',
      data: { code, retryable: false, retryAfterMs: null, ...data },
    },
  });

  it.each([
    ['stripe', 'key-reused', error('idempotency_error', 'key-reused')],
    ['stripe', 'in-flight', error('idempotency_error', 'idempotency_key_in_use')],
    ['stripe', 'outcome-unknown', error('idempotency_error', 'outcome-unknown')],
    ['stripe', 'key-invalid', error('invalid_request_error', 'key-invalid')],
    ['stripe', 'overloaded', error('api_error', 'rate_limit')],
    ['stripe', 'store-unavailable', error('api_error', 'store-unavailable')],
    ['acp', 'key-missing', flat('invalid_request', 'idempotency_key_required')],
    ['acp', 'key-reused', flat('invalid_request', 'idempotency_conflict')],
    ['acp', 'in-flight', flat('invalid_request', 'idempotency_in_flight')],
    ['acp', 'outcome-unknown', flat('invalid_request', 'outcome_unknown')],
    ['acp', 'store-unavailable', flat('service_unavailable', 'store_unavailable')],
    ['acp', 'overloaded', flat('rate_limit_exceeded', 'overloaded')],
    ['azure', 'in-flight', { error: { code: 'InFlight', message: 'What to do.' } }],
    ['azure', 'repeatability-window', { error: { code: 'RepeatabilityWindow', message: 'What to do.' } }],
    ['paypal', 'key-reused', paypal('UNPROCESSABLE_ENTITY', 'DUPLICATE_REQUEST_ID')],
    ['paypal', 'in-flight', paypal('RESOURCE_CONFLICT', 'PREVIOUS_REQUEST_IN_PROGRESS')],
    ['paypal', 'outcome-unknown', paypal('RESOURCE_CONFLICT', 'OUTCOME_UNKNOWN')],
    ['adyen', 'in-flight', adyen(409, '704', 'validation')],
    ['adyen', 'store-unavailable', adyen(503, '703', 'internal')],
    ['adyen', 'key-reused', adyen(422, 'key-reused', 'validation')],
    ['checkout', 'in-flight', checkout('request_invalid', 'in_flight')],
    ['checkout', 'store-unavailable', checkout('processing_error', 'store_unavailable')],
    ['square', 'key-reused', square('INVALID_REQUEST_ERROR', 'IDEMPOTENCY_KEY_REUSED', 'idempotency_key')],
    [
      'square',
      'key-missing',
      square('INVALID_REQUEST_ERROR', 'MISSING_REQUIRED_PARAMETER', 'idempotency_key'),
    ],
    ['square', 'outcome-unknown', square('INVALID_REQUEST_ERROR', 'OUTCOME_UNKNOWN')],
    ['square', 'store-unavailable', square('API_ERROR', 'SERVICE_UNAVAILABLE')],
    ['google', 'key-reused', google(422, 'INVALID_ARGUMENT', 'KEY_REUSED')],
    ['google', 'in-flight', google(409, 'ABORTED', 'IN_FLIGHT')],
    ['google', 'outcome-unknown', google(409, 'FAILED_PRECONDITION', 'OUTCOME_UNKNOWN')],
    ['aws', 'key-reused', { __type: 'IdempotentParameterMismatch', message: 'What to do.' }],
    ['json-rpc', 'key-invalid', rpc(-32_600, 'key-invalid', { executed: 'no', sameKey: false })],
    ['json-rpc', 'outcome-unknown', rpc(-32_000, 'outcome-unknown', { executed: 'unknown', sameKey: true })],
    ['aws', 'outcome-unknown', { __type: 'OutcomeUnknown', message: 'What to do.' }],
  ] as const)('%s: %s', (shape, code, body) => {
    expect(render(shape, code).body).toEqual(body);
  });
});

describe('a problem in JSON-RPC', () => {
  it.each(['7', '"a\\u00e9"', '12345678901234567890', '1.50'])(
    'gives the id %s back as it came',
    (replyId) => {
      const { body } = renderProblem({
        code: 'in-flight',
        instance: INSTANCE,
        docsUrl: null,
        replyId,
        dialect: {
          errors: 'json-rpc',
          statuses: {},
          echoKey: null,
          repeatability: null,
          jsonRpc: null,
          grpc: null,
        },
      });

      expect(body.toString('utf8')).toContain(`{"jsonrpc":"2.0","id":${replyId},"error":{`);
      expect(JSON.parse(body.toString('utf8'))).toMatchObject({
        error: { data: { code: 'in-flight', retryable: true, retryAfterMs: 1000 } },
      });
    },
  );
});

describe('the field lines that a dialect adds', () => {
  const rendered = (code: ProblemCode, executed?: 'unknown') =>
    renderProblem({
      code,
      instance: INSTANCE,
      docsUrl: null,
      key: 'k1',
      ...(executed === undefined ? {} : { executed }),
      dialect: {
        errors: 'adyen',
        statuses: {},
        echoKey: 'idempotency-key',
        repeatability: { kind: 'window', windowMs: 1, aheadMs: 1 },
        jsonRpc: null,
        grpc: null,
      },
    }).rawHeaders.join('\n');

  it.each([
    ['key-reused', 'rejected'],
    ['key-missing', 'rejected'],
    ['repeatability-invalid', 'rejected'],
    ['repeatability-window', 'rejected'],
    ['repeatability-unsupported', 'rejected'],
    ['released', 'rejected'],
    ['upstream-unreachable', 'rejected'],
    ['response-not-stored', 'accepted'],
  ] as const)('%s is %s', (code, result) => {
    expect(rendered(code)).toContain(`Repeatability-Result\n${result}`);
  });

  it.each(['in-flight', 'outcome-unknown', 'store-unavailable', 'upstream-timeout', 'draining'] as const)(
    '%s says neither, as an earlier request may have been executed',
    (code) => {
      expect(rendered(code)).not.toContain('Repeatability-Result');
    },
  );

  it('say nothing either where a code is not sure this time', () => {
    expect(rendered('upstream-unreachable', 'unknown')).not.toContain('Repeatability-Result');
  });

  it('repeat the key, and say transient where the same key may follow', () => {
    expect(rendered('in-flight')).toContain('idempotency-key\nk1');
    expect(rendered('in-flight')).toContain('transient-error\ntrue');
    expect(rendered('outcome-unknown')).not.toContain('transient-error');
  });
});

describe('the statuses of a dialect', () => {
  it('replace those of the table, in the status line and in the body, and leave the rest', () => {
    const replaced = render('problem', 'key-reused', { 'key-reused': 400 });

    expect(replaced.status).toBe(400);
    expect(replaced.body).toMatchObject({
      status: 400,
      code: 'key-reused',
      error: { type: 'idempotency_error' },
    });
    expect(replaced.fields.has('onceward-problem')).toBe(false);
    expect(render('problem', 'in-flight', { 'key-reused': 400 }).status).toBe(409);
  });

  it('can be given for problems that are in the table', () => {
    expect(KEY_PROBLEMS.filter((code) => !PROBLEM_CODES.some((known) => known === code))).toEqual([]);
  });
});
