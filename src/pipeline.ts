import { wholeKey } from './core/body-key.ts';
import { callerOf } from './core/caller.ts';
import { decide } from './core/decide.ts';
import { fingerprint } from './core/fingerprint.ts';
import { messagesIn, trailersOn } from './core/grpc.ts';
import { readJsonRpc } from './core/json-rpc.ts';
import { lockOf } from './core/lock-policy.ts';
import { missingKeyDetail, type Planned, plan } from './core/plan.ts';
import { versionUse } from './core/precondition.ts';
import { recordKeysOf } from './core/record-key.ts';
import { reservedRest } from './core/reserved.ts';
import { unreachable } from './core/unreachable.ts';
import { refuseReplay } from './engine/authorize.ts';
import type { ClaimAnswer } from './engine/claim.ts';
import { countDemand } from './engine/demand.ts';
import { forward } from './engine/forward.ts';
import type { HeldBody } from './engine/held-body.ts';
import { identify } from './engine/identify.ts';
import { join } from './engine/join.ts';
import { claimBounded } from './engine/new-keys.ts';
import { noteObserved, observe, observeRefused } from './engine/observe.ts';
import type { Principals } from './engine/principals.ts';
import { readBody } from './engine/read-body.ts';
import { answerReserved } from './engine/reserved.ts';
import { answerOverloaded, answerProblem, answerStoreUnavailable, refuse } from './engine/respond.ts';
import { refuseRotated } from './engine/rotated.ts';
import { handleSequence } from './engine/sequence.ts';
import { answerStored } from './engine/stored.ts';
import { startTask } from './engine/task.ts';
import { presentTicket, recallTicket } from './engine/tickets.ts';
import type { Ending, Engine, RequestContext, Snapshot } from './engine/types.ts';
import { verifyDelivery } from './engine/verify.ts';
import { executeGranted } from './engine/versioned.ts';
import { withinClient } from './engine/within-client.ts';
import { guard } from './http/guard.ts';
import type { Incoming } from './http/seam.ts';
import { forwardUnkeyed, handleUnkeyed } from './pipeline-unkeyed.ts';
import type { StoreUnavailable } from './store/contract.ts';

/**
 * The way of a request, top to bottom: guard, route, classify, identify, read, claim, decide, act.
 * Whatever a step may find is a value; this file alone says what follows from it.
 */

export function handleRequest(engine: Engine, snapshot: Snapshot, incoming: Incoming): Promise<Ending> {
  return engine.clients === null
    ? handleAdmitted(engine, snapshot, incoming)
    : withinClient(engine.clients, engine, snapshot, incoming, handleAdmitted);
}

async function handleAdmitted(engine: Engine, snapshot: Snapshot, incoming: Incoming): Promise<Ending> {
  const guarded = guard(incoming.head, snapshot.guardLimits, snapshot.reliedOn);
  if (guarded.kind === 'refused') return refuse(engine, snapshot, incoming, guarded.code, guarded.detail);
  const head =
    guarded.target === incoming.head.target ? incoming.head : { ...incoming.head, target: guarded.target };
  if (incoming.body.framing !== 'none' && snapshot.config.safeBody === 'refuse' && BODILESS.has(head.method))
    return refuse(engine, snapshot, incoming, 'bad-request', NO_BODY);
  if (engine.draining() === 'draining') return refuse(engine, snapshot, incoming, 'draining');
  const rest = reservedRest(snapshot.config.reserved, guarded.path);
  if (rest !== null)
    return await answerReserved(engine, snapshot, incoming, { head, host: guarded.host, rest });
  const caller = callerOf(incoming.peer);
  const first = plan(snapshot.config, head, guarded, engine.wallMs, caller);
  const planned =
    first.kind === 'unidentified'
      ? plan(snapshot.config, head, guarded, engine.wallMs, await identify(snapshot, head, caller))
      : first;
  if (planned.kind === 'unidentified') throw new Error('a token that was read counts as not read');
  if (planned.kind === 'not-found') return refuse(engine, snapshot, incoming, 'not-found');
  const context: RequestContext = {
    engine,
    snapshot,
    incoming,
    head,
    host: guarded.host,
    path: guarded.path,
    policy: planned.policy,
    requestClass: planned.requestClass,
    scope: null,
    key: null,
    recordKey: null,
    principal: null,
  };
  const overload = engine.admission(heldOf(planned, incoming));
  if (overload !== null) return answerOverloaded(context, overload);
  return await handlePlanned(context, planned);
}

/** A body has no meaning there (RFC 9110 section 9.3), and some backends take it for the next request. */
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
const NO_BODY =
  'A request of this method has no body here; where the backend wants one, its operator can allow it.';

/** Every request that has a route, with whoever asks looked at. */
type Routed = Exclude<Planned, { kind: 'not-found' | 'unidentified' }>;

/** What a request will hold here: observing holds back nothing, so what it observes is passed on at once. */
function heldOf(planned: Routed, incoming: Incoming): 'unkeyed' | 'keyed' | 'keyed-with-body' {
  const { policy, requestClass } = planned;
  const readFirst =
    lockOf(policy, requestClass) !== null || versionUse(policy, incoming.head.method).kind === 'write';
  if (planned.kind === 'refused' || policy.mode === 'observe') return 'unkeyed';
  if (planned.kind === 'bypass' && !readFirst) return 'unkeyed';
  return incoming.body.framing === 'none' ? 'keyed' : 'keyed-with-body';
}

async function handlePlanned(context: RequestContext, planned: Routed): Promise<Ending> {
  if (context.policy.precondition !== null) countDemand(context, context.policy.precondition, planned);
  switch (planned.kind) {
    case 'bypass':
      if (planned.why === 'no-key' && planned.policy.mode === 'observe')
        noteObserved(context, 'no-key', { recordKey: null, status: null });
      return await handleUnkeyed(context);
    case 'refused':
      // Observing changes nothing: what would be refused is counted and passed on.
      if (
        planned.policy.mode === 'observe' &&
        planned.code !== 'sequence-missing' &&
        planned.code !== 'sequence-invalid'
      )
        return await observeRefused(context, planned.code);
      return answerProblem(context, planned.code, 'rejected', {
        detail: planned.detail,
        ...(planned.executed === undefined ? {} : { executed: planned.executed }),
        ...(planned.connection === undefined ? {} : { connection: planned.connection }),
      });
    case 'keyed':
      return planned.policy.mode === 'observe'
        ? await observe(context, planned.key, planned.scope)
        : await handlePrincipal(context, planned);
    case 'sequenced':
      return await handlePrincipal(context, planned);
    default:
      return unreachable(planned);
  }
}

/** A request that has a record, by its key or by its number. */
type Recorded = Extract<Planned, { kind: 'keyed' | 'sequenced' }>;

/** A principal that has its share of the places waits for its own requests to end, not the others for it. */
function handlePrincipal(context: RequestContext, planned: Recorded): Promise<Ending> {
  const { principals } = context.engine;
  return principals === null ? handleKeyed(context, planned) : handleBounded(principals, context, planned);
}

async function handleBounded(
  principals: Principals,
  context: RequestContext,
  planned: Recorded,
): Promise<Ending> {
  const principal = principals.of(planned.scope);
  if (principal.enter() === 'full') return answerOverloaded(context, 'principal_in_flight');
  try {
    return await handleKeyed({ ...context, principal }, planned);
  } finally {
    context.incoming.reply.onClosed(() => principal.leave());
  }
}

/** The body is read before the claim: a client that leaves half-way has burnt no key (fault 7). */
async function handleKeyed(unread: RequestContext, planned: Recorded): Promise<Ending> {
  const read = await readBody(unread, unread.policy.requestBytesMax);
  if (read.kind === 'ended') return read.ending;
  try {
    if (unread.engine.shuttingDown() === 'yes') return answerProblem(unread, 'draining', 'overloaded');
    return planned.kind === 'sequenced'
      ? await handleSequence(unread, planned, read.body, act)
      : await handleRead(unread, planned.key, planned.scope, read.body);
  } finally {
    read.body.drop();
  }
}

const NOT_UNARY =
  'A call with a key has one message, whole: what comes in a stream is not compared or replayed.';

async function handleRead(
  received: RequestContext,
  headKey: string | null,
  scope: Uint8Array,
  body: HeldBody,
): Promise<Ending> {
  const { snapshot, policy, head } = received;
  // Before anything is looked up: a forged delivery must not burn the id of a genuine one.
  if (policy.message !== null && verifyDelivery(received, policy.message, body.bytes()) === 'forged')
    return answerProblem(received, 'signature-invalid', 'rejected');
  const rpc = policy.dialect?.jsonRpc ?? null;
  const message = rpc === null ? null : readJsonRpc(rpc, body.bytes());
  if (message !== null) received.engine.metrics.jsonRpcMessage(policy.name, message.kind);
  if (message?.kind === 'other') return await forwardUnkeyed(received, body);
  if (message?.kind === 'refused')
    return answerProblem(received, 'key-invalid', 'rejected', { detail: message.detail });
  if (trailersOn(policy) === 'kept' && messagesIn(body.bytes()) !== 1)
    return answerProblem(received, 'bad-request', 'rejected', { detail: NOT_UNARY });
  const unread = message?.kind === 'call' ? { ...received, replyId: message.id } : received;
  const found = wholeKey(policy.key, headKey, head, body.bytes());
  if (found.kind === 'invalid')
    return answerProblem(unread, 'key-invalid', 'rejected', {
      detail: found.detail,
      ...(found.keys === 'several' ? { connection: 'close' } : {}),
    });
  if (found.kind === 'absent')
    return policy.key.presence === 'required'
      ? answerProblem(unread, 'key-missing', 'rejected', { detail: missingKeyDetail(policy) })
      : await forwardUnkeyed(unread, body);
  const { key } = found;
  const ticket = policy.ticket === null ? 'none' : presentTicket(unread, scope, key);
  if (ticket === 'unknown') return answerProblem(unread, 'ticket-unknown', 'rejected');
  const digest = fingerprint(policy.fingerprint, head, body.bytes());
  const recordKeys = recordKeysOf(snapshot.secrets, policy.keyspace, scope, key);
  const context = { ...unread, scope, key, recordKey: recordKeys[0] ?? null };
  const claimed =
    ticket === 'expired'
      ? await recallTicket(context, recordKeys)
      : await claimBounded(context, recordKeys, digest, body.bytes());
  if (claimed === null) return answerProblem(unread, 'ticket-unknown', 'rejected');
  switch (claimed.kind) {
    case 'answered': {
      const rotated = refuseRotated(context, claimed, recordKeys, digest);
      const refused = rotated === null ? null : await rotated;
      return refused ?? (await act(context, claimed, digest, body));
    }
    case 'down':
      return await storeDown(context, claimed.error, body);
    case 'no-new-keys':
      return answerOverloaded(context, 'principal_new_keys', claimed.retryAfterMs);
    default:
      return unreachable(claimed);
  }
}

async function act(
  context: RequestContext,
  claimed: ClaimAnswer,
  digest: string,
  body: HeldBody,
): Promise<Ending> {
  const decision = decide(claimed.result, digest, context.policy);
  const { replayAuthorization } = context.policy;
  if (replayAuthorization !== null && decision.kind !== 'execute') {
    const refused = await refuseReplay(context, replayAuthorization);
    if (refused !== null) return refused;
  }
  const started = startTask(context, claimed, digest, decision, body);
  if (started !== null) return await started;
  switch (decision.kind) {
    case 'execute': {
      const held = { recordKey: claimed.recordKey, owner: claimed.owner, token: decision.token };
      const granted = { claim: held, attempt: decision.attempt, sentMs: claimed.sentMs };
      return await executeGranted(context, granted, body.bytes());
    }
    case 'replay':
    case 'unseal':
      return answerStored(context, claimed.recordKey, decision.token, decision.response, 'replayed');
    case 'join':
      // A joiner needs its body no more, and a hundred of them may wait.
      body.drop();
      return await join(context, claimed.recordKey, decision);
    case 'in-flight':
      return answerProblem(context, 'in-flight', 'in_flight');
    case 'mismatch':
      return answerProblem(context, 'key-reused', 'mismatch');
    case 'policy-changed':
      return answerProblem(context, 'policy-changed', 'mismatch');
    // claim() has asked or re-opened once; unknown again means that it is, or that another lost it in between.
    case 'probe':
    case 'reopen':
    case 'outcome-unknown':
      return answerProblem(context, 'outcome-unknown', 'unknown');
    case 'response-not-stored':
      return answerProblem(context, 'response-not-stored', 'unstored');
    default:
      return unreachable(decision);
  }
}

/**
 * Only here may the store's absence lead to a forward: nothing was dispatched under this claim. From the grant on,
 * a failing store can delay or park, and never lets a request out a second time.
 */
async function storeDown(context: RequestContext, error: StoreUnavailable, body: HeldBody): Promise<Ending> {
  context.engine.log.storeUnavailable(error.reason, error.message);
  // There is a record, and what it says cannot be trusted: that it was executed is likely.
  const onStoreDown = error.reason === 'corrupt' ? 'refuse' : context.policy.onStoreDown;
  switch (onStoreDown) {
    case 'refuse':
      return answerStoreUnavailable(context, error.reason);
    case 'forward':
      return await forward(context, { kind: 'read', bytes: body.bytes() }, { unprotected: 'store-down' });
    default:
      return unreachable(onStoreDown);
  }
}
