import { type Finding, fault } from './check-top.ts';
import type { Top } from './schema.ts';
import type { Policy } from './schema-policy.ts';
import type { ConfigPath } from './tree.ts';

/** Whether a scope can ever be told, and stays the same over the retries of one caller. */
export function checkScope(
  policy: Policy,
  top: Top | null,
  at: (...path: ConfigPath) => ConfigPath,
): readonly Finding[] {
  const { scope } = policy;
  const found: Finding[] = [...checkRotated(policy, at)];
  if (
    scope.headers.length === 0 &&
    scope.cookies.length === 0 &&
    !isProven(scope) &&
    scope.anonymous === 'refuse'
  ) {
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
  if (policy.replay.authorize === 'jwt' && scope.jwt === 'off') {
    const { jwt } = top;
    if (jwt === 'off')
      found.push(fault('needs jwt, which says whose tokens are believed', at('replay', 'authorize')));
    else if (!scope.headers.includes(jwt.header))
      found.push(
        fault(
          `would take any valid token in ${jwt.header} for that of the caller; name that field in scope.headers, or set scope.jwt`,
          at('replay', 'authorize'),
          at('scope', 'headers'),
        ),
      );
  }
  if (scope.certificate !== 'off' && (top.tls === 'off' || top.tls.clientCa === undefined))
    found.push(fault('needs tls.clientCa, which says whose certificates count', at('scope', 'certificate')));
  return found;
}

/** What another caller must not do has to be something that one can be seen to do, and that may be told. */
function checkRotated(
  { rotated, tenants, scope, fingerprint, sequence }: Policy,
  at: (...path: ConfigPath) => ConfigPath,
): readonly Finding[] {
  if (rotated !== 'refuse') return [];
  const found: Finding[] = [];
  if (tenants === 'many')
    found.push(
      fault(
        'rotated: refuse tells a caller that another one has used its key; set tenants: single where all of them act for one tenant, or scope by what outlives a credential, such as scope.jwt',
        at('rotated'),
        at('tenants'),
      ),
    );
  if (sequence !== 'off')
    found.push(
      fault(
        'has no meaning with sequence: the producer of another caller is not known to this one anyway; remove it',
        at('rotated'),
        at('sequence'),
      ),
    );
  const compared = fingerprint.headers.find((name) => scope.headers.includes(name));
  if (compared !== undefined)
    found.push(
      fault(
        `fingerprint.headers names ${compared}, which says whose key it is: two callers would never send the same request; remove it there`,
        at('fingerprint', 'headers'),
        at('rotated'),
      ),
    );
  if (![scope.headers, scope.cookies].some(({ length }) => length > 0) && !isProven(scope))
    found.push(fault('needs a scope that tells callers apart', at('rotated'), at('scope')));
  return found;
}

function isProven({ jwt, certificate }: Policy['scope']): boolean {
  return jwt !== 'off' || certificate !== 'off';
}
