import { classifyMethod, mayBeKeyed } from './classify.ts';
import { readHeadKey } from './key.ts';
import { messagePlaces } from './message.ts';
import type { RequestClass } from './outcome.ts';
import type { RoutePolicy } from './policy.ts';
import { demandOf, type PreconditionPolicy } from './precondition.ts';
import { matchRoute } from './route.ts';
import { readScope } from './scope.ts';
import { unreachable } from './unreachable.ts';
import type { RequestHead } from './wire.ts';

/** What a request's head alone decides: route, class, key, scope. Serving and `explain` both start here. */

export type PlanProblem =
  | 'key-missing'
  | 'key-invalid'
  | 'scope-missing'
  | 'bad-request'
  | 'precondition-required'
  | 'precondition-invalid';

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
      /** unknown: refused before its key was looked up, and an earlier request with it may have been executed. */
      readonly executed?: 'unknown';
    };

export type RouteTable = {
  readonly routes: readonly RoutePolicy[];
  readonly fallback:
    | { readonly kind: 'policy'; readonly policy: RoutePolicy }
    | { readonly kind: 'not-found' };
};

type Facts = { readonly host: string; readonly path: string };

export function plan(table: RouteTable, head: RequestHead, facts: Facts): Planned {
  const planned = planKey(table, head, facts);
  return planned.kind === 'not-found' || planned.policy.precondition === null
    ? planned
    : planDemand(planned, planned.policy.precondition, head);
}

function planKey(table: RouteTable, head: RequestHead, facts: Facts): Planned {
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
  // A delivery whose signature counts is read whole, whether or not it turns out to have an id.
  const verified = policy.message !== null && policy.message.signature !== null;
  if (mayBeKeyed(requestClass, policy) === 'no' && !verified)
    return { kind: 'bypass', policy, requestClass, why: 'idempotent' };
  const found = readHeadKey(policy.key, head);
  switch (found.kind) {
    case 'invalid':
      return { kind: 'refused', policy, requestClass, code: 'key-invalid', detail: found.detail };
    case 'absent':
      if (policy.key.presence === 'required')
        return {
          kind: 'refused',
          policy,
          requestClass,
          code: 'key-missing',
          detail: missingKeyDetail(policy),
        };
      return verified
        ? withScope(policy, requestClass, head, null)
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

/** Before the body is read, as a missing key: the demand is about the head alone. */
function planDemand(
  planned: Exclude<Planned, { kind: 'not-found' }>,
  precondition: PreconditionPolicy,
  head: RequestHead,
): Planned {
  if (planned.kind === 'refused') return planned;
  const { policy, requestClass } = planned;
  const demand = demandOf(precondition, head);
  const executed = planned.kind === 'keyed' ? ({ executed: 'unknown' } as const) : {};
  switch (demand.kind) {
    case 'not-concerned':
    case 'fulfilled':
      return planned;
    case 'missing': {
      const detail = missingConditionDetail(head.method);
      return { kind: 'refused', policy, requestClass, code: 'precondition-required', detail, ...executed };
    }
    case 'invalid': {
      const detail = `The field ${demand.field} is neither "*" nor a list of entity tags, each in its double quotes. This attempt was not executed.`;
      return { kind: 'refused', policy, requestClass, code: 'precondition-invalid', detail, ...executed };
    }
    default:
      return unreachable(demand);
  }
}

function missingConditionDetail(method: string): string {
  const create =
    method === 'PUT' ? ' To create a resource that must not be there yet, send If-None-Match: *.' : '';
  return `A ${method} here has to name the version it is meant for: ask for the resource with GET, and send its ETag in If-Match. This attempt was not executed.${create}`;
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
      case 'form':
        return `the form field ${source.name}`;
      case 'message':
        return messagePlaces(source.preset);
      default:
        return unreachable(source);
    }
  });
  if (policy.key.sources.some((source) => source.kind === 'message'))
    return `A message is recognised by its id, which this one does not have in ${places.join(' or ')}.`;
  return `This operation needs an idempotency key in ${places.join(' or ')}: a fresh random value for each operation, the same value for each retry of it.`;
}
