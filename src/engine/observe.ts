import { wholeKey } from '../core/body-key.ts';
import { decide } from '../core/decide.ts';
import { fingerprint } from '../core/fingerprint.ts';
import { readJsonRpc } from '../core/json-rpc.ts';
import { type ObservedEnd, observedEnd, observedKeyspace } from '../core/observed.ts';
import type { PlanProblem, SequenceProblem } from '../core/plan.ts';
import type { Claim, RecordKey } from '../core/record.ts';
import { recordKey } from '../core/record-key.ts';
import { type ExchangeEnd, settle } from '../core/settle.ts';
import { unreachable } from '../core/unreachable.ts';
import { claim } from './claim.ts';
import { forward } from './forward.ts';
import { noteCaller } from './rotated.ts';
import { presentTicket } from './tickets.ts';
import type { Ending, RequestContext } from './types.ts';
import { verifyDelivery } from './verify.ts';

/** Counts what enforcing would have done; in the metrics, and in the report with the latest of each. */
export function noteObserved(
  { engine, policy }: RequestContext,
  end: ObservedEnd,
  of: { readonly recordKey: RecordKey | null; readonly status: number | null },
): void {
  engine.metrics.observed(policy.name, observedEnd(end).outcome);
  engine.observed.note(policy.name, end, of.recordKey, of.status);
}

/** What would be refused by its head is passed on like all else. */
export async function observeRefused(
  context: RequestContext,
  code: Exclude<PlanProblem, SequenceProblem>,
): Promise<Ending> {
  const ending = await forward(context, { kind: 'as-it-comes' });
  noteObserved(context, code, { recordKey: null, status: ending.status });
  return ending;
}

/**
 * Passes the request on untouched and counts what enforcing would have done. Bodies are hashed and forgotten; the
 * record keeps no response. A failing store is not noticed by the client.
 */
export async function observe(
  context: RequestContext,
  headKey: string | null,
  scope: Uint8Array,
): Promise<Ending> {
  const { engine, incoming, policy } = context;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let held = 0;
  let lacks: Lack | null = null;
  let exchangeEnd: ExchangeEnd | null = null;
  const letGo = (): void => {
    engine.budget.give(held);
    held = 0;
    chunks.length = 0;
  };
  const tap = (chunk: Uint8Array): void => {
    bytes += chunk.byteLength;
    if (bytes > policy.requestBytesMax) lacks = 'request-too-large';
    else if (lacks === null && takeSpare(context, chunk.byteLength) === 'full') lacks = 'no-room';
    if (lacks === null) {
      held += chunk.byteLength;
      chunks.push(chunk);
    } else {
      letGo();
    }
    if (incoming.body.lengthBytes !== null && bytes === incoming.body.lengthBytes) start();
  };
  let shadow: Promise<Shadow> | null = null;
  const start = (): void => {
    shadow ??=
      lacks === null
        ? shadowClaim(context, headKey, scope, Buffer.concat(chunks)).catch(() => SHADOW_FAILED)
        : Promise.resolve({ end: lacks, recordKey: null, claim: null });
  };
  if (incoming.body.framing === 'none') start();
  const onExchangeEnd = (end: ExchangeEnd): void => {
    exchangeEnd = end;
  };
  const ending = await forward(context, { kind: 'as-it-comes', tap }, { onExchangeEnd });
  // Half a body is no request: its digest would stand for another.
  if (incoming.body.complete() === 'incomplete') lacks ??= 'broken-off';
  start();
  letGo();
  void finishShadow(context, shadow ?? Promise.resolve(SHADOW_FAILED), ending, exchangeEnd);
  return ending;
}

/** Of the in-memory budget, what observing leaves to others: admission looks at it, and must see no difference. */
const SPARE_SHARE = 0.5;

function takeSpare({ engine, snapshot }: RequestContext, bytes: number): 'ok' | 'full' {
  const sparedMax = snapshot.config.limits.bufferBytesMax * SPARE_SHARE;
  return engine.budget.usedBytes() + bytes > sparedMax ? 'full' : engine.budget.take(bytes);
}

/** Why a body was not looked at. */
type Lack = 'request-too-large' | 'no-room' | 'broken-off';

type Shadow = {
  readonly end: ObservedEnd;
  readonly recordKey: RecordKey | null;
  /** Null: somebody else holds the key, or there is none. */
  readonly claim: Claim | null;
};
const SHADOW_FAILED: Shadow = { end: 'store-unavailable', recordKey: null, claim: null };

async function shadowClaim(
  context: RequestContext,
  headKey: string | null,
  scope: Uint8Array,
  body: Uint8Array,
): Promise<Shadow> {
  const { policy, snapshot, head } = context;
  if (policy.message !== null && verifyDelivery(context, policy.message, body) === 'forged')
    return unkeyed('signature-invalid');
  const rpc = policy.dialect?.jsonRpc ?? null;
  const message = rpc === null ? null : readJsonRpc(rpc, body);
  if (message?.kind === 'other') return unkeyed('no-key');
  if (message?.kind === 'refused') return unkeyed('key-invalid');
  const found = wholeKey(policy.key, headKey, head, body);
  if (found.kind === 'invalid') return unkeyed('key-invalid');
  if (found.kind === 'absent') return unkeyed(policy.key.presence === 'required' ? 'key-missing' : 'no-key');
  const { key } = found;
  // What was spent while it was only observed is known nowhere else.
  if (policy.ticket !== null && presentTicket(context, scope, key) !== 'valid')
    return unkeyed('ticket-unknown');
  const digest = fingerprint(policy.fingerprint, head, body);
  const current = snapshot.secrets[0];
  if (current === undefined) return SHADOW_FAILED;
  // To observe is to ask nobody.
  const silent = { ...policy, reconcile: null };
  const recordKeys = [recordKey(current, observedKeyspace(policy.keyspace), scope, key)];
  const claimed = await claim({ ...context, policy: silent }, recordKeys, digest, body);
  if (claimed.kind === 'down') return SHADOW_FAILED;
  const decision = decide(claimed.result, digest, silent);
  if (decision.kind === 'execute') {
    const held = { recordKey: claimed.recordKey, owner: claimed.owner, token: decision.token };
    noteCaller(context, claimed.recordKey, { key, scope }, digest);
    return { end: 'executed', recordKey: claimed.recordKey, claim: held };
  }
  return { end: endOf(decision), recordKey: claimed.recordKey, claim: null };
}

function unkeyed(end: ObservedEnd): Shadow {
  return { end, recordKey: null, claim: null };
}

function endOf(decision: Exclude<ReturnType<typeof decide>, { kind: 'execute' }>): ObservedEnd {
  switch (decision.kind) {
    case 'replay':
    case 'unseal':
    // Observing keeps no response: that there is none says nothing.
    case 'response-not-stored':
      return 'replayed';
    case 'join':
      return 'joined';
    case 'in-flight':
      return 'in-flight';
    case 'mismatch':
      return 'key-reused';
    case 'policy-changed':
      return 'policy-changed';
    case 'probe':
    case 'reopen':
    case 'outcome-unknown':
      return 'outcome-unknown';
    default:
      return unreachable(decision);
  }
}

async function finishShadow(
  context: RequestContext,
  pending: Promise<Shadow>,
  { status }: Ending,
  exchangeEnd: ExchangeEnd | null,
): Promise<void> {
  const shadow = await pending;
  const end =
    shadow.claim === null ? shadow.end : await settleShadow(context, shadow.claim, status, exchangeEnd);
  noteObserved(context, end, { recordKey: shadow.recordKey, status });
}

async function settleShadow(
  { engine, policy }: RequestContext,
  held: Claim,
  status: number,
  exchangeEnd: ExchangeEnd | null,
): Promise<ObservedEnd> {
  const settlement = settle(enforcedEnd(exchangeEnd, status), 'over-limit', policy);
  try {
    switch (settlement.kind) {
      case 'release':
        await engine.store.release(held, null);
        return exchangeEnd?.kind === 'never-dispatched' ? 'unreachable' : 'released';
      case 'park':
        await engine.store.park(held, 'observed');
        return 'parked';
      case 'complete': {
        const response = { kind: 'unstored', status, receivedAtMs: engine.wallMs() } as const;
        await engine.store.complete(held, response, policy.retainMs);
        return 'executed';
      }
      default:
        return unreachable(settlement);
    }
  } catch {
    // Observing promises nothing; the record lapses by itself.
    return 'store-unavailable';
  }
}

/** Enforcing goes on without a client that went away, and keeps the answer, so its repeat would be a replay. */
function enforcedEnd(end: ExchangeEnd | null, status: number): ExchangeEnd {
  if (end === null) return { kind: 'failed', cause: 'aborted', message: 'ended without an exchange' };
  const left = end.kind === 'failed' && end.cause === 'aborted';
  return left ? { kind: 'complete', status: status === 0 ? 200 : status, end: 'proven' } : end;
}
