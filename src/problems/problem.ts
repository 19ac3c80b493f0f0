import { type DialectPolicy, dialectFields, type RepeatabilityResult } from '../core/dialect.ts';
import { errorTypeOf, type Told, tellProblem } from './dialects.ts';
import { type ProblemCode, type ProblemType, problemType } from './registry.ts';

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
  /** The id of a JSON-RPC request, as JSON. */
  readonly replyId?: string;
  /** In whose words, and with which statuses; null or left out: as the table has it. */
  readonly dialect?: DialectPolicy | null;
  /** The number that a producer has to send next. */
  readonly expectedSequence?: number;
};

/**
 * Some clients, stripe's among them, take a JSON answer without an `error` member for success, whatever its status:
 * an outcome that is not known would look like a charge.
 */
type ErrorMember = { readonly type: string; readonly code: ProblemCode; readonly message: string };

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
  const dialect = input.dialect ?? null;
  const status = dialect?.statuses[input.code] ?? type.status;
  // Without a key nothing holds a repeat back: only what provably was not sent may be sent again.
  const retryable = type.retryable && !(input.keyed === 'unkeyed' && SENT.has(input.code));
  const retryAfterMs = retryable ? (input.retryAfterMs ?? type.retryAfterMs) : null;
  const told =
    dialect === null || dialect.errors === 'problem'
      ? problemDetails(input, type, status, retryable, retryAfterMs)
      : tellProblem(dialect.errors, {
          ...input,
          status,
          title: type.title,
          retryable,
          detail: input.detail ?? type.detail,
          sameKey: type.sameKey,
          executed: input.executed ?? type.executed,
          retryAfterMs,
        });
  const body = Buffer.from(told.text === '' ? '' : `${told.text}\n`, 'utf8');
  const rawHeaders = [
    'Content-Type',
    told.contentType,
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
    ...told.rawHeaders,
  ];
  // RFC 9110 section 10.2.3 allows 0, which invites a loop.
  if (retryAfterMs !== null)
    rawHeaders.push('Retry-After', String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  if (input.docsUrl !== null)
    rawHeaders.push('Link', `<${input.docsUrl}#${input.code}>; rel="describedby"; type="text/html"`);
  if (dialect !== null)
    rawHeaders.push(
      ...dialectFields(dialect, input.key ?? null, resultOf(input.code, input.executed ?? type.executed)),
    );
  // A body in other words has no place for the code that the documentation speaks of.
  if (dialect !== null && dialect.errors !== 'problem') rawHeaders.push('Onceward-Problem', input.code);
  return { status: told.status ?? status, rawHeaders, body };
}

/** Where an earlier request with the key may have been executed, neither word would be true of the key. */
function resultOf(code: ProblemCode, executed: ProblemType['executed']): RepeatabilityResult {
  // OASIS Repeatable Requests 1.0: always rejected, and this attempt was.
  if (code === 'repeatability-window') return 'rejected';
  return executed === 'no' ? 'rejected' : executed === 'yes' ? 'accepted' : null;
}

function problemDetails(
  input: ProblemInput,
  type: ProblemType,
  status: number,
  retryable: boolean,
  retryAfterMs: number | null,
): Told {
  const detail = input.detail ?? type.detail;
  const body: Record<string, string | number | boolean | ErrorMember> = {
    type: `urn:onceward:problem:${input.code}`,
    title: type.title,
    status,
    detail,
    instance: `urn:uuid:${input.instance}`,
    code: input.code,
    retryable,
  };
  if (type.sameKey !== null && input.keyed !== 'unkeyed') body.sameKey = type.sameKey;
  if (type.executed !== null) body.executed = input.executed ?? type.executed;
  if (retryAfterMs !== null) body.retryAfterMs = retryAfterMs;
  if (input.expectedSequence !== undefined) body.expectedSequence = input.expectedSequence;
  if (input.key !== undefined) body.idempotency_key = input.key;
  body.error = { type: errorTypeOf(input.code, status), code: input.code, message: detail };
  return { contentType: 'application/problem+json', text: JSON.stringify(body), rawHeaders: [] };
}
