import { expect } from 'vitest';
import type { ProfileName } from '../../src/config/profiles.ts';

/** What a client of each dialect sends, and what it expects where its key is refused. */

export type Sent = { readonly headers: Readonly<Record<string, string>>; readonly body: object };

const HEADER =
  (name: string) =>
  (key: string, amount: number): Sent => ({
    headers: { [name]: key },
    body: { amount },
  });
const MEMBER =
  (name: string) =>
  (key: string, amount: number): Sent => ({
    headers: {},
    body: { [name]: key, amount },
  });
const FIRST_SENT = new Date().toUTCString();

type Dialect = {
  readonly send: (key: string, amount: number) => Sent;
  readonly mismatch: readonly [number, unknown];
  readonly inFlight: readonly [number, unknown];
  /** Null: a request without a key is passed on. */
  readonly missing: readonly [number, unknown] | null;
};

const anyText = expect.any(String);
const stripeError = (type: string, code: string) => ({ error: { type, code, message: anyText } });
const flat = (code: string) => ({ type: 'invalid_request', code, message: anyText });
const azure = (code: string) => ({ error: { code, message: anyText } });
const square = (code: string) => ({
  errors: [expect.objectContaining({ category: 'INVALID_REQUEST_ERROR', code })],
});
export const google = (status: string, reason: string) => ({
  error: expect.objectContaining({ status, details: [expect.objectContaining({ reason })] }),
});
const aws = (type: string) => ({ __type: type, message: anyText });
const problem = (code: string) => expect.objectContaining({ code, detail: anyText });
const paypal = (issue: string) => expect.objectContaining({ details: [{ issue, description: anyText }] });
const adyen = (errorCode: string) => expect.objectContaining({ errorCode });
const checkout = (code: string) => expect.objectContaining({ error_codes: [code] });

/** `waits`: the profile leaves a repeat waiting for the answer, as the built-in defaults do. */
const rpc = (code: string) =>
  expect.objectContaining({
    jsonrpc: '2.0',
    id: 1,
    error: expect.objectContaining({ data: expect.objectContaining({ code }) }),
  });

/** gRPC speaks no HTTP/1.1: test/e2e/grpc.test.ts has its real clients. */
export const DIALECTS: Readonly<Record<Exclude<ProfileName, 'grpc'>, Dialect>> = {
  ietf: {
    send: (key, amount) => HEADER('Idempotency-Key')(`"${key}"`, amount),
    mismatch: [422, problem('key-reused')],
    inFlight: [201, expect.anything()],
    missing: [400, problem('key-missing')],
  },
  stripe: {
    send: HEADER('Idempotency-Key'),
    mismatch: [400, stripeError('idempotency_error', 'key-reused')],
    inFlight: [409, stripeError('idempotency_error', 'idempotency_key_in_use')],
    missing: null,
  },
  acp: {
    send: HEADER('Idempotency-Key'),
    mismatch: [422, flat('idempotency_conflict')],
    inFlight: [409, flat('idempotency_in_flight')],
    missing: [400, flat('idempotency_key_required')],
  },
  'azure-repeatability': {
    send: (key, amount) => ({
      headers: { 'Repeatability-Request-ID': key, 'Repeatability-First-Sent': FIRST_SENT },
      body: { amount },
    }),
    mismatch: [400, azure('KeyReused')],
    inFlight: [409, azure('InFlight')],
    missing: null,
  },
  paypal: {
    send: HEADER('PayPal-Request-Id'),
    mismatch: [422, paypal('DUPLICATE_REQUEST_ID')],
    inFlight: [409, paypal('PREVIOUS_REQUEST_IN_PROGRESS')],
    missing: null,
  },
  adyen: {
    send: HEADER('idempotency-key'),
    mismatch: [422, adyen('key-reused')],
    inFlight: [409, adyen('704')],
    missing: null,
  },
  checkout: {
    send: HEADER('Cko-Idempotency-Key'),
    mismatch: [422, checkout('key_reused')],
    inFlight: [409, checkout('in_flight')],
    missing: null,
  },
  square: {
    send: MEMBER('idempotency_key'),
    mismatch: [400, square('IDEMPOTENCY_KEY_REUSED')],
    inFlight: [409, square('CONFLICT')],
    missing: null,
  },
  'aip-155': {
    send: MEMBER('requestId'),
    mismatch: [400, google('INVALID_ARGUMENT', 'KEY_REUSED')],
    inFlight: [201, expect.anything()],
    missing: null,
  },
  'aws-client-token': {
    send: MEMBER('clientToken'),
    mismatch: [400, aws('IdempotentParameterMismatch')],
    inFlight: [201, expect.anything()],
    missing: null,
  },
  mcp: {
    send: (key, amount) => ({
      headers: {},
      body: {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'pay', arguments: { amount }, _meta: { idempotencyKey: key } },
      },
    }),
    mismatch: [422, rpc('key-reused')],
    inFlight: [201, expect.anything()],
    missing: null,
  },
};
