import { isIP } from 'node:net';

/**
 * A page in a browser on this machine must not reach the admin port: neither by a request across origins (CSRF), nor
 * by a name of its own that resolves to a loopback address (DNS rebinding).
 */
export type AdminGuardResult = 'let-in' | 'origin' | 'host';

export function guardAdmin(
  listenHost: string,
  headers: { readonly host: string | undefined; readonly origin: string | undefined },
): AdminGuardResult {
  if (headers.origin !== undefined) return 'origin';
  return allowedHost(listenHost, hostName(headers.host ?? '')) === 'allowed' ? 'let-in' : 'host';
}

function allowedHost(listenHost: string, name: string): 'allowed' | 'refused' {
  if (name === '') return 'refused';
  if (isLoopback(name) || name === listenHost.toLowerCase()) return 'allowed';
  // On all addresses any of them may be asked for, but by number: rebinding needs a name.
  const wildcard = listenHost === '0.0.0.0' || listenHost === '::' || listenHost === '';
  return wildcard && isIP(name) !== 0 ? 'allowed' : 'refused';
}

function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}

/** `Host` without its port, brackets and a final dot, in lower case; empty where it is malformed. */
function hostName(host: string): string {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(host);
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase().replace(/\.$/, '');
}
