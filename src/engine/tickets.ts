import { policiesOf, policyFor } from '../core/plan.ts';
import type { RoutePolicy } from '../core/policy.ts';
import type { ClaimResult, RecordKey, RecordView } from '../core/record.ts';
import { readScope } from '../core/scope.ts';
import { makeTicket, type TicketPolicy, type TicketState, ticketState } from '../core/ticket.ts';
import { unreachable } from '../core/unreachable.ts';
import { guard } from '../http/guard.ts';
import { StoreUnavailable } from '../store/contract.ts';
import type { Claimed } from './claim.ts';
import { answerOwn, type ReservedRequest } from './resource.ts';
import { refuse } from './respond.ts';
import type { Ending, RequestContext } from './types.ts';

/** Tickets are issued here, and looked at where they are spent. */

const REQUEST_BYTES_MAX = 4096;

/** `POST <prefix>/tickets` with `{"route": …}`, or with the method and target of the request to come. */
export async function issueTicket(request: ReservedRequest): Promise<Ending> {
  const { engine, snapshot, incoming, tail } = request;
  if (tail !== '') return refuse(engine, snapshot, incoming, 'not-found', NO_TICKETS);
  const read = await incoming.body.read(REQUEST_BYTES_MAX, engine.budget);
  switch (read.kind) {
    case 'complete': {
      // Small, and done with before anything else happens.
      engine.budget.give(read.bytes.byteLength);
      return answerWanted(request, wantedOf(read.bytes));
    }
    case 'too-large':
      return refuse(engine, snapshot, incoming, 'request-too-large');
    case 'timed-out':
      return refuse(engine, snapshot, incoming, 'request-timeout');
    case 'no-room':
      engine.metrics.overloaded('buffer');
      return refuse(engine, snapshot, incoming, 'overloaded');
    case 'aborted':
      return { ...GONE };
    default:
      return unreachable(read);
  }
}

const NO_TICKETS = 'There is no route of that name, or for that request, that takes tickets.';

const GONE: Ending = {
  outcome: 'rejected',
  status: 0,
  problem: null,
  context: null,
  upstreamMs: 0,
  bytesOut: 0,
  attempt: null,
};

type Wanted =
  | { readonly kind: 'route'; readonly name: string }
  | { readonly kind: 'request'; readonly method: string; readonly target: string }
  | { readonly kind: 'nothing' };

function wantedOf(body: Uint8Array): Wanted {
  let read: unknown;
  try {
    read = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return { kind: 'nothing' };
  }
  if (typeof read !== 'object' || read === null) return { kind: 'nothing' };
  if ('route' in read && typeof read.route === 'string') return { kind: 'route', name: read.route };
  return 'target' in read && typeof read.target === 'string'
    ? {
        kind: 'request',
        target: read.target,
        method: 'method' in read && typeof read.method === 'string' ? read.method : 'POST',
      }
    : { kind: 'nothing' };
}

function answerWanted(request: ReservedRequest, wanted: Wanted): Ending {
  const { engine, snapshot, incoming, head } = request;
  if (wanted.kind === 'nothing')
    return refuse(
      engine,
      snapshot,
      incoming,
      'bad-request',
      'Say {"route": …}, or {"method": …, "target": …}.',
    );
  const policy = wantedPolicy(request, wanted);
  const ticket = policy?.ticket ?? null;
  if (policy === null || ticket === null) return refuse(engine, snapshot, incoming, 'not-found', NO_TICKETS);
  const scope = readScope(policy.scope, head, request.caller);
  switch (scope.kind) {
    case 'scope':
      return issue(request, policy, ticket, scope.scope);
    case 'unknown':
      return refuse(engine, snapshot, incoming, scope.code, scope.detail);
    case 'unread':
      return refuse(engine, snapshot, incoming, 'verification-unavailable');
    default:
      return unreachable(scope);
  }
}

function wantedPolicy(
  { snapshot, head, host }: ReservedRequest,
  wanted: Exclude<Wanted, { kind: 'nothing' }>,
): RoutePolicy | null {
  if (wanted.kind === 'route')
    return policiesOf(snapshot.config).find(({ name }) => name === wanted.name) ?? null;
  const { method, target } = wanted;
  const guarded = guard({ ...head, method, target }, snapshot.guardLimits, snapshot.reliedOn);
  if (guarded.kind === 'refused') return null;
  const { path } = guarded;
  return policyFor(snapshot.config, { method, host, path, rawHeaders: head.rawHeaders });
}

function issue(
  { engine, snapshot, incoming }: ReservedRequest,
  policy: RoutePolicy,
  ticket: TicketPolicy,
  scope: Uint8Array,
): Ending {
  // Callers without credentials are told apart by where they come from, or one would take the tickets of all.
  const isAnonymous = scope.byteLength === 1;
  const who = isAnonymous ? Buffer.from(incoming.peer.address) : scope;
  const taken = engine.tickets.take(policy, ticket, who);
  if (taken.kind === 'none-left') {
    engine.metrics.overloaded('principal_tickets');
    engine.metrics.ticket(policy.name, 'limited');
    return refuse(engine, snapshot, incoming, 'overloaded', undefined, [], taken.retryAfterMs);
  }
  const [secret] = snapshot.secrets;
  if (secret === undefined) throw new Error('a store without a secret has been opened');
  const binding = { route: policy.name, scope };
  const text = makeTicket(secret, binding, engine.wallMs() + ticket.lifeMs, engine.tickets.newId());
  engine.metrics.ticket(policy.name, 'issued');
  return answerOwn(engine, incoming, 201, ['Cache-Control', 'no-store'], {
    ticket: text,
    route: policy.name,
    expiresInMs: ticket.lifeMs,
  });
}

/** What came as a key of a route that takes tickets. */
export function presentTicket(
  { engine, snapshot, policy }: RequestContext,
  scope: Uint8Array,
  text: string,
): TicketState {
  const state = ticketState(snapshot.secrets, { route: policy.name, scope }, text, engine.wallMs());
  engine.metrics.ticket(policy.name, state);
  return state;
}

/**
 * What is known of a ticket that may not be spent any more; null: nothing is, or it was given back. Read and never
 * claimed: a record that goes at this moment would make a spent ticket a new key.
 */
export async function recallTicket(
  { engine }: RequestContext,
  recordKeys: readonly RecordKey[],
): Promise<Claimed | null> {
  try {
    for (const recordKey of recordKeys) {
      const view = await engine.store.inspect(recordKey);
      const result = view === null ? null : resultOf(view);
      if (result !== null)
        return { kind: 'answered', result, recordKey, owner: '', sentMs: engine.monotonicMs() };
    }
    return null;
  } catch (error) {
    if (error instanceof StoreUnavailable) return { kind: 'down', error };
    throw error;
  }
}

/** As a claim would have been answered, had the key been another's. */
function resultOf(view: RecordView): ClaimResult | null {
  const { fingerprint, policyId, token } = view;
  const known = { fingerprint, policyId, token };
  switch (view.state) {
    case 'completed':
      return view.response === null ? null : { kind: 'completed', ...known, response: view.response };
    case 'claimed':
      // A holder that died before it sent anything has spent nothing.
      return view.leaseLeftMs > 0 ? { kind: 'inFlight', ...known, leaseLeftMs: view.leaseLeftMs } : null;
    case 'dispatched':
      return { kind: 'inFlight', ...known, leaseLeftMs: view.leaseLeftMs };
    case 'unknown':
      return { kind: 'unknown', ...known, reason: view.reason, unknownForMs: view.unknownForMs };
    case 'released':
      return null;
    default:
      return unreachable(view.state);
  }
}
