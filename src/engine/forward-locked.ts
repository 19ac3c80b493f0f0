import type { LockPolicy } from '../core/lock-policy.ts';
import { type ForwardBody, forward } from './forward.ts';
import { answerUnlocked, takeLocks } from './lock.ts';
import type { Ending, RequestContext } from './types.ts';

/** A request without a record, under the locks of its route. */
export async function forwardLocked(
  context: RequestContext,
  lock: LockPolicy,
  bytes: Uint8Array,
): Promise<Ending> {
  const body: ForwardBody = { kind: 'read', bytes };
  const taken = await takeLocks(context, lock, bytes);
  if (taken.kind === 'held') {
    try {
      return await forward(context, body, { locks: taken.locks });
    } catch (error) {
      taken.locks.abandon();
      throw error;
    }
  }
  if (taken.kind === 'down' && context.policy.onStoreDown === 'forward') {
    context.engine.log.storeUnavailable(taken.error.reason, taken.error.message);
    return await forward(context, body, { unprotected: 'store-down' });
  }
  return answerUnlocked(context, taken, { keyed: 'unkeyed' });
}
