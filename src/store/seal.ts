import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import type { RecordKey } from '../core/record.ts';

/**
 * What is kept at rest, sealed with AES-256-GCM:
 *
 *   0  u8   version
 *   1  u8   binding: 0 to the record, 1 to the record and its client
 *   2  u8   length of the key id
 *   3       key id, ASCII
 *   …  32   salt, random
 *   …  12   nonce, random
 *   …       ciphertext
 *   end 16  tag
 *
 * No master key ever encrypts. Each message has a data key of its own: HKDF-SHA-256 (RFC 5869) over the master key,
 * the random salt, and the purpose as info. NIST SP 800-38D section 8.3 allows 2^32 messages under one key where the
 * nonce is random; with 256 bits of salt a second message under one data key is not to be expected, so how many
 * responses one master key has sealed does not matter, nor in how many processes.
 *
 * What stands before the ciphertext and the record key, with its length, are associated data: a sealed message that
 * was moved to another record does not open, nor does one whose head was changed.
 */

const VERSION = 1;
const BOUND_TO_RECORD = 0;
const BOUND_TO_CLIENT = 1;
const FIXED_BYTES = 3;
const SALT_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

export const SEAL_KEY_BYTES = 32;
export const SEAL_KEY_ID_CHARS_MAX = 32;

/** A master key and the name under which what it sealed finds it again. */
export type SealKey = { readonly id: string; readonly key: KeyObject };

/** What the sealed bytes belong to. All of it must be the same when they are opened. */
export type SealPlace = {
  /** What they are, such as `response`: what was sealed as one thing never opens as another. A constant of ours. */
  readonly purpose: string;
  readonly recordKey: RecordKey;
  /** What only a client's request brings along; null where none is at hand, or where the seal is not to need it. */
  readonly client: Uint8Array | null;
};

export type SealBinding = 'record' | 'client';

export type Unsealed =
  | {
      readonly kind: 'opened';
      readonly bytes: Buffer;
      readonly keyId: string;
      readonly binding: SealBinding;
    }
  /** Present, and nobody may take it for absent. `keyId`: as the form names it, empty where it names none. */
  | { readonly kind: 'unreadable'; readonly why: UnreadableReason; readonly keyId: string };

/**
 * `client-missing`: sealed to its client, and none is at hand. `not-authentic`: changed, moved, or under another key.
 * `not-sealed`: plain, where only sealed ones are served.
 */
export const UNREADABLE_REASONS = [
  'key-missing',
  'client-missing',
  'not-authentic',
  'malformed',
  'not-sealed',
] as const;
export type UnreadableReason = (typeof UNREADABLE_REASONS)[number];

/** Throws RangeError for a key that is not 32 bytes, or an id that is not 1 to 32 of `A-Z a-z 0-9 . _ -`. */
export function sealKey(id: string, bytes: Uint8Array): SealKey {
  if (bytes.byteLength !== SEAL_KEY_BYTES) throw new RangeError(`a seal key has ${SEAL_KEY_BYTES} bytes`);
  if (!/^[A-Za-z0-9._-]+$/.test(id) || id.length > SEAL_KEY_ID_CHARS_MAX)
    throw new RangeError('the id of a seal key has 1 to 32 letters, digits, dots, dashes or underscores');
  return { id, key: createSecretKey(bytes) };
}

/** Synchronous: a response of the default limit takes less than a millisecond. */
export function seal(key: SealKey, place: SealPlace, plain: Uint8Array): Buffer {
  const idBytes = key.id.length;
  const nonceAt = FIXED_BYTES + idBytes + SALT_BYTES;
  const bodyAt = nonceAt + NONCE_BYTES;
  const head = Buffer.allocUnsafe(bodyAt);
  head[0] = VERSION;
  head[1] = place.client === null ? BOUND_TO_RECORD : BOUND_TO_CLIENT;
  head[2] = idBytes;
  head.write(key.id, FIXED_BYTES, 'latin1');
  randomBytes(SALT_BYTES + NONCE_BYTES).copy(head, FIXED_BYTES + idBytes);
  const salt = head.subarray(FIXED_BYTES + idBytes, nonceAt);
  const nonce = head.subarray(nonceAt, bodyAt);
  const cipher = createCipheriv(CIPHER, dataKey(key, salt, place), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData(head, place.recordKey));
  const text = cipher.update(plain);
  cipher.final();
  return Buffer.concat([head, text, cipher.getAuthTag()]);
}

/** Never throws for what stands in `sealed`. */
export function unseal(keys: readonly SealKey[], place: SealPlace, sealed: Uint8Array): Unsealed {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const saltAt = FIXED_BYTES + (bytes[2] ?? 0);
  const nonceAt = saltAt + SALT_BYTES;
  const bodyAt = nonceAt + NONCE_BYTES;
  const tagAt = bytes.length - TAG_BYTES;
  const bound = bytes[1];
  // The version first: another one may keep its parts elsewhere.
  if (bytes[0] !== VERSION || tagAt < bodyAt || (bound !== BOUND_TO_RECORD && bound !== BOUND_TO_CLIENT))
    return { kind: 'unreadable', why: 'malformed', keyId: '' };
  const keyId = bytes.toString('latin1', FIXED_BYTES, saltAt);
  const key = keys.find(({ id }) => id === keyId);
  if (key === undefined) return { kind: 'unreadable', why: 'key-missing', keyId: printable(keyId) };
  if (bound === BOUND_TO_CLIENT && place.client === null)
    return { kind: 'unreadable', why: 'client-missing', keyId };
  const client = bound === BOUND_TO_CLIENT ? place.client : null;
  const decipher = createDecipheriv(
    CIPHER,
    dataKey(key, bytes.subarray(saltAt, nonceAt), { ...place, client }),
    bytes.subarray(nonceAt, bodyAt),
    { authTagLength: TAG_BYTES },
  );
  decipher.setAAD(associatedData(bytes.subarray(0, bodyAt), place.recordKey));
  decipher.setAuthTag(bytes.subarray(tagAt));
  const plain = decipher.update(bytes.subarray(bodyAt, tagAt));
  try {
    decipher.final();
  } catch {
    // Nothing of what was decrypted may be looked at: it is not what was sealed.
    return { kind: 'unreadable', why: 'not-authentic', keyId };
  }
  return { kind: 'opened', bytes: plain, keyId, binding: client === null ? 'record' : 'client' };
}

/**
 * The client's part stands in the keying material and not in the info: with it the key is as secret as either of the
 * two, so that whoever has store and master key still lacks what the client alone sends.
 */
function dataKey(master: SealKey, salt: Uint8Array, place: SealPlace): Buffer {
  const info = `onceward seal ${VERSION} ${place.purpose}`;
  const material =
    place.client === null ? master.key : Buffer.concat([master.key.export(), tagged('c', place.client)]);
  return Buffer.from(hkdfSync('sha256', material, salt, info, SEAL_KEY_BYTES));
}

function associatedData(head: Uint8Array, recordKey: RecordKey): Buffer {
  return Buffer.concat([tagged('h', head), tagged('r', Buffer.from(recordKey, 'utf8'))]);
}

/** With its length before it, so that no two lists of parts have one form. */
function tagged(tag: string, bytes: Uint8Array): Buffer {
  const head = Buffer.allocUnsafe(5);
  head.write(tag, 0, 'latin1');
  head.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([head, bytes]);
}

/** From a form that nobody vouches for into a log line. */
function printable(keyId: string): string {
  return keyId.replace(/[^A-Za-z0-9._-]/g, '?').slice(0, SEAL_KEY_ID_CHARS_MAX);
}
