import { createHmac } from 'node:crypto';
import type { CellKey } from './cell.ts';
import { recordKeyParts } from './record-key.ts';

/** What a cell is for; two mechanisms never meet in one. */
export type CellKind = 'lock' | 'version' | 'sequence' | 'caller';

/** HMAC-SHA-256 over kind, keyspace, scope and name. No record key has the same pre-image: theirs begin with `n`. */
export function cellKey(
  secret: Uint8Array,
  kind: CellKind,
  keyspace: string,
  scope: Uint8Array,
  name: string,
): CellKey {
  return createHmac('sha256', secret)
    .update(cellKeyParts(kind, keyspace, scope, name))
    .digest('base64url');
}

/** The pre-image, apart so that its injectivity can be tested. */
export function cellKeyParts(kind: CellKind, keyspace: string, scope: Uint8Array, name: string): Uint8Array {
  const tagged = Buffer.from(`c\0\0\0\0${kind}`);
  tagged.writeUInt32BE(kind.length, 1);
  return Buffer.concat([tagged, recordKeyParts(keyspace, scope, name)]);
}
