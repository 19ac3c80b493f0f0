import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fingerprint } from '../../src/core/fingerprint.ts';
import type { FingerprintBody, FingerprintPolicy } from '../../src/core/policy.ts';
import type { RequestHead } from '../../src/core/wire.ts';
import { headOf } from '../support/request-head.ts';

/** The default of design section 3. */
const DEFAULT: FingerprintPolicy = {
  id: 'default',
  method: 'include',
  path: 'include',
  query: 'raw',
  body: { kind: 'bytes' },
  headers: ['content-type', 'content-encoding'],
};

type Message = { readonly head?: Partial<RequestHead>; readonly body?: string | Uint8Array };

function digest(policy: Partial<FingerprintPolicy>, { head = {}, body = '' }: Message): string {
  return fingerprint(
    { ...DEFAULT, ...policy },
    headOf(head),
    typeof body === 'string' ? Buffer.from(body) : body,
  );
}

function same(policy: Partial<FingerprintPolicy>, one: Message, other: Message): 'same' | 'different' {
  return digest(policy, one) === digest(policy, other) ? 'same' : 'different';
}

describe('a fingerprint', () => {
  it('is 43 characters of base64url', () => {
    expect(digest({}, { body: 'a' })).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it('stays what it is: stored records are compared with it', () => {
    const message = {
      head: { target: '/p?x=1', rawHeaders: ['Content-Type', 'application/json'] },
      body: '{"b":1,"a":[2]}',
    };

    expect([
      digest({}, message),
      digest({ query: 'parsed', body: { kind: 'canonical-json' } }, message),
      digest({ query: 'exclude', body: { kind: 'none' } }, message),
    ]).toEqual([
      'a7EeI61_yL8nHXRfvKbdSQc5S5ZNAHboVdgoRq7xOCI',
      'PWOVrjhvY_I2IfFaaZsQJtq0Gh8juqBYK9wqA6DSPig',
      'bszDCOYxUKIM3y-WGxId7XPB5isX-a4CYzSIPIZk7kY',
    ]);
  });

  it.each<[string, Message, Message, 'same' | 'different']>([
    ['itself', { body: 'a' }, { body: 'a' }, 'same'],
    ['another body', { body: 'a' }, { body: 'b' }, 'different'],
    ['another order of members', { body: '{"a":1,"b":2}' }, { body: '{"b":2,"a":1}' }, 'different'],
    ['another method', {}, { head: { method: 'PATCH' } }, 'different'],
    ['another path', {}, { head: { target: '/refunds' } }, 'different'],
    ['another query', { head: { target: '/p?a=1&b=2' } }, { head: { target: '/p?b=2&a=1' } }, 'different'],
    ['an empty query', { head: { target: '/p' } }, { head: { target: '/p?' } }, 'different'],
    [
      'another Content-Type',
      { head: { rawHeaders: ['Content-Type', 'a/b'] } },
      { head: { rawHeaders: ['Content-Type', 'a/c'] } },
      'different',
    ],
    ['a Content-Encoding', {}, { head: { rawHeaders: ['Content-Encoding', 'gzip'] } }, 'different'],
    ['an empty Content-Type', {}, { head: { rawHeaders: ['Content-Type', ''] } }, 'different'],
    [
      'another case of a field name',
      { head: { rawHeaders: ['Content-Type', 'a/b'] } },
      { head: { rawHeaders: ['content-TYPE', 'a/b'] } },
      'same',
    ],
    ['another version of HTTP', {}, { head: { httpVersion: '1.0' } }, 'same'],
  ])('by default, with %s', (_what, one, other, expected) => {
    expect(same({}, one, other)).toBe(expected);
  });

  it.each([
    'Date',
    'X-Request-Id',
    'Traceparent',
    'Tracestate',
    'X-Retry-Count',
    'X-Stainless-Retry-Count',
    'Amz-Sdk-Request',
    'Amz-Sdk-Invocation-Id',
    'User-Agent',
    'Authorization',
    'Idempotency-Key',
    'Content-Length',
  ])('does not count the field %s, which is not listed', (name) => {
    expect(same({}, { head: { rawHeaders: [name, '1'] } }, { head: { rawHeaders: [name, '2'] } })).toBe(
      'same',
    );
  });

  it('counts a field that is listed', () => {
    const policy = { headers: ['if-match'] };

    expect(
      same(
        policy,
        { head: { rawHeaders: ['If-Match', '"1"'] } },
        { head: { rawHeaders: ['If-Match', '"2"'] } },
      ),
    ).toBe('different');
  });

  it('tells two lines of a field from one', () => {
    const one = { head: { rawHeaders: ['Content-Type', 'a', 'Content-Type', 'b'] } };

    expect(same({}, one, { head: { rawHeaders: ['Content-Type', 'a, b'] } })).toBe('different');
    expect(same({}, one, { head: { rawHeaders: ['Content-Type', 'a', 'Content-Encoding', 'b'] } })).toBe(
      'different',
    );
  });

  it('does not depend on the order of a policy’s lists, as its id does not', () => {
    const message = { head: { rawHeaders: ['A', '1', 'B', '2'] }, body: '{"x":1,"y":2}' };
    const policy = (headers: readonly string[], pointers: readonly string[]) => ({
      headers,
      body: { kind: 'json-select' as const, pointers },
    });

    expect(digest(policy(['a', 'b'], ['/x', '/y']), message)).toBe(
      digest(policy(['b', 'a'], ['/y', '/x']), message),
    );
  });

  it.each([
    ['method', { method: 'exclude' }, { head: { method: 'PATCH' } }],
    ['path', { path: 'exclude' }, { head: { target: '/refunds' } }],
    ['query', { query: 'exclude' }, { head: { target: '/payments?a=1' } }],
    ['body', { body: { kind: 'none' } }, { body: 'b' }],
  ] as const)('does not count a %s that is left out', (_part, policy, other) => {
    expect(same(policy, {}, other)).toBe('same');
  });

  it('still counts the query where the path is left out', () => {
    expect(same({ path: 'exclude' }, { head: { target: '/a?x=1' } }, { head: { target: '/b?x=2' } })).toBe(
      'different',
    );
  });

  it('takes short and long bodies by the same rule', () => {
    const sizes = [0, 1, 1_023, 1_024, 1_025, 100_000];
    const digests = sizes.map((size) => digest({}, { body: Buffer.alloc(size, 0x61) }));

    expect(new Set(digests).size).toBe(sizes.length);
  });

  it('is equal only where every part is: no byte moves from one part to another', () => {
    const piece = fc.constantFrom(
      '',
      'a',
      'm1:a',
      'v1:a',
      'B',
      'J',
      '?',
      'q-',
      '1',
      ':',
      'h12:content-type',
      '\u00ff',
    );
    const message = fc.record({
      method: piece,
      path: piece,
      query: fc.option(piece),
      type: fc.option(piece),
      body: piece,
    });
    const seen = (parts: {
      method: string;
      path: string;
      query: string | null;
      type: string | null;
      body: string;
    }) =>
      digest(
        {},
        {
          head: {
            method: parts.method,
            target: `/${parts.path.replaceAll('?', '')}${parts.query === null ? '' : `?${parts.query}`}`,
            rawHeaders: parts.type === null ? [] : ['Content-Type', parts.type],
          },
          body: Buffer.from(parts.body, 'latin1'),
        },
      );
    const exact = (parts: { readonly path: string }) =>
      JSON.stringify({ ...parts, path: parts.path.replaceAll('?', '') });

    fc.assert(
      fc.property(message, message, (one, other) => {
        expect(seen(one) === seen(other)).toBe(exact(one) === exact(other));
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('a parsed query', () => {
  const query = (one: string, other: string) =>
    same({ query: 'parsed' }, { head: { target: `/p${one}` } }, { head: { target: `/p${other}` } });

  it.each([
    ['?a=1&b=2', '?b=2&a=1', 'same'],
    ['?a=1&b=2&a=3', '?b=2&a=1&a=3', 'same'],
    ['?a=1&a=2', '?a=2&a=1', 'different'],
    ['?a=%31', '?a=1', 'same'],
    ['?%61=1', '?a=1', 'same'],
    ['?a=%c3%a9', '?a=%C3%A9', 'same'],
    ['?a=x+y', '?a=x%20y', 'same'],
    ['?a=x%2By', '?a=x+y', 'different'],
    ['?a=1&&b=2&', '?a=1&b=2', 'same'],
    ['?', '', 'same'],
    ['?a', '?a=', 'different'],
    ['?a=1', '?A=1', 'different'],
    ['?a=1%26b=2', '?a=1&b=2', 'different'],
    ['?a=%3D', '?a==', 'same'],
    ['?a=%ff', '?a=%FF', 'different'],
    ['?a=%ff', '?a=%25ff', 'different'],
    ['?a=%zz', '?a=%25zz', 'different'],
    ['?a=\u00e9', '?a=%C3%A9', 'different'],
    ['?a=\u00e9', '?a=%E9', 'different'],
    ['?a=1', '?a=1n=', 'different'],
  ])('%j and %j are %s', (one, other, expected) => {
    expect(query(one, other)).toBe(expected);
  });

  it('does not depend on the order of names', () => {
    const pair = fc.tuple(fc.constantFrom('a', 'b', '%63', 'd'), fc.string({ unit: 'grapheme-ascii' }));

    fc.assert(
      fc.property(fc.uniqueArray(pair, { selector: ([name]) => name, minLength: 2 }), (pairs) => {
        const texts = pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`);

        expect(query(`?${texts.join('&')}`, `?${texts.toReversed().join('&')}`)).toBe('same');
      }),
    );
  });
});

describe('a body taken as JSON', () => {
  const body = (kind: FingerprintBody, one: string | Uint8Array, other: string | Uint8Array) =>
    same({ body: kind }, { body: one }, { body: other });
  const canonical: FingerprintBody = { kind: 'canonical-json' };
  const select: FingerprintBody = { kind: 'json-select', pointers: ['/amount', '/to'] };
  const exclude: FingerprintBody = { kind: 'json-exclude', pointers: ['/sent_at', '/meta/attempt'] };

  it.each<[FingerprintBody, string, string, 'same' | 'different']>([
    [canonical, '{"a":1,"b":2}', ' {"b" : 2.0, "a" : 1 }', 'same'],
    [canonical, '{"a":"\\u00e9"}', '{"a":"\u00e9"}', 'same'],
    [canonical, '{"a":1}', '{"a":"1"}', 'different'],
    [canonical, '[1,2]', '[2,1]', 'different'],
    [canonical, '{"a":9007199254740992}', '{"a":9007199254740993}', 'different'],
    [canonical, '{"a":9007199254740993}', '{"a":9007199254740993}', 'same'],
    [canonical, '{"a":1,"a":2}', '{"a":2}', 'different'],
    [canonical, '{"a":1,"a":2}', '{"a":1,"a":2}', 'same'],
    [canonical, '\ufeff{}', '{}', 'different'],
    [canonical, 'no json', 'no  json', 'different'],
    [canonical, 'no json', 'no json', 'same'],
    [canonical, '', '', 'same'],
    [select, '{"amount":1,"to":"a","at":1}', '{"at":2,"to":"a","amount":1}', 'same'],
    [select, '{"amount":1,"to":"a"}', '{"amount":2,"to":"a"}', 'different'],
    [select, '{"amount":1}', '{"amount":1,"to":null}', 'different'],
    [select, '{}', '[]', 'same'],
    [
      exclude,
      '{"amount":1,"sent_at":1,"meta":{"attempt":1,"x":1}}',
      '{"meta":{"x":1,"attempt":2},"amount":1}',
      'same',
    ],
    [exclude, '{"amount":1,"meta":{"x":1}}', '{"amount":1,"meta":{"x":2}}', 'different'],
  ])('%j: %s and %s are %s', (kind, one, other, expected) => {
    expect(body(kind, one, other)).toBe(expected);
  });

  it('and its own canonical text taken as bytes are different', () => {
    // The text is what the canonical form of the first is; the repeated member makes the second fall back.
    expect(body(canonical, '{"a":1}', '{"a":1,"a":1}')).toBe('different');
    expect(digest({ body: canonical }, { body: '{"a":1}' })).not.toBe(digest({}, { body: '{"a":1}' }));
  });
});
