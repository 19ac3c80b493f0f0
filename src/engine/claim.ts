import { decide } from '../core/decide.ts';
import type { RoutePolicy } from '../core/policy.ts';
import type { ClaimRequest, ClaimResult, Owner, RecordKey } from '../core/record.ts';
import { StoreUnavailable } from '../store/contract.ts';
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
 * Claims a key, re-opening an unknown one at most once where the route says so. `recordKeys` are the key under each
 * secret, current first: while secrets are rotated, a record made under an older one is still the record.
 */
export async function claim(
  context: RequestContext,
  recordKeys: readonly RecordKey[],
  digest: string,
): Promise<Claimed> {
  const { engine, policy } = context;
  const request = claimRequest(engine, policy, digest);
  let recordKey = recordKeys[0] ?? '';
  let claimSent: 'no' | 'yes' = 'no';
  try {
    for (const older of recordKeys.slice(1)) {
      const view = await engine.store.inspect(older);
      if (view !== null && view.state !== 'released') recordKey = older;
    }
    claimSent = 'yes';
    let sentMs = engine.monotonicMs();
    let result = await engine.store.claim(recordKey, request);
    const decision = decide(result, digest, policy);
    if (decision.kind === 'reopen') {
      await engine.store.resolve(recordKey, decision.token, {
        kind: 'released',
        quietMs: policy.quietMs,
      });
      sentMs = engine.monotonicMs();
      result = await engine.store.claim(recordKey, request);
    }
    return { kind: 'answered', result, recordKey, owner: request.owner, sentMs };
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    // The reply is lost, the claim may be there: it is given back by its owner until its lease is over.
    if (claimSent === 'yes' && error.sent !== 'no')
      engine.settler.releaseOwner(recordKey, request.owner, request.leaseMs);
    return { kind: 'down', error };
  }
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
