import type { ProblemFacts, Told } from './dialects.ts';
import type { ProblemCode } from './registry.ts';

/**
 * Problems as a gRPC client reads them: a call that is over with its head. UNAVAILABLE is what clients send again by
 * themselves, so it is said only where the same call with the same key is right.
 */
export const GRPC_STATUS_OF: Readonly<Record<ProblemCode, number>> = {
  'key-missing': 3,
  'key-invalid': 3,
  'scope-missing': 16,
  'credential-invalid': 16,
  'replay-denied': 7,
  'verification-unavailable': 14,
  'signature-invalid': 16,
  'ticket-unknown': 9,
  // Not ALREADY_EXISTS, which some callers take for a success.
  'key-reused': 9,
  'in-flight': 14,
  locked: 14,
  'resource-unnamed': 3,
  released: 14,
  'outcome-unknown': 2,
  'response-not-stored': 2,
  'response-unreadable': 2,
  'policy-changed': 9,
  'credential-rotated': 9,
  'repeatability-invalid': 3,
  'repeatability-window': 9,
  'repeatability-unsupported': 12,
  'precondition-required': 9,
  'precondition-failed': 9,
  'version-busy': 14,
  'version-unknown': 2,
  'precondition-invalid': 3,
  'sequence-missing': 3,
  'sequence-invalid': 3,
  'producer-unknown': 9,
  'producer-fenced': 9,
  'sequence-gap': 9,
  'sequence-waiting': 14,
  'sequence-blocked': 9,
  'sequence-too-old': 11,
  'store-unavailable': 14,
  overloaded: 8,
  draining: 14,
  'upstream-unreachable': 14,
  'upstream-failed': 2,
  'upstream-timeout': 4,
  'request-too-large': 3,
  'request-timeout': 4,
  'bad-request': 3,
  'head-too-large': 3,
  'expectation-failed': 3,
  'method-not-supported': 12,
  'task-unknown': 5,
  'task-expired': 5,
  'method-not-allowed': 12,
  'not-found': 12,
};

export function tellGrpc({ code, detail, retryable, retryAfterMs }: ProblemFacts): Told {
  // gRFC A6: a negative one tells the client's own retry policy to stop.
  const pushback = retryable ? (retryAfterMs === null ? null : Math.max(0, Math.ceil(retryAfterMs))) : -1;
  return {
    contentType: 'application/grpc',
    text: '',
    status: 200,
    rawHeaders: [
      'grpc-status',
      String(GRPC_STATUS_OF[code]),
      'grpc-message',
      percentEncoded(detail),
      ...(pushback === null ? [] : ['grpc-retry-pushback-ms', String(pushback)]),
    ],
  };
}

/** Of UTF-8, all but the printable ASCII characters and the percent sign itself. */
function percentEncoded(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8'))
    out +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return out;
}
