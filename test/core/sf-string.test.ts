import fc from 'fast-check';
import { parseItem } from 'structured-headers';
import { describe, expect, it } from 'vitest';
import { parseSfString } from '../../src/core/sf-string.ts';
import { describeWithVectors, itemVectors } from '../support/vectors.ts';

const FOLDER = 'structured-fields';

describeWithVectors(
  'the vectors of RFC 9651',
  ['string.json', 'string-generated.json', 'item.json', 'token.json'].map((file) => `${FOLDER}/${file}`),
  (read) => {
    const vectors = ['string.json', 'string-generated.json', 'item.json', 'token.json'].flatMap((file) =>
      itemVectors(read(`${FOLDER}/${file}`)),
    );
    const strings = vectors.filter(({ bareItem }) => typeof bareItem === 'string');
    const others = vectors.filter(({ bareItem }) => typeof bareItem !== 'string');

    it('are all there', () => {
      expect(strings.length).toBeGreaterThan(90);
      expect(others.length).toBeGreaterThan(150);
    });

    it.each(strings)('$name: $raw is the string', ({ raw, bareItem }) => {
      expect(parseSfString(raw.join(', '))).toEqual({ kind: 'string', value: bareItem });
    });

    it.each(others)('$name: $raw is no string', ({ raw }) => {
      expect(parseSfString(raw.join(', ')).kind).toBe('malformed');
    });
  },
);

describe('parameters', () => {
  it.each([
    ['"abc";p=1'],
    ['"abc";a;b'],
    ['"abc";  a=?1'],
    ['"abc";a=-1.5'],
    ['"abc";a="x;y\\""'],
    ['"abc";a=tok/en'],
    ['"abc";a=:aGk=:'],
    ['"abc";a=@1700000000'],
    ['"abc";a=%"f%c3%bc"'],
    ['  "abc";*a  '],
  ])('%s is the key abc, its parameters ignored', (input) => {
    expect(parseSfString(input)).toEqual({ kind: 'string', value: 'abc' });
  });

  it.each([
    ['"abc" ;p=1'],
    ['"abc";'],
    ['"abc"; '],
    ['"abc";P=1'],
    ['"abc";p='],
    ['"abc";p=1.'],
    ['"abc";p=1.2345'],
    ['"abc";p=1234567890123456'],
    ['"abc";p="x'],
    ['"abc";p=?2'],
    ['"abc";p=%"%ff"'],
    ['"abc";p=%"%FC"'],
    ['"abc"x'],
    ['"a", "b"'],
    ['"abc";p=(1 2)'],
  ])('%s is malformed', (input) => {
    expect(parseSfString(input).kind).toBe('malformed');
  });
});

describe('a malformed string', () => {
  it.each([
    ['', 'it is not a string in double quotes'],
    ['   ', 'it is not a string in double quotes'],
    ['abc', 'it is not a string in double quotes'],
    ['"', 'the closing double quote is missing'],
    ['  "abc  ', 'the closing double quote is missing'],
    ['"abc\\', 'a backslash may stand only before " or \\'],
    ['"\\a"', 'a backslash may stand only before " or \\'],
    ['"\\  ', 'a backslash may stand only before " or \\'],
    ['"a\u001f"', 'it has a character outside printable ASCII'],
    ['"a\tb"', 'it has a character outside printable ASCII'],
    ['"a\u007f"', 'it has a character outside printable ASCII'],
    ['"\u00e9"', 'it has a character outside printable ASCII'],
    ['"abc"x', 'something that is no parameter follows the string'],
    ['"abc";p=%"%ff"', 'something that is no parameter follows the string'],
  ])('%j: %s', (input, detail) => {
    expect(parseSfString(input)).toEqual({ kind: 'malformed', detail });
  });

  it.each([
    ['""', ''],
    ['" "', ' '],
    ['"~"', '~'],
    ['"\\"\\\\"', '"\\'],
    ['"a\\"b"', 'a"b'],
  ])('%j is none', (input, value) => {
    expect(parseSfString(input)).toEqual({ kind: 'string', value });
  });
});

describe('the parser', () => {
  /** Pieces that make both well-formed items and near misses likely. */
  const piece = fc.constantFrom(
    ...[
      '"',
      '"',
      '"abc"',
      '\\',
      '\\"',
      '\\\\',
      'a',
      'B',
      '0',
      '-1.5',
      ' ',
      '\t',
      ';',
      ';',
      '=',
      '*',
      '?1',
      ',',
      ':aGk=:',
      '@12',
      '%"x"',
      'é',
      '\u007f',
      '\0',
    ],
  );
  const fieldValue = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
    fc.array(piece, { maxLength: 8 }).map((pieces) => `"abc"${pieces.join('')}`),
    fc.string().map((text) => `"${text}"`),
    fc.string(),
  );

  it('agrees with an independent implementation of RFC 9651', () => {
    fc.assert(
      fc.property(fieldValue, (input) => {
        expect(parseSfString(input)).toEqual(judged(input) ?? expect.objectContaining({ kind: 'malformed' }));
      }),
      { numRuns: 5_000 },
    );
  });

  it('reads back whatever printable ASCII was quoted', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), (value) => {
        expect(parseSfString(`"${value.replace(/["\\]/g, '\\$&')}"`)).toEqual({ kind: 'string', value });
      }),
    );
  });
});

function judged(input: string): { kind: 'string'; value: string } | null {
  try {
    const [bareItem] = parseItem(input);
    return typeof bareItem === 'string' ? { kind: 'string', value: bareItem } : null;
  } catch {
    return null;
  }
}
