import { describe, expect, it } from 'vitest';
import { UNWRITTEN, type Versioned } from '../../src/core/resource-version.ts';
import { decodeVersion, encodeVersion } from '../../src/core/resource-version-value.ts';

const A = 'a'.repeat(32);
const settled: Versioned = { version: A, existence: 'exists', pending: null };
const pending = { owner: 'b'.repeat(32), leaseMs: 1_000, untilMs: 1_500.5, quietMs: 2_000, claim: null };

describe('a version as bytes', () => {
  it.each<Versioned>([
    UNWRITTEN,
    settled,
    { ...settled, version: null, existence: 'gone' },
    { ...settled, pending },
    { ...settled, pending: { ...pending, claim: { recordKey: 'k', token: 7 } } },
  ])('%j is read as it was written', (state) => {
    expect(decodeVersion(encodeVersion(state))).toEqual(state);
  });

  it('of an absent cell is that of a resource never written', () => {
    expect(decodeVersion(new Uint8Array())).toEqual(UNWRITTEN);
  });

  it.each([
    '{',
    'null',
    '[]',
    '{"format":2,"version":null,"existence":"exists","pending":null}',
    '{"format":1,"version":"x","existence":"exists","pending":null}',
    '{"format":1,"version":null,"existence":"maybe","pending":null}',
    '{"format":1,"version":null,"existence":"exists"}',
    `{"format":1,"version":null,"existence":"exists","pending":{"owner":"${A}","leaseMs":1,"untilMs":"2","quietMs":3,"claim":null}}`,
    `{"format":1,"version":null,"existence":"exists","pending":{"owner":"${A}","leaseMs":1,"untilMs":2,"quietMs":3,"claim":{}}}`,
  ])('%s is none', (text) => {
    expect(decodeVersion(Buffer.from(text))).toBeNull();
  });
});
