import { createHmac } from 'node:crypto';
import type { RecordKey } from './record.ts';

/**
 * HMAC-SHA-256 over keyspace, scope and key, each tagged and with its length before it, so that no two triples have
 * one pre-image. Without the secret a copy of the store tells nothing of keys or callers.
 */
export function recordKey(secret: Uint8Array, keyspace: string, scope: Uint8Array, key: string): RecordKey {
  return createHmac('sha256', secret)
    .update(recordKeyParts(keyspace, scope, key))
    .digest('base64url');
}

/** One for each secret, current first; a rotation is rare. */
export function recordKeysOf(
  secrets: readonly Uint8Array[],
  keyspace: string,
  scope: Uint8Array,
  key: string,
): readonly RecordKey[] {
  return secrets.map((secret) => recordKey(secret, keyspace, scope, key));
}

/** The pre-image, apart so that its injectivity can be tested. */
export function recordKeyParts(keyspace: string, scope: Uint8Array, key: string): Uint8Array {
  const keyspaceBytes = Buffer.from(keyspace);
  const keyBytes = Buffer.from(key);
  const out = Buffer.allocUnsafe(keyspaceBytes.length + scope.byteLength + keyBytes.length + 15);
  let at = part(out, 0, 0x6e, keyspaceBytes);
  at = part(out, at, 0x73, scope);
  part(out, at, 0x6b, keyBytes);
  return out;
}

function part(out: Buffer, at: number, tag: number, bytes: Uint8Array): number {
  out[at] = tag;
  out.writeUInt32BE(bytes.byteLength, at + 1);
  out.set(bytes, at + 5);
  return at + 5 + bytes.byteLength;
}
