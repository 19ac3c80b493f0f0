import { hash, hkdfSync } from 'node:crypto';
import { NOTE_BYTES_MAX, type RecordKey } from '../core/record.ts';
import { type SealKey, seal, sealKey, unseal } from '../store/seal.ts';

/**
 * What a probe needs of the first request, as it stands beside the record: sealed under keys of the HMAC secrets, so
 * that a copy of the store alone still tells nothing of keys. It belongs to its record and to its fingerprint: a note
 * that an older program left behind is not taken for that of another request.
 */
export type Note = {
  readonly route: string;
  /** The key as `key`, and what was captured. */
  readonly values: ReadonlyMap<string, string>;
};

const PURPOSE = 'note';

export function writeNote(
  secret: Uint8Array,
  recordKey: RecordKey,
  fingerprint: string,
  { route, values }: Note,
): Uint8Array | null {
  const plain = Buffer.from(JSON.stringify({ route, fingerprint, values: [...values] }));
  const sealed = seal(noteKey(secret), { purpose: PURPOSE, recordKey, client: null }, plain);
  // Without a note only repeats whose question needs nothing but the key can ask.
  return sealed.byteLength > NOTE_BYTES_MAX ? null : sealed;
}

/** Null where there is none that these secrets open. */
export function readNote(
  secrets: readonly Uint8Array[],
  recordKey: RecordKey,
  fingerprint: string,
  note: Uint8Array | null,
): Note | null {
  if (note === null) return null;
  const opened = unseal(secrets.map(noteKey), { purpose: PURPOSE, recordKey, client: null }, note);
  if (opened.kind !== 'opened') return null;
  const read: unknown = JSON.parse(opened.bytes.toString('utf8'));
  if (!isNote(read) || read.fingerprint !== fingerprint) return null;
  return { route: read.route, values: new Map(read.values) };
}

type Written = {
  readonly route: string;
  readonly fingerprint: string;
  readonly values: readonly (readonly [string, string])[];
};

function isNote(read: unknown): read is Written {
  return (
    typeof read === 'object' &&
    read !== null &&
    'route' in read &&
    typeof read.route === 'string' &&
    'fingerprint' in read &&
    'values' in read &&
    Array.isArray(read.values) &&
    read.values.every((pair) => Array.isArray(pair) && pair.every((part) => typeof part === 'string'))
  );
}

/** Derived once for each secret; the secrets live as long as the process. */
const KEYS = new WeakMap<Uint8Array, SealKey>();

function noteKey(secret: Uint8Array): SealKey {
  const known = KEYS.get(secret);
  if (known !== undefined) return known;
  const key = new Uint8Array(hkdfSync('sha256', secret, '', 'onceward note', 32));
  const made = sealKey(hash('sha256', key, 'base64url').slice(0, 8), key);
  KEYS.set(secret, made);
  return made;
}
