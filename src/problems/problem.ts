import { type ProblemCode, problemType } from './registry.ts';

/** RFC 9457 problem details, with the members of design section 5. */

export type ProblemInput = {
  readonly code: ProblemCode;
  /** A UUID that names this occurrence, without `urn:uuid:`. */
  readonly instance: string;
  /** Where the documentation of the codes is served, or null. */
  readonly docsUrl: string | null;
  /** In place of the code's own text; what happened here and what to do. */
  readonly detail?: string;
  /** Echoed, so that a client with many retries can tell them apart. */
  readonly key?: string;
  /** In place of the code's default; not sent where the problem is not retryable. */
  readonly retryAfterMs?: number;
  /** unkeyed: the request made no record. Default keyed, as most codes exist only there. */
  readonly keyed?: 'keyed' | 'unkeyed';
  /** In place of the code's own word: what earlier requests with this key did is not known here. */
  readonly executed?: 'unknown';
};

/**
 * Some clients, stripe's among them, take a JSON answer without an `error` member for success, whatever its status:
 * an outcome that is not known would look like a charge.
 */
type ErrorMember = { readonly type: string; readonly code: ProblemCode; readonly message: string };

function errorType(status: number): string {
  if (status === 409 || status === 422) return 'idempotency_error';
  return status < 500 && status !== 429 ? 'invalid_request_error' : 'api_error';
}

/** The backend may have acted on this attempt. */
const SENT: ReadonlySet<ProblemCode> = new Set(['upstream-failed', 'upstream-timeout']);

export type RenderedProblem = {
  readonly status: number;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
};

/** The whole answer but its connection fields. `Retry-After` in whole seconds, rounded up, at least 1. */
export function renderProblem(input: ProblemInput): RenderedProblem {
  const type = problemType(input.code);
  // Without a key nothing holds a repeat back: only what provably was not sent may be sent again.
  const retryable = type.retryable && !(input.keyed === 'unkeyed' && SENT.has(input.code));
  const retryAfterMs = retryable ? (input.retryAfterMs ?? type.retryAfterMs) : null;
  const members: Record<string, string | number | boolean | ErrorMember> = {
    type: `urn:onceward:problem:${input.code}`,
    title: type.title,
    status: type.status,
    detail: input.detail ?? type.detail,
    instance: `urn:uuid:${input.instance}`,
    code: input.code,
    retryable,
  };
  if (type.sameKey !== null && input.keyed !== 'unkeyed') members.sameKey = type.sameKey;
  if (type.executed !== null) members.executed = input.executed ?? type.executed;
  if (retryAfterMs !== null) members.retryAfterMs = retryAfterMs;
  if (input.key !== undefined) members.idempotency_key = input.key;
  members.error = { type: errorType(type.status), code: input.code, message: input.detail ?? type.detail };
  const body = Buffer.from(`${JSON.stringify(members)}\n`, 'utf8');
  const rawHeaders = [
    'Content-Type',
    'application/problem+json',
    'Content-Language',
    'en',
    'Content-Length',
    String(body.byteLength),
    'Cache-Control',
    'no-store',
    'x-should-retry',
    String(retryable),
    'stripe-should-retry',
    String(retryable),
  ];
  // RFC 9110 section 10.2.3 allows 0, which invites a loop.
  if (retryAfterMs !== null)
    rawHeaders.push('Retry-After', String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  if (input.docsUrl !== null)
    rawHeaders.push('Link', `<${input.docsUrl}#${input.code}>; rel="describedby"; type="text/html"`);
  return { status: type.status, rawHeaders, body };
}
