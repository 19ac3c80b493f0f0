import { describe, expect, it } from 'vitest';
import { fingerprintPolicyId } from '../../src/core/fingerprint-policy.ts';
import type { FingerprintPolicy } from '../../src/core/policy.ts';

const BASE: Omit<FingerprintPolicy, 'id'> = {
  method: 'include',
  path: 'include',
  query: 'raw',
  body: { kind: 'bytes' },
  headers: ['content-encoding', 'content-type'],
};

describe('the id of a fingerprint policy', () => {
  it('is the same in every version, since records keep it', () => {
    expect(fingerprintPolicyId(BASE)).toBe('LsiLjK8tp92ObhXp');
  });

  it('does not depend on the order of fields and lists', () => {
    const turned = {
      headers: ['content-type', 'content-encoding'],
      body: { kind: 'bytes' },
      query: 'raw',
      path: 'include',
      method: 'include',
    } as const;

    expect(fingerprintPolicyId(turned)).toBe(fingerprintPolicyId(BASE));
  });

  it('differs wherever the policy does', () => {
    const others: readonly Omit<FingerprintPolicy, 'id'>[] = [
      BASE,
      { ...BASE, method: 'exclude' },
      { ...BASE, path: 'exclude' },
      { ...BASE, query: 'parsed' },
      { ...BASE, query: 'exclude' },
      { ...BASE, headers: [] },
      { ...BASE, headers: ['content-type'] },
      { ...BASE, body: { kind: 'none' } },
      { ...BASE, body: { kind: 'canonical-json' } },
      { ...BASE, body: { kind: 'json-select', pointers: ['/a'] } },
      { ...BASE, body: { kind: 'json-exclude', pointers: ['/a'] } },
      { ...BASE, body: { kind: 'json-select', pointers: ['/a', '/b'] } },
    ];

    expect(new Set(others.map(fingerprintPolicyId)).size).toBe(others.length);
  });
});
