import type { ErrorShape } from '../core/dialect.ts';
import type { ProblemCode } from './registry.ts';

/**
 * Problems in the words of other APIs. Each body is what the clients of that API read: none of them may take an answer
 * of ours for a success, or an outcome that is not known for a refusal that can be tried again.
 */

export type ProblemFacts = {
  readonly code: ProblemCode;
  /** As it is sent. */
  readonly status: number;
  readonly detail: string;
  readonly retryable: boolean;
};

export type Told = {
  readonly contentType: string;
  readonly body: object;
  /** Further field lines. */
  readonly rawHeaders: readonly string[];
};

type Shape = (facts: ProblemFacts) => Told;

const SHAPES: Readonly<Record<Exclude<ErrorShape, 'problem'>, Shape>> = { stripe };

export function tellProblem(shape: Exclude<ErrorShape, 'problem'>, facts: ProblemFacts): Told {
  return SHAPES[shape](facts);
}

function json(body: object, rawHeaders: readonly string[] = []): Told {
  return { contentType: 'application/json', body, rawHeaders };
}

/** docs.stripe.com/api/errors: the type decides which error the libraries throw, the code what a program reads. */
function stripe({ code, status, detail }: ProblemFacts): Told {
  return json({ error: { type: errorTypeOf(code, status), code: stripeCode(code), message: detail } });
}

function stripeCode(code: ProblemCode): string {
  if (code === 'in-flight') return 'idempotency_key_in_use';
  return code === 'overloaded' ? 'rate_limit' : code;
}

/** Of the statuses that could mean either, those of a key are the ones that speak of one. */
export function errorTypeOf(code: ProblemCode, status: number): string {
  if (code === 'key-reused' || status === 409 || status === 422) return 'idempotency_error';
  return status < 500 && status !== 429 ? 'invalid_request_error' : 'api_error';
}
