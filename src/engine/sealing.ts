import type { OpenedResponse } from '../core/decide.ts';
import type { PlainResponse, RecordKey, StoredResponse } from '../core/record.ts';
import { recordKeyParts } from '../core/record-key.ts';
import { decodeResponse, encodeResponse } from '../store/codec.ts';
import { StoreUnavailable } from '../store/contract.ts';
import {
  type SealBinding,
  type SealKey,
  type SealPlace,
  seal,
  type UnreadableReason,
  unseal,
} from '../store/seal.ts';
import type { RequestContext } from './types.ts';

/** The edge between plain and stored responses: every response is sealed and opened here, and in no store. */

/** How responses are encrypted at rest; null in a snapshot: not at all. */
export type Sealing = {
  /** Current first; the others only open what is older. */
  readonly keys: readonly SealKey[];
  /** client: a response opens only for a request with the key and scope it was stored under. */
  readonly bind: SealBinding;
  /**
   * plain: new responses are stored as they are, sealed ones are still opened. sealed-only: what stands there plain is
   * not served; a checksum tells damage from what was written, and nothing of who wrote it.
   */
  readonly responses: 'sealed' | 'sealed-only' | 'plain';
};

const PURPOSE = 'response';

/**
 * What is kept of a response. `client`: what only its request brings along (`clientPart`); null where none is at
 * hand, and then the seal does not need it. A response without a body has a status and a time to tell, and stays.
 * Throws StoreUnavailable `error` for a head that must not be stored.
 */
export function sealResponse(
  sealing: Sealing | null,
  recordKey: RecordKey,
  client: Uint8Array | null,
  response: PlainResponse,
): StoredResponse {
  const current = sealing?.keys[0];
  if (sealing === null || current === undefined || sealing.responses === 'plain') return response;
  if (response.kind === 'unstored') return response;
  const place = { purpose: PURPOSE, recordKey, client: sealing.bind === 'client' ? client : null };
  return { kind: 'sealed', bytes: seal(current, place, encodeResponse(response)) };
}

/** The response of this request, as it is stored. */
export function storedForm(
  context: RequestContext,
  recordKey: RecordKey,
  response: PlainResponse,
): StoredResponse {
  const { sealing } = context.snapshot;
  return sealing === null
    ? response
    : sealResponse(sealing, recordKey, clientPart(context, sealing.bind), response);
}

export type HeldForm = {
  /** For each try of one write. */
  form(): StoredResponse;
  /** No further try will be made. */
  drop(): void;
};

/**
 * A sealed copy doubles what a settlement holds while the store is away, so it is counted against limits.buffer.
 * Where there is no room it is not held: each try seals anew, and what is not counted lives no longer than a try.
 */
export function heldForm(context: RequestContext, recordKey: RecordKey, response: PlainResponse): HeldForm {
  const { budget } = context.engine;
  let held: StoredResponse | null = null;
  let countedBytes = 0;
  return {
    form() {
      if (held !== null) return held;
      const form = storedForm(context, recordKey, response);
      const bytes = form.kind === 'sealed' ? form.bytes.byteLength : 0;
      if (budget.take(bytes) === 'full') return form;
      held = form;
      countedBytes = bytes;
      return form;
    },
    drop() {
      budget.give(countedBytes);
      countedBytes = 0;
      held = null;
    },
  };
}

/** What a stored response came to. `current`: as it would be stored today. */
export type ReadResponse = { readonly opened: OpenedResponse; readonly form: 'current' | 'older' };

/** Never absent, whatever stands there: what does not open is told, counted, and not served. */
export function readResponse(
  context: RequestContext,
  recordKey: RecordKey,
  stored: StoredResponse,
): ReadResponse {
  const { sealing } = context.snapshot;
  if (stored.kind === 'full' && sealing?.responses === 'sealed-only')
    return unreadable(context, recordKey, 'not-sealed', '');
  if (stored.kind !== 'sealed')
    return { opened: stored, form: wantsSeal(sealing) && stored.kind === 'full' ? 'older' : 'current' };
  const place: SealPlace = { purpose: PURPOSE, recordKey, client: clientPart(context, 'client') };
  const unsealed = unseal(sealing?.keys ?? [], place, stored.bytes);
  if (unsealed.kind === 'unreadable') return unreadable(context, recordKey, unsealed.why, unsealed.keyId);
  const opened = decoded(unsealed.bytes);
  // Authentic, and of a form that only a later version can know.
  if (opened === null) return unreadable(context, recordKey, 'malformed', unsealed.keyId);
  const isCurrent =
    !wantsSeal(sealing) || (unsealed.keyId === sealing?.keys[0]?.id && unsealed.binding === sealing.bind);
  return { opened, form: isCurrent ? 'current' : 'older' };
}

function unreadable(
  context: RequestContext,
  recordKey: RecordKey,
  why: UnreadableReason,
  keyId: string,
): ReadResponse {
  context.engine.metrics.responseUnreadable(why);
  context.engine.log.responseUnreadable(context.policy.name, recordKey, why, keyId);
  return { opened: { kind: 'unreadable' }, form: 'current' };
}

/** Null: no plain response. */
function decoded(bytes: Uint8Array): PlainResponse | null {
  try {
    const response = decodeResponse(bytes);
    return response.kind === 'sealed' ? null : response;
  } catch (error) {
    if (error instanceof StoreUnavailable) return null;
    throw error;
  }
}

function wantsSeal(sealing: Sealing | null): boolean {
  return sealing !== null && sealing.keys.length > 0 && sealing.responses !== 'plain';
}

/** Keyspace, scope and key of the request: whoever has the store and the master key has these not. */
function clientPart(context: RequestContext, bind: SealBinding): Uint8Array | null {
  const { scope, key, policy } = context;
  if (bind === 'record' || scope === null || key === null) return null;
  return recordKeyParts(policy.keyspace, scope, key);
}
