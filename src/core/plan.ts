import type { Caller } from './caller.ts';
import { classifyMethod, mayBeKeyed } from './classify.ts';
import { trailersOn } from './grpc.ts';
import { readHeadKey } from './key.ts';
import { messagePlaces } from './message.ts';
import type { RequestClass } from './outcome.ts';
import type { RoutePolicy } from './policy.ts';
import { demandOf, type PreconditionPolicy } from './precondition.ts';
import type { SequencePolicy } from './producer.ts';
import { readRepeatability } from './repeatability.ts';
import { matchRoute, type RouteRequest } from './route.ts';
import { readScope, type ScopeProblem } from './scope.ts';
import { readSequence, type SequenceIds } from './sequence.ts';
import { unreachable } from './unreachable.ts';
import type { RequestHead } from './wire.ts';

/** What a request's head alone decides: route, class, key, scope. Serving and `explain` both start here. */

/** Never of a route that is observed: the two exclude each other. */
export type SequenceProblem = 'sequence-missing' | 'sequence-invalid';

export type PlanProblem =
  | 'key-missing'
  | 'key-invalid'
  | ScopeProblem
  | SequenceProblem
  | 'precondition-required'
  | 'precondition-invalid'
  | 'repeatability-invalid'
  | 'repeatability-window'
  | 'repeatability-unsupported';

export type Planned =
  | { readonly kind: 'not-found' }
  | {
      readonly kind: 'bypass';
      readonly policy: RoutePolicy;
      readonly requestClass: RequestClass;
      readonly why: 'safe' | 'idempotent' | 'no-key' | 'no-sequence';
    }
  | {
      readonly kind: 'keyed';
      readonly policy: RoutePolicy;
      readonly requestClass: RequestClass;
      /** Null: the key is looked for in the body, once that is read. */
      readonly key: string | null;
      readonly scope: Uint8Array;
    }
  /** Whose key it is depends on a token that nobody has read yet: plan again once it is. */
  | { readonly kind: 'unidentified'; readonly policy: RoutePolicy; readonly requestClass: RequestClass }
  | {
      readonly kind: 'sequenced';
      readonly policy: RoutePolicy;
      readonly requestClass: RequestClass;
      readonly ids: SequenceIds;
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
      /** close: two parties may read it in two ways. */
      readonly connection?: 'close';
    };

export type RouteTable = {
  readonly routes: readonly RoutePolicy[];
  readonly fallback:
    | { readonly kind: 'policy'; readonly policy: RoutePolicy }
    | { readonly kind: 'not-found' };
};

/** Of all routes and of the requests that match none, in the order in which they are looked at. */
export function policiesOf({ routes, fallback }: RouteTable): readonly RoutePolicy[] {
  return fallback.kind === 'policy' ? [...routes, fallback.policy] : routes;
}

/** Of tokens: what any route asks for. */
export function claimsAsked(table: RouteTable): ReadonlySet<string> {
  return new Set(policiesOf(table).flatMap(({ scope }) => scope.jwt?.claims ?? []));
}

/** Of the first route that matches, else of the requests that match none; null where those get 404. */
export function policyFor({ routes, fallback }: RouteTable, request: RouteRequest): RoutePolicy | null {
  return matchRoute(routes, request) ?? (fallback.kind === 'policy' ? fallback.policy : null);
}

type Facts = { readonly host: string; readonly path: string };

/** `wallMs` is asked only where a route judges dates. */
export function plan(
  table: RouteTable,
  head: RequestHead,
  facts: Facts,
  wallMs: () => number,
  caller: Caller,
): Planned {
  const planned = planDated(planKey(table, head, facts, caller), head, wallMs);
  return planned.kind === 'not-found' || planned.policy.precondition === null
    ? planned
    : planDemand(planned, planned.policy.precondition, head);
}

/** A date goes before all that the key may come to: without it nobody knows what a forgotten key is. */
function planDated(planned: Planned, head: RequestHead, wallMs: () => number): Planned {
  const repeatability = planned.kind === 'not-found' ? null : (planned.policy.dialect?.repeatability ?? null);
  if (planned.kind === 'not-found' || repeatability === null || planned.requestClass === 'safe')
    return planned;
  const { policy, requestClass } = planned;
  const judged = readRepeatability(repeatability, head, mayBeKeyed(requestClass, policy), wallMs());
  if (judged.kind !== 'refused') return planned;
  return { kind: 'refused', policy, requestClass, code: judged.code, detail: judged.detail };
}

function planKey(table: RouteTable, head: RequestHead, facts: Facts, caller: Caller): Planned {
  const policy = policyFor(table, {
    method: head.method,
    host: facts.host,
    path: facts.path,
    rawHeaders: head.rawHeaders,
  });
  if (policy === null) return { kind: 'not-found' };
  const requestClass = classifyMethod(head.method);
  if (facts.path.includes(';') && policy !== withoutParameters(table, head, facts))
    return { kind: 'refused', policy, requestClass, code: 'bad-request', detail: PARAMETERS };
  if (trailersOn(policy) === 'kept' && head.httpVersion !== '2.0')
    return { kind: 'refused', policy, requestClass, code: 'bad-request', detail: NOT_HTTP2 };
  // A safe request has nothing to protect; a key on it is ignored (RFC 9110 section 9.2.1).
  if (requestClass === 'safe') return { kind: 'bypass', policy, requestClass, why: 'safe' };
  if (policy.sequence !== null) return planSequence(policy, policy.sequence, requestClass, head, caller);
  // A delivery whose signature counts is read whole, whether or not it turns out to have an id.
  const verified = policy.message !== null && policy.message.signature !== null;
  if (mayBeKeyed(requestClass, policy) === 'no' && !verified)
    return { kind: 'bypass', policy, requestClass, why: 'idempotent' };
  const isJsonRpc = policy.dialect !== null && policy.dialect.jsonRpc !== null;
  const found = readHeadKey(policy.key, head);
  switch (found.kind) {
    case 'invalid':
      return {
        ...{ kind: 'refused', policy, requestClass, code: 'key-invalid', detail: found.detail },
        ...(found.keys === 'several' ? { connection: 'close' } : {}),
      };
    case 'absent':
      // Which messages need one is known once they are read.
      if (policy.key.presence === 'required' && !isJsonRpc)
        return {
          kind: 'refused',
          policy,
          requestClass,
          code: 'key-missing',
          detail: missingKeyDetail(policy),
        };
      return verified || (isJsonRpc && policy.key.presence === 'required')
        ? withScope(policy, requestClass, head, caller, { kind: 'keyed', key: null })
        : { kind: 'bypass', policy, requestClass, why: 'no-key' };
    case 'key':
    case 'in-body':
      return withScope(policy, requestClass, head, caller, {
        kind: 'keyed',
        key: found.kind === 'key' ? found.key : null,
      });
    default:
      return unreachable(found);
  }
}

const PARAMETERS =
  'A backend that leaves out what stands behind a semicolon would take this path for one of another route.';

/** The policy of the path as such a backend reads it (RFC 3986 section 3.3). */
function withoutParameters(
  table: RouteTable,
  { method, rawHeaders }: RequestHead,
  facts: Facts,
): RoutePolicy | null {
  const path = facts.path.replace(/;[^/]*/g, '');
  return policyFor(table, { method, host: facts.host, path, rawHeaders });
}

const NOT_HTTP2 = 'Calls of gRPC come over HTTP/2: without trailers nobody could tell how one ended.';

/** Idempotent methods too: a PUT that overtakes another one breaks the order all the same. */
function planSequence(
  policy: RoutePolicy,
  { presence }: SequencePolicy,
  requestClass: RequestClass,
  head: RequestHead,
  caller: Caller,
): Planned {
  const found = readSequence(head.rawHeaders);
  switch (found.kind) {
    case 'invalid':
      return { kind: 'refused', policy, requestClass, code: 'sequence-invalid', detail: found.detail };
    case 'absent':
      return presence === 'required'
        ? { kind: 'refused', policy, requestClass, code: 'sequence-missing', detail: MISSING_SEQUENCE }
        : { kind: 'bypass', policy, requestClass, why: 'no-sequence' };
    case 'sequence':
      return withScope(policy, requestClass, head, caller, { kind: 'sequenced', ids: found.ids });
    default:
      return unreachable(found);
  }
}

const MISSING_SEQUENCE =
  'This operation needs Producer-Id, Producer-Epoch and Producer-Sequence: get an id and its epoch from Onceward, count your requests from 0, and send the same number with each retry.';

type Sequenced = Extract<Planned, { kind: 'sequenced' }>;

function withScope(
  policy: RoutePolicy,
  requestClass: RequestClass,
  head: RequestHead,
  caller: Caller,
  named: Pick<Extract<Planned, { kind: 'keyed' }>, 'kind' | 'key'> | Pick<Sequenced, 'kind' | 'ids'>,
): Planned {
  const scope = readScope(policy.scope, head, caller);
  switch (scope.kind) {
    case 'scope':
      return { ...named, policy, requestClass, scope: scope.scope };
    case 'unread':
      return { kind: 'unidentified', policy, requestClass };
    case 'unknown':
      return { kind: 'refused', policy, requestClass, code: scope.code, detail: scope.detail };
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
  if (planned.kind === 'refused' || planned.kind === 'unidentified') return planned;
  const { policy, requestClass } = planned;
  const demand = demandOf(precondition, head);
  const executed = planned.kind === 'bypass' ? {} : ({ executed: 'unknown' } as const);
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
  if (policy.ticket !== null)
    return `This operation needs a ticket in ${places.join(' or ')}: fetch a fresh one for each operation, and send the same one with each retry of it.`;
  return `This operation needs an idempotency key in ${places.join(' or ')}: a fresh random value for each operation, the same value for each retry of it.`;
}
