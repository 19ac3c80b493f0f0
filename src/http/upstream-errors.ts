import { errors } from 'undici';
import type { FailureCause, NeverDispatchedCause } from '../core/settle.ts';

/** What the errors of sockets, TLS and undici say of a request that did not leave, or of its answer. */

export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : '';
}

export function messageOf(error: unknown): string {
  const code = codeOf(error);
  const message = error instanceof Error && error.message !== '' ? error.message : 'no reason given';
  return code === '' || message.includes(code) ? message : `${code}: ${message}`;
}

export function neverDispatchedCause(error: unknown): NeverDispatchedCause {
  const code = codeOf(error);
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'dns';
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return 'connect-timeout';
    default:
      return code.startsWith('ERR_TLS') ||
        code.startsWith('ERR_SSL') ||
        code.includes('CERT') ||
        code.includes('ISSUER') ||
        code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' ||
        code === 'EPROTO'
        ? 'tls'
        : 'connect';
  }
}

/** Of a request that left; `status`: of its answer, 0 before a final head. */
export function failureCause(error: Error, status: number): FailureCause {
  // By its type: its code is mostly missing. At the end of the connection it means that more should have come.
  if (error instanceof errors.HTTPParserError && !error.message.includes('Invalid EOF state'))
    return 'bad-framing';
  switch (codeOf(error)) {
    case 'UND_ERR_HEADERS_OVERFLOW':
      return 'bad-framing';
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return 'truncated';
    case 'UND_ERR_ABORTED':
      return 'aborted';
    default:
      return status >= 200 ? 'truncated' : 'reset';
  }
}
