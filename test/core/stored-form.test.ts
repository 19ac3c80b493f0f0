import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { STRANGER } from '../../src/core/caller.ts';
import { fingerprint } from '../../src/core/fingerprint.ts';
import { fingerprintPolicyId } from '../../src/core/fingerprint-policy.ts';
import type { FingerprintPolicy, ScopePolicy } from '../../src/core/policy.ts';
import { readScope } from '../../src/core/scope.ts';
import { headOf, headWith } from '../support/request-head.ts';

/**
 * Byte for byte what goes into the digests that a store keeps. A release that changes one of them forgets every key,
 * or calls every repeat another request.
 */

function sha256(text: string, encoding: 'latin1' | 'utf8' = 'latin1'): string {
  return createHash('sha256').update(text, encoding).digest('base64url');
}

const NOTHING: FingerprintPolicy = {
  id: 'x',
  method: 'exclude',
  path: 'exclude',
  query: 'exclude',
  body: { kind: 'none' },
  headers: [],
};

function printed(
  over: Partial<FingerprintPolicy>,
  target: string,
  body = '',
  rawHeaders: readonly string[] = [],
): string {
  return fingerprint({ ...NOTHING, ...over }, headOf({ target, rawHeaders }), Buffer.from(body));
}

describe('a fingerprint is the SHA-256 of', () => {
  it.each<[string, Partial<FingerprintPolicy>, string, string]>([
    ['nothing', {}, '/p?x=1', ''],
    ['the method', { method: 'include' }, '/p', 'm4:POST'],
    ['the path without its query', { path: 'include' }, '/p?x=1', 'p2:/p'],
    ['the whole path where there is no query', { path: 'include' }, '/pq', 'p3:/pq'],
    ['the query as it came', { query: 'raw' }, '/p?x=1', 'q3:x=1'],
    ['an empty query', { query: 'raw' }, '/p?', 'q0:'],
    ['no query', { query: 'raw' }, '/p', 'q-'],
    ['a byte above ASCII as one byte', { path: 'include' }, '/\u00e9', 'p2:/\u00e9'],
  ])('%s', (_name, policy, target, preimage) => {
    expect(printed(policy, target)).toBe(sha256(preimage));
  });

  it.each([
    ['no query', '/p', ''],
    ['an empty query', '/p?', ''],
    ['empty pairs', '/p?&&', ''],
    ['names in their order', '/p?b=2&a=1', 'n2:=av2:=1n2:=bv2:=2'],
    ['the values of one name as they came', '/p?a=2&b=0&a=1', 'n2:=av2:=2n2:=av2:=1n2:=bv2:=0'],
    ['a name without a value', '/p?ab', 'n3:=abv1:-'],
    ['a name with an empty value', '/p?ab=', 'n3:=abv1:='],
    ['a value with an equals sign', '/p?a=b=c', 'n2:=av6:=b%3Dc'],
    ['escapes decoded and made again', '/p?%61=%2f+', 'n2:=av7:=%2F%20'],
    ['what does not decode, as it came', '/p?a=%ff', 'n2:=av4:!%ff'],
    ['what should have been escaped, as it came', '/p?a=\u00e9', 'n2:=av2:!\u00e9'],
  ])('the parsed query with %s', (_name, target, pairs) => {
    expect(printed({ query: 'parsed' }, target)).toBe(sha256(`Q${pairs.length}:${pairs}`));
  });

  it('the named fields, sorted, each with all its lines', () => {
    const lines = ['B', '2', 'X', '9', 'A', 'first', 'a', ''];

    expect(printed({ headers: ['b', 'a', 'c'] }, '/', '', lines)).toBe(sha256('h1:av5:firstv0:h1:bv1:2h1:c'));
  });

  it.each([0, 1, 1023, 1024, 1025, 5000])('a body of %i bytes, after all else', (bytes) => {
    const body = 'z'.repeat(bytes);

    expect(printed({ path: 'include', body: { kind: 'bytes' } }, '/\u00e9', body)).toBe(
      sha256(`p2:/\u00e9B${body}`),
    );
  });

  it('a canonical body in UTF-8, after all else in latin1', () => {
    const canonical = createHash('sha256')
      .update('p2:/\u00e9', 'latin1')
      .update('J{"a":"\u00e9"}', 'utf8')
      .digest('base64url');

    expect(
      printed({ path: 'include', body: { kind: 'canonical-json' } }, '/\u00e9', '{ "a": "\u00e9" }'),
    ).toBe(canonical);
  });

  it('the members that are named, or all but them', () => {
    const body = '{"b":2,"a":1,"c":3}';

    const selected = printed({ body: { kind: 'json-select', pointers: ['/b', '/a'] } }, '/', body);
    const excluded = printed({ body: { kind: 'json-exclude', pointers: ['/b', '/a'] } }, '/', body);

    expect(selected).toBe(
      printed({ body: { kind: 'json-select', pointers: ['/a', '/b'] } }, '/', '{"a":1,"b":2}'),
    );
    expect(selected).not.toBe(
      printed({ body: { kind: 'json-select', pointers: ['/a', '/b'] } }, '/', '{"a":1,"b":3}'),
    );
    expect(excluded).toBe(sha256('J{"c":3}'));
    expect(selected).toBe(sha256('J["a"]=1\n["b"]=2'));
  });

  it('a member by a pointer that is none, which no configuration has, under the whole of its text', () => {
    expect(printed({ body: { kind: 'json-select', pointers: ['a/b'] } }, '/', '{"a/b":1}')).toBe(
      sha256('J["a/b"]=1'),
    );
  });
});

it('the id of a fingerprint policy is made from all its parts, lists sorted', () => {
  const policy = {
    ...NOTHING,
    headers: ['b', 'a'],
    body: { kind: 'json-select' as const, pointers: ['/y', '/x'] },
  };

  expect(fingerprintPolicyId(policy)).toBe(
    sha256('[1,"exclude","exclude","exclude","json-select",["/x","/y"],["a","b"]]').slice(0, 16),
  );
  expect(fingerprintPolicyId({ ...policy, body: { kind: 'json-exclude', pointers: ['/y', '/x'] } })).toBe(
    sha256('[1,"exclude","exclude","exclude","json-exclude",["/x","/y"],["a","b"]]').slice(0, 16),
  );
  expect(fingerprintPolicyId(NOTHING)).toBe(
    sha256('[1,"exclude","exclude","exclude","none",[],[]]').slice(0, 16),
  );
});

describe('a scope', () => {
  const refuse: ScopePolicy = { headers: ['x-tenant', 'x-user'], anonymous: 'refuse' };
  const allow: ScopePolicy = { ...refuse, anonymous: 'allow' };
  const scope = (text: string) => ({
    kind: 'scope',
    scope: createHash('sha256').update(text, 'latin1').digest(),
  });

  it('is the SHA-256 of its fields, each with its name and length, or marked as not there', () => {
    expect(readScope(refuse, headWith('X-Tenant', '~', 'X-User', 'ada'), STRANGER)).toEqual(
      scope('c8:x-tenant=1:~6:x-user=3:ada'),
    );
    expect(readScope(refuse, headWith('X-User', 'ada'), STRANGER)).toEqual(
      scope('c8:x-tenant-6:x-user=3:ada'),
    );
    expect(readScope(allow, headWith('X-User', '', 'X-Tenant', 't'), STRANGER)).toEqual(
      scope('c8:x-tenant=1:t6:x-user-'),
    );
  });

  it('of nobody is one byte that no digest has, where that is allowed', () => {
    expect(readScope(allow, headWith(), STRANGER)).toEqual({ kind: 'scope', scope: Uint8Array.of(0x61) });
  });

  it('that cannot be told says why', () => {
    expect(readScope(refuse, headWith('X-User', 'a', 'x-user', 'a'), STRANGER)).toEqual({
      kind: 'unknown',
      code: 'bad-request',
      detail: 'The field x-user is repeated; it says who is asking and must be there once.',
    });
    expect(readScope({ headers: [], anonymous: 'refuse' }, headWith(), STRANGER)).toEqual({
      kind: 'unknown',
      code: 'scope-missing',
      detail: 'A request with a key needs a scope: keys belong to a caller, and this one is not known.',
    });
  });
});
