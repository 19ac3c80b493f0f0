/**
 * tidy: one table, however long.
 * Every problem Onceward answers with. The one table: docs/problems.md is generated from it and a test compares both.
 * Titles of 400, 409 and 422 as in draft-ietf-httpapi-idempotency-key-header-07 section 2.7.
 */

export type ProblemType = {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  /** May the same request be sent again, as it is? */
  readonly retryable: boolean;
  /** Keep the key for the retry? Null: the key does not matter. */
  readonly sameKey: boolean | null;
  /** Speaks of the key, not of this attempt; null where no key is involved. */
  readonly executed: 'no' | 'yes' | 'unknown' | null;
  /** What happened and what to do. */
  readonly detail: string;
  /** Default of `Retry-After`; null: none. */
  readonly retryAfterMs: number | null;
  readonly clause: string;
};

const KEY_DRAFT = 'draft-ietf-httpapi-idempotency-key-header-07 section 2.7';

const table = {
  'key-missing': {
    status: 400,
    title: 'Idempotency-Key is missing',
    retryable: false,
    sameKey: false,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'This operation needs an idempotency key: a fresh random value for each operation, the same value for each retry of it.',
    clause: KEY_DRAFT,
  },
  'key-invalid': {
    status: 400,
    title: 'Idempotency-Key is invalid',
    retryable: false,
    sameKey: false,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'The idempotency key is not well-formed; nothing was executed. Send one key, in one place, in the form that the route documents.',
    clause: 'RFC 9651 section 3.3.3',
  },
  'scope-missing': {
    status: 400,
    title: 'The caller of this request is not known',
    retryable: false,
    sameKey: false,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'A key belongs to a caller, and this one is not known; nothing was executed. Send the request with its credentials.',
    clause: 'draft-ietf-httpapi-idempotency-key-header-07 section 5',
  },
  'credential-invalid': {
    status: 401,
    title: 'The credential of this request is not valid',
    retryable: false,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: null,
    detail:
      'Whose key this is cannot be told, or its answer not be given, without a valid credential; this attempt was not sent to the backend. Get a fresh credential, and retry with the same key.',
    clause: 'RFC 6750 section 3.1',
  },
  'replay-denied': {
    status: 403,
    title: 'The answer may no longer be given to this credential',
    retryable: false,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: null,
    detail:
      'A request with this key is known here, and the backend does not allow this credential to be told of it. This attempt was not executed. Ask whoever gives rights there, or the backend for the result.',
    clause: 'RFC 9110 section 15.5.4',
  },
  'verification-unavailable': {
    status: 503,
    title: 'The credential of this request cannot be judged now',
    retryable: true,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: 1_000,
    detail:
      'What the credential would be judged by is not to be had; this attempt was not sent to the backend. Retry with the same key.',
    clause: 'RFC 9110 section 15.6.4',
  },
  'signature-invalid': {
    status: 400,
    title: 'The signature of this delivery is not valid',
    retryable: false,
    sameKey: null,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'This route takes deliveries signed by their sender, and the signature of this one is missing, not right or too old. Nothing was looked up or executed. Compare the secrets of both sides, and their clocks.',
    clause: 'RFC 9110 section 15.5.1',
  },
  'ticket-unknown': {
    status: 412,
    title: 'This ticket cannot be used',
    retryable: false,
    sameKey: false,
    executed: 'unknown',
    retryAfterMs: null,
    detail:
      'This operation takes tickets of its own, each for one caller, one use and a short time, and this is none of them, or its time is over. Nothing was executed for this request. Fetch a fresh ticket for a new operation.',
    clause: 'RFC 9110 section 15.5.13',
  },
  'key-reused': {
    status: 422,
    title: 'Idempotency-Key is already used',
    retryable: false,
    sameKey: false,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'This key was used for a request with other content, which stands. Nothing was executed for this one; send it with a fresh key if it is a new operation.',
    clause: KEY_DRAFT,
  },
  'in-flight': {
    status: 409,
    title: 'A request is outstanding for this Idempotency-Key',
    retryable: true,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: 1_000,
    detail: 'The first request with this key is still being processed. Ask again with the same key.',
    clause: KEY_DRAFT,
  },
  locked: {
    status: 423,
    title: 'Another request holds this resource',
    retryable: true,
    sameKey: true,
    executed: 'no',
    retryAfterMs: 1_000,
    detail:
      'Requests that concern this resource are executed one after the other, and the turn of this one did not come in time. It was not sent to the backend, and its key is free. Retry with the same key.',
    clause: 'RFC 4918 section 11.3',
  },
  'resource-unnamed': {
    status: 400,
    title: 'What this operation concerns cannot be told',
    retryable: false,
    sameKey: null,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'Requests of this route are executed one at a time for each resource, and this one does not say which it concerns; nothing was executed. Send the value that the route documents.',
    clause: 'RFC 9110 section 15.5.1',
  },
  released: {
    status: 409,
    title: 'The outstanding request was not executed',
    retryable: true,
    sameKey: true,
    executed: 'no',
    retryAfterMs: 1_000,
    detail:
      'This request waited for another with the same key, which was not executed. Send it again with the same key.',
    clause: KEY_DRAFT,
  },
  'outcome-unknown': {
    status: 409,
    title: 'The outcome of this operation is not known',
    retryable: false,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: null,
    detail:
      'The request was sent to the backend and its answer was lost. It may have been executed and is not repeated. Find out with the backend before you use a fresh key.',
    clause: 'RFC 9110 section 9.2.2',
  },
  'response-not-stored': {
    status: 409,
    title: 'The operation was executed, its response was not kept',
    retryable: false,
    sameKey: true,
    executed: 'yes',
    retryAfterMs: null,
    detail:
      'The first request with this key was executed. Its response was too large to keep; ask the backend for the result.',
    clause: 'RFC 9110 section 9.2.2',
  },
  'response-unreadable': {
    status: 409,
    title: 'The operation was executed, its response cannot be read',
    retryable: false,
    sameKey: true,
    executed: 'yes',
    retryAfterMs: null,
    detail:
      'The first request with this key was executed. Its response is stored under an encryption key that is not at hand here, or was changed in the store, or stands there unencrypted where that is not allowed; it is never served so. Ask the backend for the result, or the operator.',
    clause: 'RFC 9110 section 9.2.2',
  },
  'policy-changed': {
    status: 409,
    title: 'This key was used under other rules',
    retryable: false,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: null,
    detail:
      'What makes two requests the same was configured anew since this key was first used, so this one can be neither compared nor executed. Ask the backend for the result.',
    clause: 'RFC 9110 section 15.5.10',
  },
  'credential-rotated': {
    status: 409,
    title: 'This key was used with another credential',
    retryable: false,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: null,
    detail:
      'The same request came with this key and another credential before, and may have been executed. It was not executed again. Send it with that credential for its answer, or ask the backend for the result.',
    clause: 'draft-ietf-httpapi-idempotency-key-header-07 section 5',
  },
  'repeatability-invalid': {
    status: 400,
    title: 'The repeatability fields are malformed',
    retryable: false,
    sameKey: false,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'Repeatability-Request-ID and Repeatability-First-Sent go together, each once, the second as an IMF-fixdate; nothing was executed.',
    clause: 'OASIS Repeatable Requests 1.0 section 2',
  },
  'repeatability-window': {
    status: 412,
    title: 'Repeatability-First-Sent is outside the window',
    retryable: false,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: null,
    detail:
      'A request first sent then is no longer, or not yet, remembered here, so that it cannot be told from a repeat. This attempt was not executed; find out whether an earlier one was before you use a fresh id.',
    clause: 'OASIS Repeatable Requests 1.0 section 2',
  },
  'repeatability-unsupported': {
    status: 501,
    title: 'The operation does not support repeatability',
    retryable: false,
    sameKey: null,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'The request asks to be executed once, which is not kept for this operation; it was not executed. Send it without the repeatability fields if once is not asked for.',
    clause: 'OASIS Repeatable Requests 1.0 section 2',
  },
  'precondition-required': {
    status: 428,
    title: 'This write has to be conditional',
    retryable: false,
    sameKey: true,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'A write here has to name the version it is meant for: ask for the resource with GET, and send its ETag in If-Match. This attempt was not executed.',
    clause: 'RFC 6585 section 3',
  },
  'precondition-failed': {
    status: 412,
    title: 'The resource has another version by now',
    retryable: false,
    sameKey: false,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'The resource was changed since the version that this request names, and nothing was executed. Ask for it with GET, decide anew, and send the result with its new ETag and a fresh key.',
    clause: 'RFC 9110 section 15.5.13',
  },
  'version-busy': {
    status: 409,
    title: 'Another write to this resource is in flight',
    retryable: true,
    sameKey: true,
    executed: 'no',
    retryAfterMs: 1_000,
    detail:
      'A write to this resource is in flight, and this one was not sent. Send it again as it is: if the other changes the resource, it gets 412.',
    clause: 'RFC 9110 section 15.5.10',
  },
  'version-unknown': {
    status: 409,
    title: 'The version of this resource is not known',
    retryable: true,
    sameKey: true,
    executed: 'no',
    retryAfterMs: 1_000,
    detail:
      'The answer to an earlier write to this resource was lost, and it may still be made. This write was not sent. Once the time in Retry-After is over, ask for the resource with GET and go by its ETag.',
    clause: 'RFC 9110 section 15.5.10',
  },
  'precondition-invalid': {
    status: 400,
    title: 'The condition of this request cannot be read',
    retryable: false,
    sameKey: true,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'If-Match and If-None-Match are either "*" or a list of entity tags, each in its double quotes. This attempt was not executed.',
    clause: 'RFC 9110 section 13.1',
  },
  'sequence-missing': {
    status: 400,
    title: 'The place of this request in its sequence is missing',
    retryable: false,
    sameKey: null,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'This operation needs Producer-Id, Producer-Epoch and Producer-Sequence; nothing was executed. Get an id and its epoch from Onceward and count your requests from 0.',
    clause: 'RFC 9110 section 15.5.1',
  },
  'sequence-invalid': {
    status: 400,
    title: 'The place of this request in its sequence cannot be read',
    retryable: false,
    sameKey: null,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'Producer-Id, Producer-Epoch and Producer-Sequence are needed once each, the numbers in decimal digits; nothing was executed. Correct the client.',
    clause: 'RFC 9110 section 15.5.1',
  },
  'producer-unknown': {
    status: 412,
    title: 'This producer is not known',
    retryable: false,
    sameKey: null,
    executed: 'unknown',
    retryAfterMs: null,
    detail:
      'No such producer was issued to this caller, or it has expired. This attempt was not executed; whether an earlier one was is not known here any more. Find out with the backend before you send the operation under a new producer.',
    clause: 'RFC 9110 section 15.5.13',
  },
  'producer-fenced': {
    status: 409,
    title: 'Another holder of this producer has taken over',
    retryable: false,
    sameKey: null,
    executed: 'unknown',
    retryAfterMs: null,
    detail:
      'A newer epoch of this producer was issued, so that nothing is executed under this one any more. This attempt was not executed. Stop, unless you are meant to be the holder: then get a new epoch, whose answer tells how far the old one came.',
    clause: 'RFC 9110 section 15.5.10',
  },
  'sequence-gap': {
    status: 409,
    title: 'An earlier request of this producer is missing',
    retryable: false,
    sameKey: true,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'Requests of a producer are executed in order, and the one with the number in expectedSequence has not been. Nothing was executed for this one; send that one first, then this one again.',
    clause: 'RFC 9110 section 15.5.10',
  },
  'sequence-waiting': {
    status: 409,
    title: 'An earlier request of this producer is outstanding',
    retryable: true,
    sameKey: true,
    executed: 'no',
    retryAfterMs: 1_000,
    detail:
      'Requests of a producer are executed in order, and an earlier one is still being processed. Nothing was executed for this one; send it again with the same number.',
    clause: 'RFC 9110 section 15.5.10',
  },
  'sequence-blocked': {
    status: 409,
    title: 'The outcome of an earlier request of this producer is not known',
    retryable: false,
    sameKey: true,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'Requests of a producer are executed in order, and whether the one before was executed is not known. Nothing was executed for this one. Send that one again, which tells what is known of it, and this one once its outcome is settled; or get a new epoch, which begins anew.',
    clause: 'RFC 9110 section 15.5.10',
  },
  'sequence-too-old': {
    status: 409,
    title: 'The operation was executed, its response is no longer kept',
    retryable: false,
    sameKey: true,
    executed: 'yes',
    retryAfterMs: null,
    detail:
      'This number is behind the last ones of its producer whose responses are kept. It was executed and is not executed again; ask the backend for the result.',
    clause: 'RFC 9110 section 15.5.10',
  },
  'store-unavailable': {
    status: 503,
    title: 'The store of idempotency records cannot be reached',
    retryable: true,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: 1_000,
    detail:
      'Without its store Onceward cannot tell a repeat from a first request. This attempt was not sent to the backend. Retry with the same key.',
    clause: 'RFC 9110 section 15.6.4',
  },
  overloaded: {
    status: 429,
    title: 'Too many requests at once',
    retryable: true,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: 1_000,
    detail:
      'Onceward has no room for this request now. This attempt was not sent to the backend. Retry with the same key.',
    clause: 'RFC 6585 section 4',
  },
  draining: {
    status: 503,
    title: 'This instance is shutting down',
    retryable: true,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: 1_000,
    detail: 'This instance takes no new requests. Retry with the same key on a new connection.',
    clause: 'RFC 9110 section 15.6.4',
  },
  'upstream-unreachable': {
    status: 502,
    title: 'The backend cannot be reached',
    retryable: true,
    sameKey: true,
    executed: 'no',
    retryAfterMs: 1_000,
    detail: 'No connection to the backend: nothing was sent. Retry with the same key.',
    clause: 'RFC 9110 section 15.6.3',
  },
  'upstream-failed': {
    status: 502,
    title: 'The answer of the backend was lost',
    retryable: true,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: 1_000,
    detail:
      'The request was sent, and the connection broke before a whole answer came. It is not sent again under this key; a repeat tells what is known.',
    clause: 'RFC 9110 section 15.6.3',
  },
  'upstream-timeout': {
    status: 504,
    title: 'The backend did not answer in time',
    retryable: true,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: 1_000,
    detail:
      'The request was sent and is still waited for. Repeat it with the same key: an answer that comes late is replayed.',
    clause: 'RFC 9110 section 15.6.5',
  },
  'request-too-large': {
    status: 413,
    title: 'The request body is too large',
    retryable: false,
    sameKey: null,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'A request with a key is read whole before it is executed, up to the limit of its route. Nothing was executed; send less in one request.',
    clause: 'RFC 9110 section 15.5.14',
  },
  'request-timeout': {
    status: 408,
    title: 'The request did not arrive in time',
    retryable: true,
    sameKey: true,
    executed: 'unknown',
    retryAfterMs: 1_000,
    detail:
      'The request was not complete within the time limit. This attempt was not sent to the backend. Retry with the same key on a new connection.',
    clause: 'RFC 9110 section 15.5.9',
  },
  'bad-request': {
    status: 400,
    title: 'The request is malformed',
    retryable: false,
    sameKey: null,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'The request is not well-formed, or can be read in more than one way; nothing was executed. Correct the client.',
    clause: 'RFC 9112 section 2.2',
  },
  'head-too-large': {
    status: 431,
    title: 'The request head is too large',
    retryable: false,
    sameKey: null,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'The header section is larger than the configured limit; nothing was executed. Send fewer or shorter fields.',
    clause: 'RFC 6585 section 5',
  },
  'expectation-failed': {
    status: 417,
    title: 'The expectation cannot be met',
    retryable: false,
    sameKey: null,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'Nothing was executed. Send no Expect field, or "Expect: 100-continue", the only one that is understood.',
    clause: 'RFC 9110 section 15.5.18',
  },
  'method-not-supported': {
    status: 501,
    title: 'The method is not supported',
    retryable: false,
    sameKey: null,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'Onceward is a reverse proxy: CONNECT, and an upgrade with a key, are not served. Use another method.',
    clause: 'RFC 9110 section 15.6.2',
  },
  'task-unknown': {
    status: 404,
    title: 'No such task',
    retryable: false,
    sameKey: null,
    executed: null,
    retryAfterMs: null,
    detail:
      'There is no task with this id for this caller. Ask with the credentials that the task was started with, at the Location of its 202.',
    clause: 'RFC 9110 section 15.5.5',
  },
  'task-expired': {
    status: 410,
    title: 'Nothing is known of this task any more',
    retryable: false,
    sameKey: null,
    executed: 'unknown',
    retryAfterMs: null,
    detail:
      'The record of this task is gone: its retention is over, or it was not executed and its key has been free since. A start with the same key would execute; ask the backend first whether the task was done.',
    clause: 'RFC 9110 section 15.5.11',
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    retryable: false,
    sameKey: null,
    executed: 'no',
    retryAfterMs: null,
    detail: 'This resource of Onceward does not have that method; the Allow field lists those it has.',
    clause: 'RFC 9110 section 15.5.6',
  },
  'not-found': {
    status: 404,
    title: 'No route',
    retryable: false,
    sameKey: null,
    executed: 'no',
    retryAfterMs: null,
    detail:
      'No route of the configuration matches this request; nothing was executed. Check host, path and method.',
    clause: 'RFC 9110 section 15.5.5',
  },
} as const satisfies Readonly<Record<string, Omit<ProblemType, 'code'>>>;

export type ProblemCode = keyof typeof table;

/** In the order of the table. */
// Object.keys is typed string[]; the keys of the literal above are exactly the codes.
export const PROBLEM_CODES = Object.keys(table) as readonly ProblemCode[];

export function problemType(code: ProblemCode): ProblemType {
  return { code, ...table[code] };
}
