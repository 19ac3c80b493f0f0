import type { CellKey } from '../core/cell.ts';
import { policiesOf } from '../core/plan.ts';
import type { RoutePolicy } from '../core/policy.ts';
import {
  bump,
  decodeProducer,
  encodeProducer,
  judgePredecessor,
  NEW_PRODUCER,
  type ProducerState,
  type SequencePolicy,
  type Standing,
  type Stream,
} from '../core/producer.ts';
import { recordKeysOf } from '../core/record-key.ts';
import { readScope } from '../core/scope.ts';
import { EPOCH_MAX, isProducerId, readNumber, sequenceAt, sequenceKey } from '../core/sequence.ts';
import { allValues } from '../core/wire.ts';
import { StoreUnavailable } from '../store/contract.ts';
import { answerOwn, NOTHING_HERE, type ReservedRequest, type Resource } from './resource.ts';
import { answerOverloaded, answerProblem, answerStoreUnavailable, refuse } from './respond.ts';
import { producerCells } from './sequence.ts';
import type { Ending, RequestContext } from './types.ts';

/**
 * `POST <prefix>/producers` issues a producer, `GET …/<id>` tells how far it has come, `POST …/<id>/epoch` gives whoever
 * asks a newer epoch and fences the older one. Of a route, whose scope says whose producer it is: `?route=NAME`.
 */
export const PRODUCERS: Resource = { name: 'producers', methods: ['GET', 'POST'], answer: producers };

type Caller = {
  readonly request: ReservedRequest;
  readonly context: RequestContext;
  readonly sequence: SequencePolicy;
  readonly scope: Uint8Array;
};

async function producers(request: ReservedRequest): Promise<Ending> {
  const { engine, snapshot, incoming, head, tail } = request;
  const policy = policyFor(request);
  if (policy === null || policy.sequence === null)
    return refuse(engine, snapshot, incoming, 'not-found', policy === null ? ROUTE_NEEDED : NOTHING_HERE);
  const [producerId = '', action = null, more] = tail.split('/');
  const method = head.method === 'HEAD' ? 'GET' : head.method;
  const wanted = tail === '' || action !== null ? 'POST' : 'GET';
  if (more !== undefined || (action !== null && action !== 'epoch'))
    return refuse(engine, snapshot, incoming, 'not-found', NOTHING_HERE);
  if (method !== wanted)
    return refuse(engine, snapshot, incoming, 'method-not-allowed', undefined, [
      'Allow',
      wanted === 'GET' ? 'GET, HEAD, OPTIONS' : 'POST, OPTIONS',
    ]);
  const context = contextOf(request, policy);
  const scope = readScope(policy.scope, head, request.caller);
  if (scope.kind !== 'scope')
    return scope.kind === 'unread'
      ? answerProblem(context, 'verification-unavailable', 'rejected')
      : answerProblem(context, scope.code, 'rejected', { detail: scope.detail });
  const caller: Caller = { request, context, sequence: policy.sequence, scope: scope.scope };
  const overload = engine.admission('keyed');
  if (overload !== null) return answerOverloaded(context, overload);
  try {
    if (tail === '') return await issueBounded(caller);
    if (isProducerId(producerId) === 'no') return unknownProducer(caller);
    return action === null ? await tell(caller, producerId) : await newEpoch(caller, producerId);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    engine.log.storeUnavailable(error.reason, error.message);
    return answerStoreUnavailable(context, error.reason);
  }
}

const ROUTE_NEEDED =
  'Whose producer it is depends on the route: name one that has a sequence, as in ?route=NAME.';

/** The route that is named; without a name any, where all agree on whose a producer is. */
function policyFor({ snapshot, head }: ReservedRequest): RoutePolicy | null {
  const mark = head.target.indexOf('?');
  const name = mark === -1 ? null : new URLSearchParams(head.target.slice(mark + 1)).get('route');
  const sequenced = policiesOf(snapshot.config).filter((route) => route.sequence !== null);
  if (name !== null) return sequenced.find((route) => route.name === name) ?? null;
  const [first] = sequenced;
  if (first === undefined) return null;
  const scopeText = JSON.stringify(first.scope);
  return sequenced.every((route) => JSON.stringify(route.scope) === scopeText) ? first : null;
}

function contextOf(
  { engine, snapshot, incoming, head, host }: ReservedRequest,
  policy: RoutePolicy,
): RequestContext {
  const path = head.target.split('?')[0] ?? '';
  const none = { scope: null, key: null, recordKey: null, principal: null };
  return { engine, snapshot, incoming, head, host, path, policy, requestClass: 'unsafe', ...none };
}

/** A producer is one more thing to keep, as a new key is. */
async function issueBounded(caller: Caller): Promise<Ending> {
  const { context, scope } = caller;
  const principal = context.engine.principals?.of(scope) ?? null;
  if (principal === null) return await issue(caller);
  if (principal.enter() === 'full') return answerOverloaded(context, 'principal_in_flight');
  try {
    const taken = principal.takeNewKey();
    return taken.kind === 'taken'
      ? await issue(caller)
      : answerOverloaded(context, 'principal_new_keys', taken.retryAfterMs);
  } finally {
    principal.leave();
  }
}

async function issue(caller: Caller): Promise<Ending> {
  const { context, sequence, scope } = caller;
  const { engine, snapshot } = context;
  const producerId = engine.newOwner();
  const [cellKey = ''] = producerCells(snapshot.secrets, scope, producerId);
  // 128 random bits: that it is there already means that a lost reply was sent again inside the store's client.
  await engine.store.cells.write(cellKey, {
    expectedVersion: 0,
    value: encodeProducer(NEW_PRODUCER),
    lifeMs: sequence.producerRetainMs,
    wakes: 'nobody',
  });
  engine.metrics.producer('issued');
  return await answerProducer(caller, 201, producerId, NEW_PRODUCER, 0);
}

type Found = {
  readonly cellKey: CellKey;
  readonly version: number;
  readonly nowMs: number;
  readonly state: ProducerState;
};

async function find({ context, scope }: Caller, producerId: string): Promise<Found | null> {
  const { engine, snapshot } = context;
  for (const cellKey of producerCells(snapshot.secrets, scope, producerId)) {
    const { version, value, nowMs } = await engine.store.cells.read(cellKey);
    const state = version === 0 ? null : decodeProducer(value);
    if (state !== null) return { cellKey, version, nowMs, state };
  }
  return null;
}

async function tell(caller: Caller, producerId: string): Promise<Ending> {
  const found = await find(caller, producerId);
  // One that has had all its epochs is nobody's any more.
  if (found === null || found.state.epoch > EPOCH_MAX) return unknownProducer(caller);
  return await answerProducer(caller, 200, producerId, found.state, found.nowMs);
}

const WRITES_MAX = 20;

async function newEpoch(caller: Caller, producerId: string): Promise<Ending> {
  const { context, sequence, request } = caller;
  const held = heldEpoch(request);
  if (held === 'invalid')
    return answerProblem(context, 'sequence-invalid', 'rejected', { detail: HELD_EPOCH });
  for (let writes = 0; writes < WRITES_MAX; writes++) {
    const found = await find(caller, producerId);
    if (found === null || found.state.epoch > EPOCH_MAX) return unknownProducer(caller);
    const bumped = bump(found.state, held, found.nowMs);
    if (bumped.kind === 'fenced') {
      context.engine.metrics.producer('fenced');
      return answerProblem(context, 'producer-fenced', 'rejected');
    }
    const written = await context.engine.store.cells.write(found.cellKey, {
      expectedVersion: found.version,
      value: encodeProducer(bumped.state),
      lifeMs: sequence.producerRetainMs,
      // Who waits for its turn under the older epoch has waited for nothing.
      wakes: 'waiters',
    });
    if (written.kind === 'changed') continue;
    context.engine.metrics.producer('epoch');
    return bumped.kind === 'exhausted'
      ? await issueBounded(caller)
      : await answerProducer(caller, 200, producerId, bumped.state, found.nowMs);
  }
  return answerProblem(context, 'sequence-waiting', 'in_flight', { detail: FOUGHT_OVER });
}

const HELD_EPOCH =
  'Producer-Epoch of a request for a new epoch is the one that is held, once, in decimal digits; or it is left out.';
const FOUGHT_OVER = 'Too many requests change this producer at once; ask again.';

/** A delayed duplicate of such a request, that names what it held, fences nobody. */
function heldEpoch({ head }: ReservedRequest): number | null | 'invalid' {
  const values = allValues(head.rawHeaders, 'producer-epoch');
  const [value] = values;
  if (value === undefined) return null;
  return values.length > 1 ? 'invalid' : (readNumber(value, EPOCH_MAX) ?? 'invalid');
}

function unknownProducer({ context }: Caller): Ending {
  context.engine.metrics.producer('unknown');
  return answerProblem(context, 'producer-unknown', 'rejected');
}

async function answerProducer(
  caller: Caller,
  status: 200 | 201,
  producerId: string,
  state: ProducerState,
  nowMs: number,
): Promise<Ending> {
  const { request, context, sequence } = caller;
  const { engine, incoming, snapshot } = request;
  const sequences: object[] = [];
  for (const [keyspace, stream] of state.streams) {
    const outcome = OUTCOMES[await standingOf(caller, producerId, keyspace, stream, nowMs)];
    sequences.push({ keyspace, epoch: stream.epoch, sequence: sequenceAt(stream.last), outcome });
  }
  const path = `${snapshot.config.reserved?.prefix ?? ''}/producers/${producerId}`;
  const location = `${path}?route=${encodeURIComponent(context.policy.name)}`;
  const headers = ['Cache-Control', 'no-store', ...(status === 201 ? ['Location', location] : [])];
  const { producerRetainMs } = sequence;
  return answerOwn(engine, incoming, status, headers, {
    producerId,
    epoch: state.epoch,
    keyspace: context.policy.keyspace,
    retainMs: producerRetainMs,
    sequences,
  });
}

const OUTCOMES: Readonly<Record<Standing, string>> = {
  settled: 'executed',
  'in-flight': 'in-flight',
  unknown: 'unknown',
  'not-executed': 'not-executed',
  expired: 'no-longer-known',
};

/** Of the last request of a stream. */
async function standingOf(
  { context, scope }: Caller,
  producerId: string,
  keyspace: string,
  stream: Stream,
  nowMs: number,
): Promise<Standing> {
  const key = sequenceKey(producerId, stream.epoch, stream.last);
  for (const recordKey of recordKeysOf(context.snapshot.secrets, keyspace, scope, key)) {
    const view = await context.engine.store.inspect(recordKey);
    if (view !== null) return judgePredecessor(view, stream, nowMs);
  }
  return judgePredecessor(null, stream, nowMs);
}
