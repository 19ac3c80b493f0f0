import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { RecordKey } from './record.ts';

/**
 * The name of a task: its record key, hints of its route and of what was asked, and an HMAC that binds all to the
 * principal. Nothing is stored for it, and whoever asks for another's id learns no more than from one that never was.
 */

const KEY_BYTES = 32;
const ROUTE_BYTES = 4;
const REQUEST_BYTES = 9;
const NAMED_BYTES = KEY_BYTES + ROUTE_BYTES + REQUEST_BYTES;
const MAC_BYTES = 12;
/** No pre-image of a record key (core/record-key.ts) or of a ticket's proof (core/ticket.ts) begins so. */
const TASK_TAG = Uint8Array.of(0x74);

export type TaskId = { readonly recordKey: RecordKey; readonly bytes: Uint8Array };

export type TaskName = {
  readonly recordKey: RecordKey;
  readonly route: string;
  readonly fingerprint: string;
};

/** 76 characters of base64url. The same request with the same key on the same route has the same one. */
export function taskId(
  secret: Uint8Array,
  { recordKey, route, fingerprint }: TaskName,
  scope: Uint8Array,
): string {
  const named = Buffer.concat([
    Buffer.from(recordKey, 'base64url'),
    hint(route, ROUTE_BYTES),
    hint(fingerprint, REQUEST_BYTES),
  ]);
  return Buffer.concat([named, mac(secret, named, scope)]).toString('base64url');
}

/** Null: no id has this form. Whose it is, `belongsTo` says. */
export function parseTaskId(text: string): TaskId | null {
  if (!/^[A-Za-z0-9_-]{76}$/.test(text)) return null;
  const bytes = Buffer.from(text, 'base64url');
  return { recordKey: bytes.toString('base64url', 0, KEY_BYTES), bytes };
}

export function belongsTo({ bytes }: TaskId, secret: Uint8Array, scope: Uint8Array): 'yes' | 'no' {
  const named = bytes.subarray(0, NAMED_BYTES);
  return timingSafeEqual(bytes.subarray(NAMED_BYTES), mac(secret, named, scope)) ? 'yes' : 'no';
}

/** Only a hint: after a route is renamed its tasks are still found. */
export function isOfRoute({ bytes }: TaskId, route: string): 'yes' | 'no' {
  return fits(bytes, KEY_BYTES, hint(route, ROUTE_BYTES));
}

/** A key that has become free may be used for something else: that is another task, though its record key is the same. */
export function isOfRequest({ bytes }: TaskId, fingerprint: string): 'yes' | 'no' {
  return fits(bytes, KEY_BYTES + ROUTE_BYTES, hint(fingerprint, REQUEST_BYTES));
}

function fits(bytes: Uint8Array, at: number, wanted: Buffer): 'yes' | 'no' {
  return wanted.equals(bytes.subarray(at, at + wanted.byteLength)) ? 'yes' : 'no';
}

function mac(secret: Uint8Array, named: Uint8Array, scope: Uint8Array): Buffer {
  return createHmac('sha256', secret)
    .update(TASK_TAG)
    .update(named)
    .update(scope)
    .digest()
    .subarray(0, MAC_BYTES);
}

function hint(text: string, bytes: number): Buffer {
  return hash('sha256', text, 'buffer').subarray(0, bytes);
}
