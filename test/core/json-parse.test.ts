import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JsonReading, readJson } from '../../src/core/json.ts';
import { plain } from '../support/plain-json.ts';

function read(text: string, reading: JsonReading = 'lossless') {
  return readJson(Buffer.from(text), reading);
}

function parsed(text: string): { readonly value: unknown } | null {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return null;
  }
}

describe('the JSON reader beside JSON.parse', () => {
  it('reads what JSON.stringify writes as JSON.parse does', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 5, noUnicodeString: false }),
        fc.constantFrom(undefined, 2, '\t'),
        (value, space) => {
          const text = JSON.stringify(value, null, space);
          const found = read(text);

          expect(found.kind === 'value' && plain(found.value)).toEqual(JSON.parse(text));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('accepts exactly the texts that JSON.parse accepts', () => {
    const piece = fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"a"',
        '"',
        '\\',
        '\\u00',
        '\\ud83d',
        'n',
        '0',
        '1',
        '-',
        '.',
        '.5',
        'e',
        'E+1',
        '00',
        ' ',
        '\n',
      ],
      ...[
        '\u00a0',
        '\0',
        'true',
        'false',
        'null',
        'nul',
        'NaN',
        'Infinity',
        '[]',
        '{}',
        '"a":1',
        '\u00e9',
        "'a'",
        '//',
        '+1',
        '1e400',
        '\u2028',
      ],
    );

    fc.assert(
      fc.property(fc.array(piece, { maxLength: 9 }), (pieces) => {
        const text = pieces.join('');
        const expected = parsed(text);
        const found = read(text, 'search');

        expect(found.kind === 'value' ? { value: plain(found.value) } : null).toEqual(expected);
      }),
      { numRuns: 20_000 },
    );
  });

  it('finds every double that ECMAScript writes exact', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(read(String(value)).kind).toBe('value');
      }),
      { numRuns: 2_000 },
    );
  });
});
