import type { HeadKey } from '../../src/core/key.ts';
import type { KeyPolicy, KeySource } from '../../src/core/policy.ts';
import type { RequestHead } from '../../src/core/wire.ts';

/** Values for tests of what a request's head decides. */

export function headOf(overrides: Partial<RequestHead> = {}): RequestHead {
  return { method: 'POST', target: '/payments', rawHeaders: [], httpVersion: '1.1', ...overrides };
}

export function headWith(...rawHeaders: readonly string[]): RequestHead {
  return headOf({ rawHeaders });
}

export const HEADER_SOURCE: KeySource = { kind: 'header', name: 'idempotency-key' };

/** The defaults of design: lenient, 1 to 255 visible ASCII characters. */
export function keyPolicy(overrides: Partial<KeyPolicy> = {}): KeyPolicy {
  return {
    sources: [HEADER_SOURCE],
    syntax: 'lenient',
    charsMin: 1,
    charsMax: 255,
    characters: 'visible-ascii',
    presence: 'optional',
    ...overrides,
  };
}

/** `=key`, or the kind. */
export function keySummary(found: HeadKey): string {
  return found.kind === 'key' ? `=${found.key}` : found.kind;
}
