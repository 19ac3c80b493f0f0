import { cellKey } from '../core/cell-key.ts';
import type { RoutePolicy } from '../core/policy.ts';
import type { Claim, RecordKey } from '../core/record.ts';
import { unreachable } from '../core/unreachable.ts';
import { StoreUnavailable } from '../store/contract.ts';
import type { ClaimAnswer } from './claim.ts';
import { giveBack } from './give-back.ts';
import { answerProblem, answerStoreUnavailable } from './respond.ts';
import type { Ending, RequestContext } from './types.ts';

/**
 * The same request under the same key from another caller. Asked once the key is granted: what was executed for this
 * caller is answered whatever others did. Null: go on.
 */
export function refuseRotated(
  context: RequestContext,
  claimed: ClaimAnswer,
  recordKeys: readonly RecordKey[],
  digest: string,
): Promise<Ending | null> | null {
  const { policy, key, scope } = context;
  if (claimed.result.kind !== 'claimed' || key === null || scope === null) return null;
  switch (policy.rotated) {
    case 'execute':
      noteCaller(context, claimed.recordKey, { key, scope }, digest);
      return null;
    case 'refuse':
      return refuseSecond(context, claimed, claimed.result.token, recordKeys, `${digest} ${key}`);
    default:
      return unreachable(policy.rotated);
  }
}

/** Best effort: what this process has seen of late. */
export function noteCaller(
  context: RequestContext,
  recordKey: RecordKey,
  { key, scope }: { readonly key: string; readonly scope: Uint8Array },
  digest: string,
): void {
  const { keyspace, scope: told } = context.policy;
  if (tellsApart(told) && context.engine.rotations.note(keyspace, key, digest, scope) === 'rotated')
    tell(context, recordKey, 'executed');
}

function tellsApart({ headers, cookies, jwt, certificate }: RoutePolicy['scope']): boolean {
  return headers.length > 0 || (cookies?.length ?? 0) > 0 || jwt !== undefined || certificate !== undefined;
}

function tell({ engine, policy }: RequestContext, recordKey: RecordKey, result: 'executed' | 'refused') {
  engine.metrics.rotatedCredential(policy.name, result);
  engine.log.credentialRotated(policy.name, recordKey, result);
}

async function refuseSecond(
  context: RequestContext,
  claimed: ClaimAnswer,
  token: number,
  recordKeys: readonly RecordKey[],
  request: string,
): Promise<Ending | null> {
  const { engine, policy } = context;
  const claim: Claim = { recordKey: claimed.recordKey, owner: claimed.owner, token };
  try {
    if ((await sign(context, claim.recordKey, recordKeys, request)) === 'ours') return null;
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    engine.log.storeUnavailable(error.reason, error.message);
    // Whatever `onStoreDown` says: that another caller has the request is not ruled out.
    engine.settler.releaseOwner(claim.recordKey, claim.owner, policy.leaseMs);
    return answerStoreUnavailable(context, error.reason);
  }
  tell(context, claim.recordKey, 'refused');
  await giveBack(context, claim);
  return answerProblem(context, 'credential-rotated', 'mismatch');
}

/** A cell over which so many write at once has another caller in it. */
const TRIES_MAX = 8;
const NOBODY = new Uint8Array(0);

/**
 * Puts the record into the cell of the request, which all callers share, unless another one is there that lives. The
 * order is what makes it safe: each has claimed its own record before it writes, and writes even where it is there
 * already, so of two the later one finds the record of the earlier one claimed. While secrets are rotated there is a
 * cell under each: ours is written before the others are read, so that of two replicas one sees the other.
 */
async function sign(
  { engine, snapshot, policy }: RequestContext,
  recordKey: RecordKey,
  recordKeys: readonly RecordKey[],
  request: string,
): Promise<'ours' | 'taken'> {
  const { cells } = engine.store;
  const [own = '', ...others] = snapshot.secrets.map((secret) =>
    cellKey(secret, 'caller', policy.keyspace, NOBODY, request),
  );
  const isTaken = async (value: Uint8Array): Promise<boolean> => {
    const holder = Buffer.from(value).toString('latin1');
    if (holder === '' || recordKeys.includes(holder)) return false;
    const view = await engine.store.inspect(holder);
    return view !== null && view.state !== 'released';
  };
  const value = Buffer.from(recordKey, 'latin1');
  let cell = await cells.read(own);
  for (let tries = 1; ; tries += 1) {
    if (tries > TRIES_MAX || (await isTaken(cell.value))) return 'taken';
    const write = { expectedVersion: cell.version, value, lifeMs: lifeMs(policy), wakes: 'nobody' } as const;
    const written = await cells.write(own, write);
    if (written.kind === 'written') break;
    cell = written.cell;
  }
  for (const other of others) if (await isTaken((await cells.read(other)).value)) return 'taken';
  return 'ours';
}

/** At least as long as a completed record of a request that ends within its time-outs. */
function lifeMs({ retainMs, leaseMs, timeouts }: RoutePolicy): number {
  const { headMs, bodyIdleMs, totalMs, lateAnswerMs } = timeouts;
  return retainMs + leaseMs + Math.max(totalMs, headMs + bodyIdleMs) + lateAnswerMs;
}
