import type { ErrorShape } from '../core/dialect.ts';
import { tellGrpc } from './grpc.ts';
import type { ProblemCode } from './registry.ts';

/**
 * Problems in the words of other APIs. Each body is what the clients of that API read: none of them may take an answer
 * of ours for a success, or an outcome that is not known for a refusal that can be tried again.
 */

export type ProblemFacts = {
  readonly code: ProblemCode;
  /** As it is sent. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly retryable: boolean;
  /** A UUID that names this occurrence. */
  readonly instance: string;
  readonly sameKey: boolean | null;
  readonly executed: 'no' | 'yes' | 'unknown' | null;
  readonly retryAfterMs: number | null;
  /** The id of the JSON-RPC request, as JSON; left out where it is not known, or wants no answer. */
  readonly replyId?: string;
};

export type Told = {
  readonly contentType: string;
  /** JSON, or nothing. */
  readonly text: string;
  /** In place of the problem's own, where the protocol above HTTP has another place for it. */
  readonly status?: number;
  /** Further field lines. */
  readonly rawHeaders: readonly string[];
};

type Shape = (facts: ProblemFacts) => Told;

const SHAPES: Readonly<Record<Exclude<ErrorShape, 'problem'>, Shape>> = {
  stripe,
  acp,
  azure,
  paypal,
  adyen,
  checkout,
  square,
  google,
  aws,
  'json-rpc': jsonRpc,
  grpc: tellGrpc,
};

export function tellProblem(shape: Exclude<ErrorShape, 'problem'>, facts: ProblemFacts): Told {
  return SHAPES[shape](facts);
}

function json(body: object, rawHeaders: readonly string[] = []): Told {
  return { contentType: 'application/json', text: JSON.stringify(body), rawHeaders };
}

/** The vendor's own word for a problem; ours where it has none. */
type Words = Readonly<Partial<Record<ProblemCode, string>>>;

/** docs.stripe.com/api/errors: the type decides which error the libraries throw, the code what a program reads. */
function stripe({ code, status, detail }: ProblemFacts): Told {
  const words: Words = { 'in-flight': 'idempotency_key_in_use', overloaded: 'rate_limit' };
  return json({ error: { type: errorTypeOf(code, status), code: words[code] ?? code, message: detail } });
}

/** Of the statuses that could mean either, those of a key are the ones that speak of one. */
export function errorTypeOf(code: ProblemCode, status: number): string {
  if (code === 'key-reused' || status === 409 || status === 422) return 'idempotency_error';
  return status < 500 && status !== 429 ? 'invalid_request_error' : 'api_error';
}

const ACP: Words = {
  'key-missing': 'idempotency_key_required',
  'key-reused': 'idempotency_conflict',
  'in-flight': 'idempotency_in_flight',
};

/** Agentic Commerce Protocol: one flat object. */
function acp({ code, status, detail }: ProblemFacts): Told {
  const type =
    status === 429
      ? 'rate_limit_exceeded'
      : status === 503
        ? 'service_unavailable'
        : status >= 500
          ? 'processing_error'
          : 'invalid_request';
  return json({ type, code: ACP[code] ?? underscored(code), message: detail });
}

/** Microsoft REST API Guidelines: the code stands in the body and in a field, so that no body need be read. */
function azure({ code, detail }: ProblemFacts): Told {
  return json({ error: { code: pascal(code), message: detail } }, ['x-ms-error-code', pascal(code)]);
}

const PAYPAL: Words = {
  'key-reused': 'DUPLICATE_REQUEST_ID',
  'in-flight': 'PREVIOUS_REQUEST_IN_PROGRESS',
};

function paypal({ code, status, title, detail, instance }: ProblemFacts): Told {
  const issue = PAYPAL[code] ?? underscored(code).toUpperCase();
  const body = { name: paypalName(status), message: title, debug_id: instance };
  const details = [{ issue, description: detail }];
  return json({ ...body, details, links: [] }, ['Paypal-Debug-Id', instance]);
}

function paypalName(status: number): string {
  switch (status) {
    case 404:
      return 'RESOURCE_NOT_FOUND';
    case 409:
      return 'RESOURCE_CONFLICT';
    case 422:
      return 'UNPROCESSABLE_ENTITY';
    case 429:
      return 'RATE_LIMIT_REACHED';
    case 503:
      return 'SERVICE_UNAVAILABLE';
    default:
      return status < 500 ? 'INVALID_REQUEST' : 'INTERNAL_SERVER_ERROR';
  }
}

const ADYEN: Words = { 'in-flight': '704', released: '704', 'store-unavailable': '703' };

/** `transient-error` is how Adyen says that the same key may be used again. */
function adyen({ code, status, detail, retryable, instance }: ProblemFacts): Told {
  const errorType = status < 500 ? 'validation' : 'internal';
  const body = { status, errorCode: ADYEN[code] ?? code, message: detail, errorType, pspReference: instance };
  return json(body, retryable ? ['transient-error', 'true'] : []);
}

function checkout({ code, status, instance }: ProblemFacts): Told {
  const error_type = status < 500 ? 'request_invalid' : 'processing_error';
  return json({ request_id: instance, error_type, error_codes: [underscored(code)] }, [
    'Cko-Request-Id',
    instance,
  ]);
}

const SQUARE: Words = {
  'key-missing': 'MISSING_REQUIRED_PARAMETER',
  'key-invalid': 'INVALID_VALUE',
  'key-reused': 'IDEMPOTENCY_KEY_REUSED',
  'in-flight': 'CONFLICT',
  overloaded: 'RATE_LIMITED',
  'store-unavailable': 'SERVICE_UNAVAILABLE',
  draining: 'SERVICE_UNAVAILABLE',
  'upstream-timeout': 'GATEWAY_TIMEOUT',
};

/** The field is named where the key itself is to blame. */
function square({ code, status, detail }: ProblemFacts): Told {
  const category = status === 429 ? 'RATE_LIMIT_ERROR' : status < 500 ? 'INVALID_REQUEST_ERROR' : 'API_ERROR';
  const field = code.startsWith('key-') ? { field: 'idempotency_key' } : {};
  const word = SQUARE[code] ?? underscored(code).toUpperCase();
  return json({ errors: [{ category, code: word, detail, ...field }] });
}

const ASKS_FIRST: ReadonlySet<ProblemFacts['code']> = new Set([
  'outcome-unknown',
  'policy-changed',
  'credential-rotated',
]);

/** google.rpc.Status as REST has it (AIP-193). FAILED_PRECONDITION is the one that asks to find out first. */
function google({ code, status, detail }: ProblemFacts): Told {
  const known = ASKS_FIRST.has(code) || code.startsWith('response-');
  const error = {
    code: status,
    message: detail,
    status: known ? 'FAILED_PRECONDITION' : googleStatus(status),
    details: [
      {
        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
        reason: underscored(code).toUpperCase(),
        domain: 'onceward',
      },
    ],
  };
  return json({ error });
}

function googleStatus(status: number): string {
  switch (status) {
    case 404:
      return 'NOT_FOUND';
    case 409:
      return 'ABORTED';
    case 412:
      return 'FAILED_PRECONDITION';
    case 429:
      return 'RESOURCE_EXHAUSTED';
    case 501:
      return 'UNIMPLEMENTED';
    case 502:
    case 503:
      return 'UNAVAILABLE';
    case 504:
      return 'DEADLINE_EXCEEDED';
    default:
      return status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL';
  }
}

const AWS: Words = {
  'key-missing': 'MissingParameter',
  'key-invalid': 'InvalidParameterValue',
  'key-reused': 'IdempotentParameterMismatch',
  'in-flight': 'ConflictException',
  overloaded: 'ThrottlingException',
  'store-unavailable': 'ServiceUnavailable',
  draining: 'ServiceUnavailable',
};

/** The JSON protocols of AWS: the type in the body and in a field. */
function aws({ code, detail, instance }: ProblemFacts): Told {
  const type = AWS[code] ?? pascal(code);
  return json({ __type: type, message: detail }, ['x-amzn-ErrorType', type, 'x-amzn-RequestId', instance]);
}

/** JSON-RPC 2.0 section 5.1: what is wrong with the message itself has a code of its own, the rest is the server's. */
function jsonRpc(facts: ProblemFacts): Told {
  const { code, detail, retryable, sameKey, executed, retryAfterMs, replyId = 'null' } = facts;
  const isMessage = code.startsWith('key-') || code === 'bad-request' || code === 'request-too-large';
  const data = { code, retryable, sameKey, executed, retryAfterMs };
  const error = JSON.stringify({ code: isMessage ? -32_600 : -32_000, message: detail, data });
  // The id goes back digit by digit, as it came.
  const text = `{"jsonrpc":"2.0","id":${replyId},"error":${error}}`;
  return { contentType: 'application/json', text, rawHeaders: [] };
}

function underscored(code: string): string {
  return code.replaceAll('-', '_');
}

function pascal(code: string): string {
  return code
    .split('-')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}
