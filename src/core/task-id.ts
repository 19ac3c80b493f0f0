import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { RecordKey } from './record.ts';

/**
 * The name of a task: its record key, a hint of its route, and an HMAC that binds both to the principal. Nothing is
 * stored for it, and whoever asks for another's id learns no more than from one that never was.
 */

const KEY_BYTES = 32;
const HINT_BYTES = 4;
const MAC_BYTES = 12;
/** No pre-image of a record key begins so (core/record-key.ts). */
const TASK_TAG = Uint8Array.of(0x74);

export type TaskId = { readonly recordKey: RecordKey; readonly bytes: Uint8Array };

/** 64 characters of base64url. The same key of the same principal on the same route has the same one. */
export function taskId(secret: Uint8Array, recordKey: RecordKey, route: string, scope: Uint8Array): string {
  const named = Buffer.concat([Buffer.from(recordKey, 'base64url'), routeHint(route)]);
  return Buffer.concat([named, mac(secret, named, scope)]).toString('base64url');
}

/** Null: no id has this form. Whose it is, `belongsTo` says. */
export function parseTaskId(text: string): TaskId | null {
  if (!/^[A-Za-z0-9_-]{64}$/.test(text)) return null;
  const bytes = Buffer.from(text, 'base64url');
  return { recordKey: bytes.toString('base64url', 0, KEY_BYTES), bytes };
}

export function belongsTo({ bytes }: TaskId, secret: Uint8Array, scope: Uint8Array): 'yes' | 'no' {
  const named = bytes.subarray(0, KEY_BYTES + HINT_BYTES);
  return timingSafeEqual(bytes.subarray(KEY_BYTES + HINT_BYTES), mac(secret, named, scope)) ? 'yes' : 'no';
}

/** Only a hint: after a route is renamed its tasks are still found. */
export function isOfRoute({ bytes }: TaskId, route: string): 'yes' | 'no' {
  return routeHint(route).equals(bytes.subarray(KEY_BYTES, KEY_BYTES + HINT_BYTES)) ? 'yes' : 'no';
}

function mac(secret: Uint8Array, named: Uint8Array, scope: Uint8Array): Buffer {
  return createHmac('sha256', secret)
    .update(TASK_TAG)
    .update(named)
    .update(scope)
    .digest()
    .subarray(0, MAC_BYTES);
}

function routeHint(route: string): Buffer {
  return hash('sha256', route, 'buffer').subarray(0, HINT_BYTES);
}
