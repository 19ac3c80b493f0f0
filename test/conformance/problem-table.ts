/**
 * What a client may rely on in each problem: written down from the documentation, not imported from the proxy, so that
 * a change of the one is noticed by the other.
 */

export type ProblemFacts = {
  readonly status: number;
  readonly retryable: boolean;
  /** Undefined: the member is not there. */
  readonly sameKey: boolean | undefined;
  readonly executed: 'no' | 'yes' | 'unknown' | undefined;
  /** Titles that the draft names are fixed; others only have to be there. */
  readonly title?: string;
};

const row = (
  status: number,
  retryable: boolean,
  sameKey: boolean | undefined,
  executed: ProblemFacts['executed'],
  title?: string,
): ProblemFacts =>
  title === undefined
    ? { status, retryable, sameKey, executed }
    : { status, retryable, sameKey, executed, title };

export const PROBLEM_FACTS: Readonly<Record<string, ProblemFacts>> = {
  'key-missing': row(400, false, false, 'no', 'Idempotency-Key is missing'),
  'key-invalid': row(400, false, false, 'no'),
  'scope-missing': row(400, false, false, 'no'),
  'credential-invalid': row(401, false, true, 'unknown'),
  'verification-unavailable': row(503, true, true, 'unknown'),
  'ticket-unknown': row(412, false, false, 'unknown'),
  'signature-invalid': row(400, false, undefined, 'no'),
  'key-reused': row(422, false, false, 'no', 'Idempotency-Key is already used'),
  'in-flight': row(409, true, true, 'unknown', 'A request is outstanding for this Idempotency-Key'),
  locked: row(423, true, true, 'no'),
  'resource-unnamed': row(400, false, undefined, 'no'),
  released: row(409, true, true, 'no'),
  'outcome-unknown': row(409, false, true, 'unknown'),
  'response-not-stored': row(409, false, true, 'yes'),
  'policy-changed': row(409, false, true, 'unknown'),
  'replay-denied': row(403, false, true, 'unknown'),
  'credential-rotated': row(409, false, true, 'unknown'),
  'precondition-required': row(428, false, true, 'no'),
  'precondition-failed': row(412, false, false, 'no'),
  'version-busy': row(409, true, true, 'no'),
  'version-unknown': row(409, true, true, 'no'),
  'precondition-invalid': row(400, false, true, 'no'),
  'sequence-missing': row(400, false, undefined, 'no'),
  'sequence-invalid': row(400, false, undefined, 'no'),
  'producer-unknown': row(412, false, undefined, 'unknown'),
  'producer-fenced': row(409, false, undefined, 'unknown'),
  'sequence-gap': row(409, false, true, 'no'),
  'sequence-waiting': row(409, true, true, 'no'),
  'sequence-blocked': row(409, false, true, 'no'),
  'sequence-too-old': row(409, false, true, 'yes'),
  'store-unavailable': row(503, true, true, 'unknown'),
  overloaded: row(429, true, true, 'unknown'),
  draining: row(503, true, true, 'unknown'),
  'upstream-unreachable': row(502, true, true, 'no'),
  'upstream-failed': row(502, true, true, 'unknown'),
  'upstream-timeout': row(504, true, true, 'unknown'),
  'request-too-large': row(413, false, undefined, 'no'),
  'request-timeout': row(408, true, true, 'unknown'),
  'bad-request': row(400, false, undefined, 'no'),
  'head-too-large': row(431, false, undefined, 'no'),
  'expectation-failed': row(417, false, undefined, 'no'),
  'method-not-supported': row(501, false, undefined, 'no'),
  'not-found': row(404, false, undefined, 'no'),
};
