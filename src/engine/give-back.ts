import type { Claim, WriteResult } from '../core/record.ts';
import type { RequestContext } from './types.ts';

/** Of a claim under which nothing was dispatched: its key is free again, and who waits for it learns that. */
export function giveBack(
  { engine, policy, snapshot }: RequestContext,
  claim: Claim,
): Promise<WriteResult | 'pending'> {
  return engine.settler.settle({
    write: () => engine.store.release(claim, null),
    leaseMs: policy.leaseMs,
    settleWaitMs: snapshot.config.storePolicy.settleWaitMs,
    onLost: () => undefined,
    onEnd: () => undefined,
  });
}

/** Without a proven release the claim may have been another's since, who may have executed. */
export async function giveBackProven(
  context: RequestContext,
  claim: Claim,
): Promise<{ readonly executed?: 'unknown' }> {
  return (await giveBack(context, claim)) === 'ok' ? {} : { executed: 'unknown' };
}
