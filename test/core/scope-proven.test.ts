import { describe, expect, it } from 'vitest';
import { type Caller, STRANGER } from '../../src/core/caller.ts';
import type { ScopePolicy } from '../../src/core/policy.ts';
import { readScope } from '../../src/core/scope.ts';
import { headWith } from '../support/request-head.ts';

const BY_SUB: ScopePolicy = { headers: [], anonymous: 'refuse', jwt: { claims: ['sub'] } };

function ofToken(issuer: string, claims: Readonly<Record<string, string>>): Caller {
  return { ...STRANGER, token: { kind: 'verified', issuer, claims: new Map(Object.entries(claims)) } };
}

function ofCertificate(fingerprint: string, subject: string, ...alternativeNames: string[]): Caller {
  return { ...STRANGER, certificate: { fingerprint, subject, alternativeNames } };
}

function scopeOf(policy: ScopePolicy, caller: Caller, ...rawHeaders: string[]): string {
  const found = readScope(policy, headWith(...rawHeaders), caller);
  if (found.kind === 'scope') return Buffer.from(found.scope).toString('hex');
  return found.kind === 'unknown' ? found.code : found.kind;
}

describe('a scope by token', () => {
  it('is that of issuer and claims, whatever else the token or the request says', () => {
    const scope = scopeOf(BY_SUB, ofToken('i', { sub: 'ada' }));

    expect(scope).toMatch(/^[0-9a-f]{64}$/);
    expect(scopeOf(BY_SUB, ofToken('i', { sub: 'ada', tenant: 'x' }), 'Authorization', 'b')).toBe(scope);
  });

  it('equals none of another issuer, claim, certificate, field, cookie, or spelling', () => {
    const anonymous = { ...BY_SUB, anonymous: 'allow' } as const;
    const bySubject: ScopePolicy = { headers: [], anonymous: 'refuse', certificate: 'subject' };
    const scopes = [
      scopeOf(BY_SUB, ofToken('i', { sub: 'a' })),
      scopeOf(BY_SUB, ofToken('j', { sub: 'a' })),
      scopeOf(BY_SUB, ofToken('i', { sub: '\u0161' })),
      scopeOf({ ...BY_SUB, jwt: { claims: ['tenant'] } }, ofToken('i', { tenant: 'a' })),
      scopeOf({ ...BY_SUB, jwt: { claims: [] } }, ofToken('i', {})),
      scopeOf({ ...BY_SUB, headers: ['sub'] }, ofToken('i', { sub: 'a' }), 'Sub', 'a'),
      scopeOf({ headers: ['sub'], anonymous: 'refuse' }, STRANGER, 'Sub', 'a'),
      scopeOf({ headers: [], cookies: ['sub'], anonymous: 'refuse' }, STRANGER, 'Cookie', 'sub=a'),
      scopeOf(bySubject, ofCertificate('a', 'a', 'a')),
      scopeOf({ ...bySubject, certificate: 'san' }, ofCertificate('a', 'a', 'a')),
      scopeOf({ ...bySubject, certificate: 'fingerprint' }, ofCertificate('a', 'a', 'a')),
      scopeOf(anonymous, { ...STRANGER, token: { kind: 'absent' } }),
    ];

    expect(scopes.every((scope) => /^(?:[0-9a-f]{64}|61)$/.test(scope))).toBe(true);
    expect(new Set(scopes).size).toBe(scopes.length);
  });

  it('is never that of nobody because the token is not valid, even where nobody is welcome', () => {
    const token = { kind: 'refused', why: 'expired', detail: 'over' } as const;

    expect(scopeOf({ ...BY_SUB, anonymous: 'allow' }, { ...STRANGER, token })).toBe('credential-invalid');
  });

  it('cannot be told without a token, without the claim, before it is read, or without keys', () => {
    expect([
      scopeOf(BY_SUB, { ...STRANGER, token: { kind: 'absent' } }),
      scopeOf({ ...BY_SUB, headers: ['x-a'] }, { ...STRANGER, token: { kind: 'absent' } }, 'X-A', 'a'),
      scopeOf(BY_SUB, ofToken('i', { tenant: 'a' })),
      scopeOf(BY_SUB, STRANGER),
      scopeOf(BY_SUB, { ...STRANGER, token: { kind: 'unavailable', detail: '' } }),
    ]).toEqual([
      'scope-missing',
      'scope-missing',
      'credential-invalid',
      'unread',
      'verification-unavailable',
    ]);
  });
});

describe('a scope by certificate', () => {
  it('is missing without one, and where it lacks the names that count', () => {
    const policy: ScopePolicy = { headers: [], anonymous: 'refuse', certificate: 'san' };

    expect(scopeOf(policy, STRANGER)).toBe('scope-missing');
    expect(scopeOf(policy, ofCertificate('f', 's'))).toBe('scope-missing');
  });

  it('by its names outlives a renewal, in whatever order they stand; by its fingerprint not', () => {
    const policy = (certificate: 'san' | 'fingerprint'): ScopePolicy => ({
      headers: [],
      anonymous: 'refuse',
      certificate,
    });
    const [old, renewed] = [
      ofCertificate('f', 's', 'DNS:a', 'DNS:b'),
      ofCertificate('g', 's', 'DNS:b', 'DNS:a'),
    ];

    expect(scopeOf(policy('san'), old)).toBe(scopeOf(policy('san'), renewed));
    expect(scopeOf(policy('fingerprint'), old)).not.toBe(scopeOf(policy('fingerprint'), renewed));
  });
});
