import type { Store } from '../contract.ts';
import { StoreUnavailable } from '../contract.ts';
import { readWriteReply } from './reply.ts';
import type { ScriptArgument } from './script-runner.ts';
import type { ScriptName } from './scripts.ts';

type Steps = Pick<Store, 'claim' | 'dispatch' | 'release'>;

export type RunDurable = (
  name: ScriptName,
  recordKey: string,
  ...arguments_: readonly ScriptArgument[]
) => Promise<unknown>;

/**
 * Claim and dispatch for `store.wait`: no request goes out before replicas have the mark that it was dispatched, so that
 * no failover to one of them can forget it. The mark is what counts: a claim without it that is lost is refused at the
 * mark. A replay never waits.
 */
export function createReplicatedSteps(
  steps: Steps,
  runDurable: RunDurable,
): Pick<Store, 'claim' | 'dispatch'> {
  const mark: Store['dispatch'] = async ({ recordKey, token, owner }) =>
    readWriteReply(await runDurable('dispatch', recordKey, token, owner));

  return {
    dispatch: mark,
    async claim(recordKey, request) {
      // As claimed first: one that is never confirmed is free again after its lease, and not unknown.
      const result = await steps.claim(recordKey, { ...request, state: 'claimed' });
      if (result.kind !== 'claimed' || request.state === 'claimed') return result;
      const claim = { recordKey, owner: request.owner, token: result.token };
      try {
        if ((await mark(claim)) === 'ok') return result;
        throw new StoreUnavailable('error', 'redis: the claim was gone before replicas confirmed it');
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        // Nothing went out: the key is given back. Where that fails too, the caller does it by its owner.
        const given = await steps.release(claim, null).catch(() => 'lost' as const);
        throw given === 'ok' ? new StoreUnavailable(error.reason, error.message, { sent: 'no' }) : error;
      }
    },
  };
}
