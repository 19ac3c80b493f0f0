import type { RecordKey } from '../core/record.ts';
import { StoreUnavailable } from '../store/contract.ts';
import { type Claimed, claim } from './claim.ts';
import type { Principal } from './principals.ts';
import type { RequestContext } from './types.ts';

/**
 * A claim of a principal whose new keys are bounded. Once none is left, only keys that are there already are claimed:
 * a repeat gets its replay, and whatever else is known of it.
 */
export function claimBounded(
  context: RequestContext,
  recordKeys: readonly RecordKey[],
  digest: string,
  body: Uint8Array,
): Promise<ClaimedBounded> {
  const { principal } = context;
  return principal === null
    ? claim(context, recordKeys, digest, body)
    : claimOf(principal, context, recordKeys, digest, body);
}

type ClaimedBounded = Claimed | { readonly kind: 'no-new-keys'; readonly retryAfterMs: number };

async function claimOf(
  principal: Principal,
  context: RequestContext,
  recordKeys: readonly RecordKey[],
  digest: string,
  body: Uint8Array,
): Promise<ClaimedBounded> {
  const taken = principal.takeNewKey();
  if (taken.kind === 'none-left') {
    const known = await isKnown(context, recordKeys);
    if (known instanceof StoreUnavailable) return { kind: 'down', error: known };
    if (known === 'no') return { kind: 'no-new-keys', retryAfterMs: taken.retryAfterMs };
    // Gone since it was looked at, it becomes a new one: rare, and not worth a second look.
    return await claim(context, recordKeys, digest, body);
  }
  const claimed = await claim(context, recordKeys, digest, body);
  if (madeRecord(claimed) === 'no') principal.giveNewKeyBack();
  return claimed;
}

async function isKnown(
  { engine }: RequestContext,
  recordKeys: readonly RecordKey[],
): Promise<'yes' | 'no' | StoreUnavailable> {
  try {
    for (const recordKey of recordKeys) if ((await engine.store.inspect(recordKey)) !== null) return 'yes';
    return 'no';
  } catch (error) {
    if (error instanceof StoreUnavailable) return error;
    throw error;
  }
}

/** A claim without a reply may have made one. */
function madeRecord(claimed: Claimed): 'yes' | 'no' {
  if (claimed.kind === 'down') return claimed.error.sent === 'no' ? 'no' : 'yes';
  return claimed.result.kind === 'claimed' && claimed.result.attempt === 1 ? 'yes' : 'no';
}
