import { captureValues } from '../core/capture.ts';
import { decide } from '../core/decide.ts';
import type { RoutePolicy } from '../core/policy.ts';
import type { ReconcilePolicy } from '../core/reconcile.ts';
import type { ClaimRequest, ClaimResult, Owner, RecordKey } from '../core/record.ts';
import { taskSuccess, taskWish } from '../core/task.ts';
import { StoreUnavailable } from '../store/contract.ts';
import { writeNote } from './note.ts';
import { readResponse } from './sealing.ts';
import type { Engine, RequestContext } from './types.ts';

export type ClaimAnswer = {
  readonly kind: 'answered';
  readonly result: ClaimResult;
  readonly recordKey: RecordKey;
  readonly owner: Owner;
  /** Monotonic time before the claim was sent: the lease cannot have begun earlier. */
  readonly sentMs: number;
};

export type Claimed = ClaimAnswer | { readonly kind: 'down'; readonly error: StoreUnavailable };

/**
 * Claims a key; an unknown one is asked about or re-opened at most once where the route says so. `recordKeys` are the key under each
 * secret, current first: while secrets are rotated, a record made under an older one is still the record.
 */
export async function claim(
  context: RequestContext,
  recordKeys: readonly RecordKey[],
  digest: string,
  body: Uint8Array,
): Promise<Claimed> {
  const { engine, policy } = context;
  let recordKey = recordKeys[0] ?? '';
  let request = claimRequest(engine, policy, digest);
  let claimSent: 'no' | 'yes' = 'no';
  let known: ClaimAnswer | null = null;
  try {
    for (const older of recordKeys.slice(1)) {
      const view = await engine.store.inspect(older);
      if (view !== null && view.state !== 'released') recordKey = older;
    }
    if (policy.reconcile !== null)
      request = { ...request, note: noteOf(context, policy.reconcile, recordKey, digest, body) };
    claimSent = 'yes';
    const first = await send(engine, recordKey, request);
    if (first.result.kind !== 'unknown' && policy.task?.afterCompletion !== 'restart-failed') return first;
    known = first;
    if ((await freed(context, first, digest)) === 'as-it-was') return first;
    return await send(engine, recordKey, request);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    // The reply is lost, the claim may be there: it is given back by its owner until its lease is over.
    if (claimSent === 'yes' && error.sent !== 'no')
      engine.settler.releaseOwner(recordKey, request.owner, request.leaseMs);
    // It was unknown a moment ago: no word of the operator on an absent store is meant for that.
    // The same for what was completed: its response is at hand.
    const isTold = known?.result.kind === 'completed' || policy.reconcile !== null;
    return known !== null && isTold ? known : { kind: 'down', error };
  }
}

async function send(engine: Engine, recordKey: RecordKey, request: ClaimRequest): Promise<ClaimAnswer> {
  const sentMs = engine.monotonicMs();
  const result = await engine.store.claim(recordKey, request);
  return { kind: 'answered', result, recordKey, owner: request.owner, sentMs };
}

/** Whether it is worth claiming once more: the key was given free, or its outcome found out. */
async function freed(
  context: RequestContext,
  answer: ClaimAnswer,
  digest: string,
): Promise<'changed' | 'as-it-was'> {
  switch (answer.result.kind) {
    case 'unknown':
      return await reopened(context, answer, digest);
    case 'completed':
      return await restarted(context, answer, digest);
    default:
      // Granted, or at work.
      return 'as-it-was';
  }
}

/**
 * `afterCompletion: restart-failed`: what the start of a task makes of one that failed. Bound to the token under which
 * the failure was read, so that a success that came since is never taken for it.
 */
async function restarted(
  context: RequestContext,
  { recordKey, result }: ClaimAnswer,
  digest: string,
): Promise<'changed' | 'as-it-was'> {
  const { engine, policy, head } = context;
  if (result.kind !== 'completed' || policy.task?.afterCompletion !== 'restart-failed') return 'as-it-was';
  if (taskWish(policy.task, head.rawHeaders) === null) return 'as-it-was';
  const { kind } = decide(result, digest, policy);
  if (kind === 'mismatch' || kind === 'policy-changed') return 'as-it-was';
  const { opened } = readResponse(context, recordKey, result.response);
  // What does not open may have been a success.
  if (opened.kind === 'unreadable' || taskSuccess(opened.status) === 'succeeded') return 'as-it-was';
  await engine.store.resolve(recordKey, result.token, { kind: 'restarted' });
  return 'changed';
}

/** What an unknown key comes to: a probe has the first word, `onUnknown: retry` the second. */
async function reopened(
  { engine, policy, snapshot, head, key }: RequestContext,
  { recordKey, result }: ClaimAnswer,
  digest: string,
): Promise<'changed' | 'as-it-was'> {
  let decision = decide(result, digest, policy);
  if (decision.kind === 'probe') {
    const repeat = { key: key ?? '', rawHeaders: head.rawHeaders };
    const { upstream, secrets, sealing } = snapshot;
    const question = { recordKey, policy, upstream, secrets, sealing, repeat };
    const settled = await engine.reconciler.settle(question);
    if (settled === 'changed') return 'changed';
    decision = decide(result, digest, { ...policy, reconcile: null });
  }
  if (decision.kind !== 'reopen') return 'as-it-was';
  await engine.store.resolve(recordKey, decision.token, { kind: 'released', quietMs: policy.quietMs });
  return 'changed';
}

function noteOf(
  { snapshot, policy, head, key }: RequestContext,
  { capture }: ReconcilePolicy,
  recordKey: RecordKey,
  digest: string,
  body: Uint8Array,
): Uint8Array | null {
  const [secret] = snapshot.secrets;
  if (secret === undefined) return null;
  const values = captureValues(capture, key ?? '', head, body);
  return writeNote(secret, recordKey, digest, { route: policy.name, values });
}

function claimRequest(engine: Engine, policy: RoutePolicy, digest: string): ClaimRequest {
  return {
    owner: engine.newOwner(),
    fingerprint: digest,
    policyId: policy.fingerprint.id,
    leaseMs: policy.leaseMs,
    retainMs: policy.retainMs,
    unknownRetainMs: policy.unknownRetainMs,
    state: policy.dispatchMark === 'together' ? 'dispatched' : 'claimed',
    note: null,
  };
}
