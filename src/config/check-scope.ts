import { type Finding, fault } from './check-top.ts';
import type { Top } from './schema.ts';
import type { Policy } from './schema-policy.ts';
import type { ConfigPath } from './tree.ts';

/** Whether a scope can ever be told, and stays the same over the retries of one caller. */
export function checkScope(
  { scope }: Policy,
  top: Top | null,
  at: (...path: ConfigPath) => ConfigPath,
): readonly Finding[] {
  const found: Finding[] = [];
  const isProven = scope.jwt !== 'off' || scope.certificate !== 'off';
  if (scope.headers.length === 0 && scope.cookies.length === 0 && !isProven && scope.anonymous === 'refuse') {
    found.push(
      fault(
        'scope.headers names no field, so that every keyed request would be refused; name one, or set scope.anonymous: allow',
        at('scope', 'headers'),
        at('scope', 'anonymous'),
      ),
    );
  }
  if (top === null) return found;
  if (scope.jwt !== 'off') {
    const { jwt } = top;
    if (jwt === 'off')
      found.push(fault('needs jwt, which says whose tokens are believed', at('scope', 'jwt')));
    else if (scope.headers.includes(jwt.header))
      found.push(
        fault(
          `names ${jwt.header}, which carries the token: a renewed token would make a retry a new request; remove it`,
          at('scope', 'headers'),
        ),
      );
  }
  if (scope.certificate !== 'off' && (top.tls === 'off' || top.tls.clientCa === undefined))
    found.push(fault('needs tls.clientCa, which says whose certificates count', at('scope', 'certificate')));
  return found;
}
