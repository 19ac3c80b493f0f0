import { createPublicKey, hash } from 'node:crypto';
import { createLocalJWKSet, type JWK } from 'jose';
import { readBounded } from '../config/read-bounded.ts';

/** A key set (RFC 7517) in a file: public keys of signers and nothing else. */

export type KeySet = { readonly find: ReturnType<typeof createLocalJWKSet>; readonly count: number };

export type KeySetRead =
  | { readonly kind: 'keys'; readonly keys: KeySet; readonly digest: string }
  /** `message`: one line that names the file. */
  | { readonly kind: 'faulty'; readonly message: string; readonly digest: string };

const FILE_BYTES_MAX = 256 * 1024;
const KEYS_MAX = 100;
const RSA_BITS_MIN = 2048;

/** Never rejects. */
export async function readKeySet(file: string): Promise<KeySetRead> {
  try {
    const bytes = await readBounded(file, FILE_BYTES_MAX);
    if (bytes === null) throw new Error('the file is larger than 256 KiB');
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const digest = hash('sha256', text, 'base64url');
    const judged = keySetOf(text);
    return typeof judged === 'string'
      ? { kind: 'faulty', message: `${file}: ${judged}`, digest }
      : { kind: 'keys', keys: judged, digest };
  } catch (error) {
    const message = `${file}: ${error instanceof Error ? error.message : String(error)}`;
    return { kind: 'faulty', message, digest: `unreadable: ${message}` };
  }
}

/** Keys of kinds that are not known are left out (RFC 7517 section 5); what is dangerous makes the file faulty. */
function keySetOf(text: string): KeySet | string {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return 'is not JSON';
  }
  if (typeof read !== 'object' || read === null || !('keys' in read) || !Array.isArray(read.keys))
    return 'is no JSON Web Key Set: { "keys": [ … ] }';
  if (read.keys.length > KEYS_MAX) return `has more than ${KEYS_MAX} keys`;
  const usable: JWK[] = [];
  for (const [index, jwk] of read.keys.entries()) {
    const judged = judgeKey(jwk);
    if (typeof judged === 'string') return `keys[${index}] ${judged}`;
    if (judged === null) continue;
    // Without an id of its own, which of two keys is meant could only be guessed.
    const twin = usable.some(
      ({ kid, kty, crv }) => kid === judged.kid && kty === judged.kty && crv === judged.crv,
    );
    if (twin) return `keys[${index}] has the kid of another key of its kind, or none as that one`;
    usable.push(judged);
  }
  if (usable.length === 0) return 'has no key that could verify a signature';
  return { find: createLocalJWKSet({ keys: usable }), count: usable.length };
}

/** Null: a key for something else, or of a kind that is not known. */
function judgeKey(jwk: unknown): JWK | string | null {
  if (typeof jwk !== 'object' || jwk === null || !('kty' in jwk) || typeof jwk.kty !== 'string')
    return 'is no JSON Web Key';
  if (jwk.kty === 'oct') return 'is a shared secret; whoever can read it could sign';
  if ('d' in jwk) return 'is a private key; only the public part belongs here';
  if (!['RSA', 'EC', 'OKP'].includes(jwk.kty)) return null;
  if ('use' in jwk && jwk.use !== 'sig') return null;
  const plain: JWK = { ...jwk, kty: jwk.kty };
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey({ key: plain, format: 'jwk' });
    const bits = asymmetricKeyDetails?.modulusLength ?? RSA_BITS_MIN;
    if (asymmetricKeyType === 'rsa' && bits < RSA_BITS_MIN)
      return `has ${bits} bits, less than ${RSA_BITS_MIN}`;
  } catch {
    return 'is not well-formed';
  }
  return plain;
}
