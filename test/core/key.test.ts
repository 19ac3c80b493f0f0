import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readHeadKey } from '../../src/core/key.ts';
import type { KeySource } from '../../src/core/policy.ts';
import { HEADER_SOURCE, headOf, headWith, keyPolicy, keySummary } from '../support/request-head.ts';
import { describeWithVectors, stringVectors } from '../support/vectors.ts';

const QUERY_SOURCE: KeySource = { kind: 'query', name: 'request_id' };
const UUID = '8E03978E-40d5-43e8-bc93-6894a57f9324';

function headerKey(value: string, overrides: Parameters<typeof keyPolicy>[0] = {}) {
  return keySummary(readHeadKey(keyPolicy(overrides), headWith('Host', 'a', 'IDEMPOTENCY-Key', value)));
}

function queryKey(target: string) {
  return keySummary(readHeadKey(keyPolicy({ sources: [QUERY_SOURCE] }), headOf({ target })));
}

describe('a key in a header field', () => {
  it.each([
    ['abc', '=abc'],
    ['"abc"', '=abc'],
    ['  abc\t', '=abc'],
    [' "abc" ', '=abc'],
    ['"abc";p=1', '=abc'],
    ['"a\\"b"', '=a"b'],
    ['"a\\\\b"', '=a\\b'],
    ['a"b', '=a"b'],
    ['a,b', '=a,b'],
    ['ABC', '=ABC'],
    ['', 'invalid'],
    ['   ', 'invalid'],
    ['""', 'invalid'],
    ['"', 'invalid'],
    ['"a\\nb"', 'invalid'],
    ['"abc', 'invalid'],
    ['"abc"x', 'invalid'],
    ['"abc" ;p=1', 'invalid'],
    ['"a", "b"', 'invalid'],
    ['a b', 'invalid'],
    ['"a b"', 'invalid'],
    ['a, b', 'invalid'],
    ['a\u0000b', 'invalid'],
    ['a\u007f', 'invalid'],
    ['caf\u00e9', 'invalid'],
    ['"caf\u00e9"', 'invalid'],
    ['\u00a0abc\u00a0', 'invalid'],
  ])('lenient: %j gives %s', (value, expected) => {
    expect(headerKey(value)).toBe(expected);
  });

  it.each([
    ['"abc"', '=abc'],
    ['"abc";p=1;q', '=abc'],
    ['abc', 'invalid'],
    ['?1', 'invalid'],
    ['123', 'invalid'],
    [':aGk=:', 'invalid'],
    ['("a")', 'invalid'],
    ['"abc";P=1', 'invalid'],
    ['""', 'invalid'],
  ])('strict: %j gives %s', (value, expected) => {
    expect(headerKey(value, { syntax: 'strict' })).toBe(expected);
  });

  it.each([
    ['a b', '=a b'],
    ['"  a "', '=  a '],
    ['" "', '= '],
    ['a\tb', 'invalid'],
    ['~', '=~'],
    ['a\u007f', 'invalid'],
  ])('printable ASCII: %j gives %s', (value, expected) => {
    expect(headerKey(value, { characters: 'printable-ascii' })).toBe(expected);
  });

  it.each([
    [UUID, `=${UUID.toLowerCase()}`],
    [`"${UUID}"`, `=${UUID.toLowerCase()}`],
    [UUID.replaceAll('-', ''), 'invalid'],
    [`{${UUID}}`, 'invalid'],
    [`${UUID}0`, 'invalid'],
    [`0${UUID}`, 'invalid'],
    ['abc', 'invalid'],
  ])('uuid: %j gives %s', (value, expected) => {
    expect(headerKey(value, { characters: 'uuid' })).toBe(expected);
  });

  it.each([
    ['8e03978e-40d5-43e8-bc93-6894a57f9324', '=8e03978e-40d5-43e8-bc93-6894a57f9324'],
    ['8E03978E-40D5-43E8-BC93-6894A57F9324', '=8e03978e-40d5-43e8-bc93-6894a57f9324'],
    ['8e03978e-40d5-43e8-8c93-6894a57f9324', '=8e03978e-40d5-43e8-8c93-6894a57f9324'],
    ['8e03978e-40d5-73e8-bc93-6894a57f9324', 'invalid'],
    ['8e03978e-40d5-43e8-cc93-6894a57f9324', 'invalid'],
    ['x8e03978e-40d5-43e8-bc93-6894a57f9324', 'invalid'],
    ['8e03978e-40d5-43e8-bc93-6894a57f93245', 'invalid'],
  ])('uuid4: %j gives %s', (value, expected) => {
    expect(headerKey(value, { characters: 'uuid4' })).toBe(expected);
  });

  it('that is a UUID of another version is told which one is meant', () => {
    const head = headWith('Idempotency-Key', '8e03978e-40d5-73e8-bc93-6894a57f9324');

    expect(readHeadKey(keyPolicy({ characters: 'uuid4' }), head)).toMatchObject({
      detail: expect.stringContaining('must be a UUID of version 4, such as'),
    });
    expect(readHeadKey(keyPolicy({ characters: 'uuid' }), headWith('Idempotency-Key', 'x'))).toMatchObject({
      detail: expect.stringContaining('must be a UUID, such as'),
    });
  });

  it('is case-sensitive', () => {
    expect(headerKey('abc')).not.toBe(headerKey('Abc'));
  });

  it('is one key bare and quoted, whatever visible characters it has', () => {
    const key = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 1,
    });

    fc.assert(
      fc.property(
        key.filter((text) => !text.startsWith('"')),
        (text) => {
          expect(headerKey(text)).toBe(`=${text}`);
          expect(headerKey(`"${text.replace(/["\\]/g, '\\$&')}"`)).toBe(`=${text}`);
        },
      ),
    );
  });

  it.each([
    ['a', 'a'],
    ['a', 'b'],
    ['', ''],
    ['"a"', '"a"'],
  ])('is invalid on two lines, even if equal: %j and %j', (first, second) => {
    const head = headWith('Idempotency-Key', first, 'Accept', '*/*', 'idempotency-key', second);

    expect(readHeadKey(keyPolicy(), head)).toEqual({
      kind: 'invalid',
      detail: 'The field idempotency-key is repeated; send it once.',
      keys: 'several',
    });
  });

  it('on a line without a value is empty', () => {
    expect(readHeadKey(keyPolicy(), headWith('Idempotency-Key'))).toEqual({
      kind: 'invalid',
      detail: 'The key in the field idempotency-key is empty; send a fresh random value for each operation.',
    });
  });

  it('is absent where no line has the name', () => {
    expect(readHeadKey(keyPolicy(), headWith('Idempotency-Key2', 'a', 'X', 'Idempotency-Key')).kind).toBe(
      'absent',
    );
  });

  it('says which source it came from', () => {
    expect(readHeadKey(keyPolicy(), headWith('Idempotency-Key', 'a'))).toEqual({
      kind: 'key',
      key: 'a',
      source: HEADER_SOURCE,
    });
  });

  it('is measured decoded: quotes, escapes and parameters do not count', () => {
    const limits = { charsMin: 3, charsMax: 3 };

    expect(headerKey('"a\\"b";parameter=1', limits)).toBe('=a"b');
    expect(headerKey('"ab"', limits)).toBe('invalid');
    expect(headerKey('"abcd"', limits)).toBe('invalid');
  });

  it.each([
    [255, '=key'],
    [256, 'invalid'],
    [10_000, 'invalid'],
  ])('of %i characters against the default limit gives %s', (length, expected) => {
    expect(headerKey('k'.repeat(length)).replace(/k{3,}/, 'key')).toBe(expected);
  });
});

describe('a key in the query', () => {
  it.each([
    ['/p', 'absent'],
    ['/p?', 'absent'],
    ['/p?other=1', 'absent'],
    ['/p?request_id=abc', '=abc'],
    ['/p?a=1&request_id=abc&b', '=abc'],
    ['/p?request%5Fid=abc', '=abc'],
    ['/p?request_id=a%2Bb', '=a+b'],
    ['/p?request_id=a=b', '=a=b'],
    ['/p?request_id=a?b', '=a?b'],
    ['/p?request_id="abc"', '="abc"'],
    ['/p?request_id=a+b', 'invalid'],
    ['/p?request_id=', 'invalid'],
    ['/p?request_id', 'invalid'],
    ['/p?request_id=%zz', 'invalid'],
    ['/p?request_id=%', 'invalid'],
    ['/p?request_id=%C0%AF', 'invalid'],
    ['/p?request_id=%FF', 'invalid'],
    ['/p?request_id=%ED%A0%80', 'invalid'],
    ['/p?request_id=caf%C3%A9', 'invalid'],
    ['/p?request_id=a%00', 'invalid'],
    ['/p?request_id=a&request_id=a', 'invalid'],
    ['/p?request_id=a&request%5fid=b', 'invalid'],
    ['/p?%FF=1&request_id=a', '=a'],
  ])('%s gives %s', (target, expected) => {
    expect(queryKey(target)).toBe(expected);
  });

  it('has a plus for a space, as in a form', () => {
    const policy = keyPolicy({ sources: [QUERY_SOURCE], characters: 'printable-ascii' });

    expect(keySummary(readHeadKey(policy, headOf({ target: '/p?request_id=a+b' })))).toBe('=a b');
    expect(keySummary(readHeadKey(policy, headOf({ target: '/p?request_id=+a+' })))).toBe('= a ');
  });

  it.each(['%09ab', 'ab%09', '%7Fab', 'ab%7F'])('has no control character at its ends: %s', (value) => {
    const policy = keyPolicy({ sources: [QUERY_SOURCE], characters: 'printable-ascii' });

    expect(keySummary(readHeadKey(policy, headOf({ target: `/p?request_id=${value}` })))).toBe('invalid');
    expect(queryKey(`/p?request_id=${value}`)).toBe('invalid');
  });

  it('does not stand in the path', () => {
    const policy = keyPolicy({ sources: [{ kind: 'query', name: '/p' }] });

    expect(readHeadKey(policy, headOf({ target: '/p=abc' })).kind).toBe('absent');
    expect(keySummary(readHeadKey(policy, headOf({ target: '/p=abc?/p=d' })))).toBe('=d');
  });
});

describeWithVectors('naughty strings as keys', ['blns.json'], (read) => {
  const strings = stringVectors(read('blns.json'));
  const asItIs = (text: string): string => (/^[\x21-\x7e]{1,255}$/.test(text) ? `=${text}` : 'invalid');

  it('are all there', () => {
    expect(strings.length).toBeGreaterThan(500);
  });

  it('in a field are taken as they are or refused', () => {
    const bare = strings.filter((text) => !text.startsWith('"'));
    const wrong = bare.filter(
      (text) =>
        headerKey(Buffer.from(text).toString('latin1')) !== asItIs(text.replace(/^[ \t]+|[ \t]+$/g, '')),
    );

    expect(wrong).toEqual([]);
  });

  it('in a field that begins with a quote are a String of RFC 9651 or refused', () => {
    const quoted = strings.filter((text) => text.startsWith('"'));
    const wrong = quoted.filter((text) => !['invalid', `=${text.slice(1, -1)}`].includes(headerKey(text)));

    expect(quoted.length).toBeGreaterThan(0);
    expect(wrong).toEqual([]);
  });

  it('in the query are taken as they are or refused', () => {
    const wrong = strings.filter(
      (text) => queryKey(`/p?request_id=${encodeURIComponent(text)}`) !== asItIs(text),
    );

    expect(wrong).toEqual([]);
  });
});
