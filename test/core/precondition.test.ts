import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { demandOf, type EntityTag, readTagField } from '../../src/core/precondition.ts';

const read = (...lines: readonly string[]) =>
  readTagField(
    lines.flatMap((line) => ['If-Match', line]),
    'if-match',
  );
const strong = (opaque: string): EntityTag => ({ strength: 'strong', opaque });
const weak = (opaque: string): EntityTag => ({ strength: 'weak', opaque });

describe('a list of entity tags (RFC 9110 section 8.8.3)', () => {
  it.each([
    ['one tag', ['"abc"'], [strong('abc')]],
    ['the empty tag', ['""'], [strong('')]],
    ['a weak tag', ['W/"abc"'], [weak('abc')]],
    ['several', ['"a", W/"b" ,\t"c"'], [strong('a'), weak('b'), strong('c')]],
    ['a comma and a star within the quotes', ['"a,*", "b"'], [strong('a,*'), strong('b')]],
    ['a backslash, which escapes nothing', ['"a\\", "b"'], [strong('a\\'), strong('b')]],
    ['bytes above ASCII', ['"\xe9"'], [strong('\xe9')]],
    ['empty elements', [', "a",, "b" ,'], [strong('a'), strong('b')]],
    ['several lines', ['"a"', '"b", "c"'], [strong('a'), strong('b'), strong('c')]],
  ] as const)('has %s', (_what, lines, tags) => {
    expect(read(...lines)).toEqual({ kind: 'tags', tags });
  });

  it.each([
    ['a bare word', ['abc']],
    ['an open quote', ['"abc']],
    ['a lower-case w', ['w/"abc"']],
    ['a space before the tag of W/', ['W/ "abc"']],
    ['a space within', ['"a b"']],
    ['a quote within', ['"a"b"']],
    ['two without a comma', ['"a" "b"']],
    ['a star among tags', ['"a", *']],
    ['a star and a tag in two lines', ['*', '"a"']],
    ['nothing', ['']],
    ['commas alone', [' , ,']],
    ['a control character', ['"a\x7f"']],
  ] as const)('is not %s', (_what, lines) => {
    expect(read(...lines)).toEqual({ kind: 'invalid' });
  });

  it('is * alone, whatever space is around it', () => {
    expect(read(' * ')).toEqual({ kind: 'any' });
  });

  it('is absent without a line', () => {
    expect(read()).toEqual({ kind: 'absent' });
  });

  const opaque = fc.stringMatching(/^[\x21\x23-\x7e\x80-\xff]{0,12}$/);
  const tag = fc.record({ strength: fc.constantFrom('strong' as const, 'weak' as const), opaque });

  it('reads whatever is written, however it is spread over lines', () => {
    fc.assert(
      fc.property(fc.array(fc.array(tag, { minLength: 1, maxLength: 4 }), { minLength: 1 }), (lines) => {
        const written = lines.map((tags) =>
          tags.map(({ strength, opaque }) => `${strength === 'weak' ? 'W/' : ''}"${opaque}"`).join(', '),
        );

        expect(read(...written)).toEqual({ kind: 'tags', tags: lines.flat() });
      }),
    );
  });

  it('never throws, and takes time that grows with the length alone', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(['any', 'tags', 'invalid']).toContain(read(text).kind);
      }),
    );
    expect(read(`${'"a",'.repeat(20_000)}x`)).toEqual({ kind: 'invalid' });
    expect(read(' ,'.repeat(50_000)).kind).toBe('invalid');
  });
});

describe('what a route demands of its writes', () => {
  const policy = {
    methods: ['PUT', 'DELETE'],
    require: 'if-match',
    versions: { kind: 'backend' },
  } as const;
  const demand = (method: string, ...rawHeaders: readonly string[]) =>
    demandOf(policy, { method, rawHeaders }).kind;

  it.each([
    ['missing', 'PUT', []],
    ['missing', 'DELETE', ['If-Unmodified-Since', 'Thu, 26 Nov 2026 00:00:00 GMT']],
    ['missing', 'PUT', ['If-None-Match', '"a"']],
    ['fulfilled', 'PUT', ['If-Match', '"a"']],
    ['fulfilled', 'PUT', ['if-match', '*']],
    ['fulfilled', 'PUT', ['If-None-Match', '*']],
    ['invalid', 'PUT', ['If-Match', 'a']],
    ['invalid', 'PUT', ['If-Match', '"a"', 'If-None-Match', 'b']],
    ['not-concerned', 'PATCH', []],
    ['not-concerned', 'put', []],
    ['not-concerned', 'GET', ['If-Match', 'a']],
  ] as const)('is %s for %s %j', (kind, method, rawHeaders) => {
    expect(demand(method, ...rawHeaders)).toBe(kind);
  });

  it('is nothing where it is not required, but for what cannot be read', () => {
    const lax = { ...policy, require: 'none' } as const;

    expect(demandOf(lax, { method: 'PUT', rawHeaders: [] }).kind).toBe('fulfilled');
    expect(demandOf(lax, { method: 'PUT', rawHeaders: ['If-Match', 'a'] }).kind).toBe('invalid');
  });
});
