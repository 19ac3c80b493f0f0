import { classifyMethod, mayBeKeyed } from './classify.ts';
import { readHeadKey } from './key.ts';
import type { RequestClass } from './outcome.ts';
import type { RoutePolicy } from './policy.ts';
import { matchRoute } from './route.ts';
import { readScope } from './scope.ts';
import { unreachable } from './unreachable.ts';
import type { RequestHead } from './wire.ts';

/** What a request's head alone decides: route, class, key, scope. Serving and `explain` both start here. */

export type PlanProblem = 'key-missing' | 'key-invalid' | 'scope-missing' | 'bad-request';

export type Planned =
  | { readonly kind: 'not-found' }
  | {
      readonly kind: 'bypass';
      readonly policy: RoutePolicy;
      readonly requestClass: RequestClass;
      readonly why: 'safe' | 'idempotent' | 'no-key';
    }
  | {
      readonly kind: 'keyed';
      readonly policy: RoutePolicy;
      readonly requestClass: RequestClass;
      /** Null: the key is looked for in the body, once that is read. */
      readonly key: string | null;
      readonly scope: Uint8Array;
    }
  | {
      readonly kind: 'refused';
      readonly policy: RoutePolicy;
      readonly requestClass: RequestClass;
      readonly code: PlanProblem;
      readonly detail: string;
    };

export type RouteTable = {
  readonly routes: readonly RoutePolicy[];
  readonly fallback:
    | { readonly kind: 'policy'; readonly policy: RoutePolicy }
    | { readonly kind: 'not-found' };
};

export function plan(
  table: RouteTable,
  head: RequestHead,
  facts: { readonly host: string; readonly path: string },
): Planned {
  const matched = matchRoute(table.routes, {
    method: head.method,
    host: facts.host,
    path: facts.path,
    rawHeaders: head.rawHeaders,
  });
  const { fallback } = table;
  const policy = matched ?? (fallback.kind === 'policy' ? fallback.policy : null);
  if (policy === null) return { kind: 'not-found' };
  const requestClass = classifyMethod(head.method);
  // A safe request has nothing to protect; a key on it is ignored (RFC 9110 section 9.2.1).
  if (requestClass === 'safe') return { kind: 'bypass', policy, requestClass, why: 'safe' };
  if (mayBeKeyed(requestClass, policy) === 'no')
    return { kind: 'bypass', policy, requestClass, why: 'idempotent' };
  const found = readHeadKey(policy.key, head);
  switch (found.kind) {
    case 'invalid':
      return { kind: 'refused', policy, requestClass, code: 'key-invalid', detail: found.detail };
    case 'absent':
      return policy.key.presence === 'required'
        ? { kind: 'refused', policy, requestClass, code: 'key-missing', detail: missingKeyDetail(policy) }
        : { kind: 'bypass', policy, requestClass, why: 'no-key' };
    case 'key':
    case 'in-body':
      return withScope(policy, requestClass, head, found.kind === 'key' ? found.key : null);
    default:
      return unreachable(found);
  }
}

function withScope(
  policy: RoutePolicy,
  requestClass: RequestClass,
  head: RequestHead,
  key: string | null,
): Planned {
  const scope = readScope(policy.scope, head);
  switch (scope.kind) {
    case 'scope':
      return { kind: 'keyed', policy, requestClass, key, scope: scope.scope };
    case 'missing':
      return { kind: 'refused', policy, requestClass, code: 'scope-missing', detail: scope.detail };
    case 'invalid':
      return { kind: 'refused', policy, requestClass, code: 'bad-request', detail: scope.detail };
    default:
      return unreachable(scope);
  }
}

export function missingKeyDetail(policy: RoutePolicy): string {
  const places = policy.key.sources.map((source) => {
    switch (source.kind) {
      case 'header':
        return `the header field ${source.name}`;
      case 'query':
        return `the query parameter ${source.name}`;
      case 'json':
        return `the JSON body member ${source.pointer}`;
      default:
        return unreachable(source);
    }
  });
  return `This operation needs an idempotency key in ${places.join(' or ')}: a fresh random value for each operation, the same value for each retry of it.`;
}
