import { createHmac, timingSafeEqual } from 'node:crypto';
import { allValues, type RawHeaders } from './wire.ts';

/** What every way of signing needs. */

export type Single =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'malformed' };

/** A field that is there once: of two the backend may read the other. */
export function single(rawHeaders: RawHeaders, name: string): Single {
  const values = allValues(rawHeaders, name);
  const [value] = values;
  if (value === undefined) return { kind: 'missing' };
  return values.length === 1 ? { kind: 'value', value } : { kind: 'malformed' };
}

/** More signatures than a sender has keys are not looked at: each costs a comparison. */
export const CANDIDATES_MAX = 16;

/** A text in it is bytes as latin1, as a head has them. */
export type SignedContent = readonly (string | Uint8Array)[];

/** In constant time for each pair, and without an early end. */
export function anyMatches(
  algorithm: 'sha1' | 'sha256',
  keys: readonly (string | Uint8Array)[],
  content: SignedContent,
  candidates: readonly Uint8Array[],
): 'genuine' | 'mismatch' {
  let verdict: 'genuine' | 'mismatch' = 'mismatch';
  for (const key of keys) {
    const hmac = createHmac(algorithm, key);
    for (const part of content)
      if (typeof part === 'string') hmac.update(part, 'latin1');
      else hmac.update(part);
    const digest = hmac.digest();
    for (const candidate of candidates.slice(0, CANDIDATES_MAX)) {
      if (candidate.byteLength === digest.byteLength && timingSafeEqual(candidate, digest))
        verdict = 'genuine';
    }
  }
  return verdict;
}
