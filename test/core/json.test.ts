import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JsonReading, type JsonValue, readJson } from '../../src/core/json.ts';
import { parsePointer, valueAt } from '../../src/core/json-pointer.ts';
import { unreachable } from '../../src/core/unreachable.ts';

function read(text: string, reading: JsonReading = 'lossless') {
  return readJson(Buffer.from(text), reading);
}

/** What JSON.parse would have made of it. */
function plain(value: JsonValue): unknown {
  switch (value.kind) {
    case 'object':
      return Object.fromEntries([...value.members].map(([name, member]) => [name, plain(member)]));
    case 'array':
      return value.items.map(plain);
    case 'string':
      return value.text;
    case 'number':
      return value.value;
    case 'literal':
      return value.text === 'null' ? null : value.text === 'true';
    default:
      return unreachable(value);
  }
}

function parsed(text: string): { readonly value: unknown } | null {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return null;
  }
}

describe('the JSON reader', () => {
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

  it.each([
    ['"\\ud83d\\ude00"', '\u{1f600}'],
    ['"\\u0041\\"\\\\\\/\\b\\f\\n\\r\\t"', 'A"\\/\b\f\n\r\t'],
    ['"\u007f\u2028"', '\u007f\u2028'],
    [' \t\r\n1 ', 1],
    ['-0', -0],
    ['1E2', 100],
    ['{"__proto__":1,"constructor":2}', JSON.parse('{"__proto__":1,"constructor":2}')],
    ['{"":{"":[]}}', { '': { '': [] } }],
  ])('%s is read', (text, expected) => {
    const found = read(text);

    expect(found.kind === 'value' && plain(found.value)).toEqual(expected);
  });

  it.each([
    ['', 'not-json'],
    ['   ', 'not-json'],
    ['{"a":1,}', 'not-json'],
    ['[1,]', 'not-json'],
    ['[,1]', 'not-json'],
    ['{,}', 'not-json'],
    ['{a:1}', 'not-json'],
    ["{'a':1}", 'not-json'],
    ['[1 2]', 'not-json'],
    ['1 2', 'not-json'],
    ['01', 'not-json'],
    ['-', 'not-json'],
    ['1.', 'not-json'],
    ['.5', 'not-json'],
    ['1e', 'not-json'],
    ['+1', 'not-json'],
    ['NaN', 'not-json'],
    ['"a\nb"', 'not-json'],
    ['"\\x"', 'not-json'],
    ['"\\u12g4"', 'not-json'],
    ['"abc', 'not-json'],
    ['"abc\\', 'not-json'],
    ['\u00a01', 'not-json'],
    ['\ufeff{}', 'byte-order-mark'],
    ['{"a":1,"a":1}', 'duplicate-member'],
    ['{"a":1,"\\u0061":2}', 'duplicate-member'],
    ['[{"a":{"b":1,"b":2}}]', 'duplicate-member'],
    ['"\\ud800"', 'lone-surrogate'],
    ['"\\ude00\\ud83d"', 'lone-surrogate'],
    ['{"\\udfff":1}', 'lone-surrogate'],
    ['9007199254740993', 'inexact-number'],
    ['0.1000000000000000055511151231257827', 'inexact-number'],
    ['333333333.33333329', 'inexact-number'],
    ['1e400', 'inexact-number'],
    ['-1e400', 'inexact-number'],
    ['1e-400', 'inexact-number'],
    ['1e99999999999999999999', 'inexact-number'],
  ])('%s is the fault %s', (text, fault) => {
    expect(read(text)).toEqual({ kind: 'fault', fault });
  });

  it.each([
    [[0x22, 0xff, 0x22]],
    [[0x22, 0xc0, 0xaf, 0x22]],
    [[0x22, 0xed, 0xa0, 0x80, 0x22]],
    [[0x22, 0xf4, 0x90, 0x80, 0x80, 0x22]],
    [[0x22, 0xe2, 0x82]],
  ])('the bytes %j are not UTF-8', (bytes) => {
    expect(readJson(Uint8Array.from(bytes), 'lossless')).toEqual({ kind: 'fault', fault: 'not-utf-8' });
  });

  it.each([
    '1.0',
    '1.50',
    '100e-2',
    '0.1',
    '1e21',
    '1E+2',
    '-0.0',
    '0e999999999999',
    '1e-7',
    '123456789012345680000',
    '5e-324',
    `1${'0'.repeat(300)}`,
    `1.${'0'.repeat(5_000)}`,
  ])('the number %.30s is exact', (text) => {
    expect(read(text)).toEqual({ kind: 'value', value: { kind: 'number', value: Number(text) } });
  });

  it('finds every double that ECMAScript writes exact', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(read(String(value)).kind).toBe('value');
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    [127, 'value'],
    [128, 'value'],
    [129, 'too-deep'],
    [1_000_000, 'too-deep'],
  ])('nested %i deep gives %s', (depth, expected) => {
    const found = read(`${'['.repeat(depth)}${']'.repeat(depth)}`);

    expect(found.kind === 'fault' ? found.fault : found.kind).toBe(expected);
  });

  it('counts the depth, not the number of values', () => {
    expect(read(`[${'[{"a":[]}],'.repeat(1_000)}1]`).kind).toBe('value');
  });

  it.each([
    ['zeros inside a number', `1${'0'.repeat(100_000)}1e-100000`],
    ['digits behind the point', `0.${'10'.repeat(100_000)}`],
    ['white space', `${' '.repeat(200_000)}x`],
    ['a string without end', `"${'\\\\'.repeat(100_000)}`],
    ['members', `{${Array.from({ length: 10_000 }, (_, index) => `"${index}":0`).join(',')}`],
  ])('takes linear time over %s', (_what, text) => {
    const startedMs = performance.now();

    expect(read(text).kind).toBe('fault');
    // Quadratic time would be many seconds.
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });
});

describe('a search', () => {
  it('lets through what only a comparison has to fear', () => {
    const found = read('{"n":9007199254740993,"s":"\\ud800","d":1,"d":2}', 'search');

    expect(found.kind === 'value' && plain(found.value)).toEqual({ n: 9007199254740992, s: '\ud800', d: 2 });
  });
});

describe('a JSON Pointer', () => {
  /** RFC 6901 section 5. */
  const DOCUMENT =
    '{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\\\j":5,"k\\"l":6," ":7,"m~n":8}';

  function at(text: string, pointer: string): unknown {
    const found = read(text, 'search');
    const tokens = parsePointer(pointer);
    if (found.kind !== 'value' || tokens.kind !== 'ok') return found;
    const reached = valueAt(found.value, tokens.tokens);
    return reached.kind === 'value' ? plain(reached.value) : reached.kind;
  }

  it.each([
    ['', JSON.parse(DOCUMENT)],
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/e^f', 3],
    ['/g|h', 4],
    ['/i\\j', 5],
    ['/k"l', 6],
    ['/ ', 7],
    ['/m~0n', 8],
    ['/foo/2', 'absent'],
    ['/foo/00', 'absent'],
    ['/foo/-', 'absent'],
    ['/foo/length', 'absent'],
    ['/foo/0/x', 'absent'],
    ['/__proto__', 'absent'],
    ['/toString', 'absent'],
  ])('%j finds it', (pointer, expected) => {
    expect(at(DOCUMENT, pointer)).toEqual(expected);
  });

  it('decodes ~01 to ~1', () => {
    expect(parsePointer('/~01')).toEqual({ kind: 'ok', tokens: ['~1'] });
  });

  it.each(['foo', '/a~', '/a~2', '#/a'])('%j is malformed', (pointer) => {
    expect(parsePointer(pointer).kind).toBe('malformed');
  });

  it.each([
    ['/a', 'repeated'],
    ['/a/b', 'repeated'],
    ['/c', 3],
  ])('%j in an object with a repeated member gives %s', (pointer, expected) => {
    expect(at('{"a":{"b":1},"a":{"b":2},"c":3}', pointer)).toEqual(expected);
  });
});
