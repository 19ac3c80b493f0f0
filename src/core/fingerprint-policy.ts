import { hash } from 'node:crypto';
import type { FingerprintPolicy } from './policy.ts';

/** Names a fingerprint policy: 16 characters that differ when any part of it does. Order of lists does not count. */
export function fingerprintPolicyId(policy: Omit<FingerprintPolicy, 'id'>): string {
  const { body } = policy;
  const pointers =
    body.kind === 'json-select' || body.kind === 'json-exclude' ? [...body.pointers].sort() : [];
  const parts = [
    1,
    policy.method,
    policy.path,
    policy.query,
    body.kind,
    pointers,
    [...policy.headers].sort(),
  ];
  return hash('sha256', JSON.stringify(parts), 'base64url').slice(0, 16);
}
