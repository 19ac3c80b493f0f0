import type { CellKey } from '../core/cell.ts';
import { cellKey } from '../core/cell-key.ts';
import { type KeptVersions, readConditions } from '../core/precondition.ts';
import { resourceOf } from '../core/resource.ts';
import { type Effect, effectOf, type KeyClaim } from '../core/resource-version.ts';
import { hostOnly } from '../core/route.ts';
import type { Settlement } from '../core/settle.ts';
import { withoutOurConditions, withVersion } from '../core/version-fields.ts';
import type { EditHead } from '../http/seam.ts';
import { StoreUnavailable } from '../store/contract.ts';
import type { RequestContext } from './types.ts';
import type { Reservation, Reserved } from './versions.ts';

/** What a request is to the version of its resource. */

/** A write that may go out, as whoever sends it needs it. */
export type VersionedWrite = {
  readonly editHead: EditHead;
  leaseLeftMs(): number;
  settle(effect: Effect): Promise<void>;
  settleBy(settlement: Settlement, status: number | null): Promise<void>;
  abandon(): void;
};

export type ReservedWrite =
  | { readonly kind: 'reserved'; readonly write: VersionedWrite }
  | Exclude<Reserved, { kind: 'reserved' }>;

/** Of the lease of a claim, which is not renewed meanwhile. */
const WAIT_SHARE = 1 / 3;
const NOBODY = new Uint8Array(0);

export async function reserveWrite(
  context: RequestContext,
  kept: KeptVersions,
  claim: KeyClaim | null,
): Promise<ReservedWrite> {
  const { engine, snapshot, policy, head } = context;
  const { leaseMs, quietMs } = policy;
  const reserved = await engine.versions.reserve({
    cellKeys: cellKeysOf(context, kept),
    conditions: readConditions(head.rawHeaders),
    claim,
    leaseMs,
    quietMs,
    retainMs: kept.retainMs,
    waitMs: Math.min(kept.waitMs, leaseMs * WAIT_SHARE),
    settleWaitMs: snapshot.config.storePolicy.settleWaitMs,
    onLost: onlyOnce(() => versionLost(context)),
  });
  if (reserved.kind !== 'reserved') return reserved;
  return { kind: 'reserved', write: writeOf(context, kept, reserved.reservation) };
}

function writeOf(
  { engine, policy, head }: RequestContext,
  kept: KeptVersions,
  reservation: Reservation,
): VersionedWrite {
  const settle = async (effect: Effect): Promise<void> => {
    engine.metrics.version(policy.name, effect.kind);
    try {
      await reservation.settle(effect);
    } catch (error) {
      // A defect: the write stays in doubt, and the answer of the backend is no less true.
      engine.log.unexpected(error);
    }
  };
  return {
    editHead: (status, rawHeaders) =>
      withVersion(rawHeaders, tellsVersion(kept, head.method, status) ? reservation.opaque : null),
    leaseLeftMs: () => reservation.leaseLeftMs(),
    settle,
    settleBy: (settlement, status) => settle(effectOf(settlement, head.method, status)),
    abandon: () => reservation.abandon(),
  };
}

/**
 * Of a POST it would be taken for the ETag of what was created, of a DELETE for that of nothing; 202 has not made the
 * version yet.
 */
function tellsVersion({ issue }: KeptVersions, method: string, status: number): boolean {
  const succeeded = status >= 200 && status < 300 && status !== 202;
  return issue === 'reads-and-writes' && succeeded && (method === 'PUT' || method === 'PATCH');
}

/** Read before the request goes out: what the backend then says is that version, or a later one. */
export async function editHeadOfRead(context: RequestContext, kept: KeptVersions): Promise<EditHead> {
  const opaque = await versionForRead(context, kept);
  // A 304 may go by a date of whole seconds, and would put this version on what is older; a part could be joined by it.
  return (status, rawHeaders) => withVersion(rawHeaders, status === 200 ? opaque : null);
}

async function versionForRead(context: RequestContext, kept: KeptVersions): Promise<string | null> {
  const { engine } = context;
  try {
    return await engine.versions.forRead(cellKeysOf(context, kept), kept.retainMs);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    // A read needs no store; without it nobody can say which version it is.
    engine.log.storeUnavailable(error.reason, error.message);
    return null;
  }
}

/** The request as the backend gets it. */
export function withoutTags(context: RequestContext): RequestContext {
  const { head } = context;
  const rawHeaders = withoutOurConditions(head.rawHeaders, readConditions(head.rawHeaders));
  return rawHeaders === head.rawHeaders ? context : { ...context, head: { ...head, rawHeaders } };
}

function cellKeysOf(
  { snapshot, policy, host, path }: RequestContext,
  { resource }: KeptVersions,
): readonly CellKey[] {
  const name = `${hostOnly(host)}${resourceOf(resource, path)}`;
  return snapshot.secrets.map((secret) => cellKey(secret, 'version', policy.keyspace, NOBODY, name));
}

/** A renewal and the end of the write may both find it out. */
function onlyOnce(run: () => void): () => void {
  let done: 'no' | 'yes' = 'no';
  return () => {
    if (done === 'no') run();
    done = 'yes';
  };
}

function versionLost({ engine, policy, recordKey }: RequestContext): void {
  engine.metrics.version(policy.name, 'lost');
  engine.log.versionLost(policy.name, recordKey);
}
