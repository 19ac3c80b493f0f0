import { findBodyKey } from '../core/body-key.ts';
import { decide } from '../core/decide.ts';
import { fingerprint } from '../core/fingerprint.ts';
import { confirmHeadKey } from '../core/key.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Claim } from '../core/record.ts';
import { recordKey } from '../core/record-key.ts';
import { settle } from '../core/settle.ts';
import { unreachable } from '../core/unreachable.ts';
import { firstValue } from '../core/wire.ts';
import { claim } from './claim.ts';
import { forward } from './forward.ts';
import type { Ending, RequestContext } from './types.ts';
import { verifyDelivery } from './verify.ts';

/** The keyspaces of `mode: observe` are apart from those that protect; no keyspace name has this character. */
const OBSERVED = '\u0001observe\u0001';

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
  let whole: 'yes' | 'no' = 'yes';
  const letGo = (): void => {
    engine.budget.give(held);
    held = 0;
    chunks.length = 0;
  };
  const tap = (chunk: Uint8Array): void => {
    bytes += chunk.byteLength;
    if (whole === 'yes' && bytes <= policy.requestBytesMax && takeSpare(context, chunk.byteLength) === 'ok') {
      held += chunk.byteLength;
      chunks.push(chunk);
    } else {
      whole = 'no';
      letGo();
    }
    if (incoming.body.lengthBytes !== null && bytes === incoming.body.lengthBytes) start();
  };
  let shadow: Promise<Shadow> | null = null;
  const start = (): void => {
    shadow ??= shadowClaim(context, headKey, scope, whole === 'yes' ? Buffer.concat(chunks) : null).catch(
      () => SHADOW_FAILED,
    );
  };
  if (incoming.body.framing === 'none') start();
  const ending = await forward(context, { kind: 'as-it-comes', tap });
  // Half a body is no request: its digest would stand for another.
  if (incoming.body.complete() === 'incomplete') whole = 'no';
  start();
  letGo();
  void finishShadow(context, shadow ?? Promise.resolve(SHADOW_FAILED), ending);
  return ending;
}

/** Of the in-memory budget, what observing leaves to others: admission looks at it, and must see no difference. */
const SPARE_SHARE = 0.5;

function takeSpare({ engine, snapshot }: RequestContext, bytes: number): 'ok' | 'full' {
  const sparedMax = snapshot.config.limits.bufferBytesMax * SPARE_SHARE;
  return engine.budget.usedBytes() + bytes > sparedMax ? 'full' : engine.budget.take(bytes);
}

type Shadow = { readonly outcome: Outcome; readonly claim: Claim | null };
const SHADOW_FAILED: Shadow = { outcome: 'store_unavailable', claim: null };

async function shadowClaim(
  context: RequestContext,
  headKey: string | null,
  scope: Uint8Array,
  body: Uint8Array | null,
): Promise<Shadow> {
  const { policy, snapshot, head } = context;
  if (body === null) return { outcome: 'rejected', claim: null };
  if (policy.message !== null && verifyDelivery(context, policy.message, body) === 'forged')
    return { outcome: 'rejected', claim: null };
  let key = headKey;
  if (key === null) {
    const found = findBodyKey(policy.key, head, body);
    if (found.kind === 'invalid') return { outcome: 'rejected', claim: null };
    if (found.kind === 'absent')
      return { outcome: policy.key.presence === 'required' ? 'rejected' : 'bypassed', claim: null };
    key = found.key;
  } else if (
    confirmHeadKey(policy.key, key, body, firstValue(head.rawHeaders, 'content-type')).kind === 'invalid'
  ) {
    return { outcome: 'rejected', claim: null };
  }
  const digest = fingerprint(policy.fingerprint, head, body);
  const current = snapshot.secrets[0];
  if (current === undefined) return SHADOW_FAILED;
  // To observe is to ask nobody.
  const silent = { ...policy, reconcile: null };
  const recordKeys = [recordKey(current, `${OBSERVED}${policy.keyspace}`, scope, key)];
  const claimed = await claim({ ...context, policy: silent }, recordKeys, digest, body);
  if (claimed.kind === 'down') return SHADOW_FAILED;
  const decision = decide(claimed.result, digest, silent);
  switch (decision.kind) {
    case 'execute':
      return {
        outcome: 'executed',
        claim: { recordKey: claimed.recordKey, owner: claimed.owner, token: decision.token },
      };
    case 'replay':
    case 'unseal':
    case 'response-not-stored':
      return { outcome: 'replayed', claim: null };
    case 'join':
      return { outcome: 'joined', claim: null };
    case 'in-flight':
      return { outcome: 'in_flight', claim: null };
    case 'mismatch':
    case 'policy-changed':
      return { outcome: 'mismatch', claim: null };
    case 'probe':
    case 'reopen':
    case 'outcome-unknown':
      return { outcome: 'unknown', claim: null };
    default:
      return unreachable(decision);
  }
}

async function finishShadow(
  context: RequestContext,
  pending: Promise<Shadow>,
  ending: Ending,
): Promise<void> {
  const { engine, policy } = context;
  const shadow = await pending;
  if (shadow.claim === null) {
    engine.metrics.observed(policy.name, shadow.outcome);
    return;
  }
  const held = shadow.claim;
  const settlement = settle({ kind: 'complete', status: ending.status, end: 'proven' }, 'over-limit', policy);
  const unsure = ending.problem !== null && ending.problem !== 'upstream-unreachable';
  try {
    if (ending.problem === 'upstream-unreachable' || settlement.kind === 'release')
      await engine.store.release(held, null);
    else if (unsure || ending.status === 0 || settlement.kind === 'park')
      await engine.store.park(held, 'observed');
    else
      await engine.store.complete(
        held,
        { kind: 'unstored', status: ending.status, receivedAtMs: engine.wallMs() },
        policy.retainMs,
      );
  } catch {
    // Observing promises nothing; the record lapses by itself.
  }
  engine.metrics.observed(policy.name, shadow.outcome);
}
