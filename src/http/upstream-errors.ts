import type { NeverDispatchedCause } from '../core/settle.ts';

/** What the errors of sockets and TLS say of a request that did not leave. */

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
