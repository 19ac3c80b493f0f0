import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STRANGER } from '../../src/core/caller.ts';
import type { ScopePolicy } from '../../src/core/policy.ts';
import { readScope } from '../../src/core/scope.ts';
import { headWith } from '../support/request-head.ts';

const BY_CREDENTIAL: ScopePolicy = { headers: ['authorization'], anonymous: 'refuse' };
const OPEN: ScopePolicy = { headers: ['authorization'], anonymous: 'allow' };
const BY_TENANT_AND_USER: ScopePolicy = {
  headers: ['x-tenant', 'x-user'],
  anonymous: 'refuse',
};

/** The scope in hexadecimal, or the kind. */
function scopeOf(policy: ScopePolicy, ...rawHeaders: readonly string[]): string {
  const found = readScope(policy, headWith(...rawHeaders), STRANGER);
  if (found.kind === 'scope') return Buffer.from(found.scope).toString('hex');
  return found.kind === 'unknown' ? found.code : found.kind;
}

describe('a scope', () => {
  it('is the same for the same credential, however the field name is written', () => {
    const scope = scopeOf(BY_CREDENTIAL, 'Authorization', 'Bearer a');

    expect(scope).toMatch(/^[0-9a-f]{64}$/);
    expect(scopeOf(BY_CREDENTIAL, 'Accept', '*/*', 'AUTHORIZATION', 'Bearer a')).toBe(scope);
  });

  it('differs between two credentials', () => {
    expect(scopeOf(BY_CREDENTIAL, 'Authorization', 'Bearer a')).not.toBe(
      scopeOf(BY_CREDENTIAL, 'Authorization', 'Bearer b'),
    );
  });

  it('by another field survives a refreshed token', () => {
    const policy: ScopePolicy = { headers: ['x-tenant'], anonymous: 'refuse' };

    expect(scopeOf(policy, 'X-Tenant', '7', 'Authorization', 'Bearer new')).toBe(
      scopeOf(policy, 'Authorization', 'Bearer old', 'X-Tenant', '7'),
    );
  });

  it('does not have the credential in it', () => {
    expect(scopeOf(BY_CREDENTIAL, 'Authorization', 'abc')).not.toContain(Buffer.from('abc').toString('hex'));
  });

  it.each([
    [[], 'scope-missing'],
    [['Authorization', ''], 'scope-missing'],
    [['Authorization', 'a', 'authorization', 'a'], 'bad-request'],
    [['Authorization', 'a', 'authorization', 'b'], 'bad-request'],
    [['Authorization', '', 'authorization', 'b'], 'bad-request'],
  ])('%j gives %s where anonymous is refused', (rawHeaders, expected) => {
    expect(scopeOf(BY_CREDENTIAL, ...rawHeaders)).toBe(expected);
  });

  it('repeated is invalid where anonymous is allowed, too', () => {
    expect(scopeOf(OPEN, 'Authorization', 'a', 'Authorization', 'b')).toBe('bad-request');
  });

  it('says which field is missing', () => {
    expect(readScope(BY_TENANT_AND_USER, headWith(), STRANGER)).toEqual({
      kind: 'unknown',
      code: 'scope-missing',
      detail:
        'A request with a key needs x-tenant or x-user: keys belong to a caller, and this one is not known.',
    });
  });

  it('of two fields tells which of them carried the value', () => {
    const scopes = [
      scopeOf(BY_TENANT_AND_USER, 'X-Tenant', 'a'),
      scopeOf(BY_TENANT_AND_USER, 'X-User', 'a'),
      scopeOf(BY_TENANT_AND_USER, 'X-Tenant', 'a', 'X-User', 'a'),
      scopeOf(BY_TENANT_AND_USER, 'X-Tenant', 'aa'),
    ];

    expect(new Set(scopes).size).toBe(scopes.length);
  });
});

describe('the anonymous scope', () => {
  it('is one for all who send no credential', () => {
    expect(scopeOf(OPEN)).toBe(scopeOf(OPEN, 'Authorization', '', 'X', '1'));
  });

  it('is no credential\u2019s', () => {
    const anonymous = scopeOf(OPEN);

    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (credential) => {
        expect(scopeOf(OPEN, 'Authorization', credential)).not.toBe(anonymous);
      }),
    );
  });
});

describe('two scopes', () => {
  it('are equal only where every field is', () => {
    const value = fc.constantFrom('', 'a', 'aa', '1:a', '6:x-user=1:a', '-', '=', '8:x-tenant-');
    const values = fc.tuple(value, value);

    fc.assert(
      fc.property(values, values, (one, other) => {
        const scopes = [one, other].map(([tenant, user]) =>
          scopeOf(BY_TENANT_AND_USER, 'X-Tenant', tenant, 'X-User', user),
        );

        expect(scopes[0] === scopes[1]).toBe(one.join('\0') === other.join('\0'));
      }),
      { numRuns: 2_000 },
    );
  });

  it('of an AWS signature is the access key alone, where that is asked for', () => {
    const policy: ScopePolicy = { ...BY_CREDENTIAL, sigv4: 'access-key' };
    const signed = (id: string, rest: string): string =>
      `AWS4-HMAC-SHA256 Credential=${id}/20261126/eu-west-1/ec2/aws4_request, ${rest}`;
    const scope = scopeOf(policy, 'Authorization', signed('AKID', 'Signature=aa'));

    expect(scopeOf(policy, 'Authorization', signed('AKID', 'Signature=bb'))).toBe(scope);
    expect(scopeOf(policy, 'Authorization', signed('AKIE', 'Signature=aa'))).not.toBe(scope);
    expect(scopeOf(BY_CREDENTIAL, 'Authorization', signed('AKID', 'Signature=aa'))).not.toBe(scope);
    for (const whole of [
      'Bearer a',
      'AWS4-HMAC-SHA256 Signature=aa',
      'x AWS4-HMAC-SHA256 Credential=AKID/x',
      '',
    ]) {
      expect(scopeOf(policy, 'Authorization', whole)).toBe(scopeOf(BY_CREDENTIAL, 'Authorization', whole));
    }
  });
});

describe('a scope by cookie', () => {
  const BY_SESSION: ScopePolicy = { headers: [], cookies: ['sid'], anonymous: 'refuse' };

  it('is the same whatever other cookies come and go', () => {
    const scope = scopeOf(BY_SESSION, 'Cookie', 'sid=a');

    expect(scope).toMatch(/^[0-9a-f]{64}$/);
    expect(scopeOf(BY_SESSION, 'Cookie', '_ga=1; sid=a; theme=dark')).toBe(scope);
    expect(scopeOf(BY_SESSION, 'cookie', '_ga=2', 'cookie', 'sid=a')).toBe(scope);
  });

  it.each([
    [['Cookie', 'sid=a; sid=b'], 'bad-request'],
    [['Cookie', 'sid=a', 'Cookie', 'sid=a'], 'bad-request'],
    [['Cookie', 'sid='], 'scope-missing'],
    [['Cookie', 'SID=a'], 'scope-missing'],
    [['Cookie', 'xsid=a; sid'], 'scope-missing'],
    [['Cookie', ''], 'scope-missing'],
    [[], 'scope-missing'],
  ])('%j gives %s', (rawHeaders, expected) => {
    expect(scopeOf(BY_SESSION, ...rawHeaders)).toBe(expected);
  });

  it('differs by session, by name, and from a field of the same name and value', () => {
    const scopes = [
      scopeOf(BY_SESSION, 'Cookie', 'sid=a'),
      scopeOf(BY_SESSION, 'Cookie', 'sid=b'),
      scopeOf({ ...BY_SESSION, cookies: ['tid'] }, 'Cookie', 'tid=a'),
      scopeOf({ headers: ['sid'], anonymous: 'refuse' }, 'sid', 'a'),
      scopeOf({ ...BY_SESSION, headers: ['authorization'] }, 'Cookie', 'sid=a'),
      scopeOf({ ...BY_SESSION, anonymous: 'allow' }),
    ];

    expect(new Set(scopes).size).toBe(scopes.length);
  });

  it('says which cookie is missing', () => {
    const found = readScope(BY_SESSION, headWith(), STRANGER);

    expect(found.kind === 'unknown' ? found.detail : '').toContain('the cookie sid');
  });
});
