import { describe, expect, it } from 'vitest';
import { type JsonReading, readJson } from '../../src/core/json.ts';
import { parsePointer, valueAt } from '../../src/core/json-pointer.ts';
import { plain } from '../support/plain-json.ts';

function read(text: string, reading: JsonReading = 'lossless') {
  return readJson(Buffer.from(text), reading);
}

describe('the JSON reader', () => {
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
    ['1.0000000000000001', 'inexact-number'],
    ['10000000000000001', 'inexact-number'],
    ['1.00000000000000001e2', 'inexact-number'],
    ['1e-99999', 'inexact-number'],
    ['[1e400]', 'inexact-number'],
    ['tru', 'not-json'],
    ['fals', 'not-json'],
    ['xrue', 'not-json'],
    ['trux', 'not-json'],
    ['falsy', 'not-json'],
    ['nulx', 'not-json'],
    ['1e+', 'not-json'],
    ['1ex', 'not-json'],
    ['1.x', 'not-json'],
    ['-x', 'not-json'],
    ['-01', 'not-json'],
    ['"\\u123', 'not-json'],
    ['"\\u123"', 'not-json'],
    ['"\\u123g"', 'not-json'],
    ['"\\ug123"', 'not-json'],
    ['"a\u001fb"', 'not-json'],
    ['{"a" 1}', 'not-json'],
    ['{"a":1 "b":2}', 'not-json'],
    ['{"a":1', 'not-json'],
    ['[1', 'not-json'],
    ['[', 'not-json'],
    ['{', 'not-json'],
    ['[1}', 'not-json'],
    ['{"a":1]', 'not-json'],
    ['1]', 'not-json'],
    ['\u000b1', 'not-json'],
    ['\u000c1', 'not-json'],
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
    '-0.5e1',
    '-100e-2',
    '-0.0010',
    '-12.50E+0003',
    '0.1e1',
    '120000000000000000000000e-5',
    '999999999999999',
    '9999999999999990',
    `1${'0'.repeat(300)}`,
    `1.${'0'.repeat(500)}`,
  ])('the number %s is exact', (text) => {
    expect(read(text)).toEqual({ kind: 'value', value: { kind: 'number', value: Number(text) } });
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

  it('counts objects as well as arrays', () => {
    const nested = (depth: number) => read(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);

    expect(nested(128).kind).toBe('value');
    expect(nested(129)).toEqual({ kind: 'fault', fault: 'too-deep' });
    expect(read(`[${'{"a":{}},'.repeat(1_000)}1]`).kind).toBe('value');
  });

  it('counts the depth, not the number of values', () => {
    expect(read(`[${'[{"a":[]}],'.repeat(1_000)}1]`).kind).toBe('value');
  });
});

describe('a search', () => {
  it('says which names are repeated, where any is', () => {
    const repeatedIn = (text: string) => {
      const found = read(text, 'search');
      if (found.kind !== 'value' || found.value.kind !== 'object') return found;
      return found.value.repeated === null ? null : [...found.value.repeated];
    };

    expect(repeatedIn('{"a":1,"b":2,"a":3,"b":4,"b":5,"c":6}')).toEqual(['a', 'b']);
    expect(repeatedIn('{"a":1,"b":{"a":1}}')).toBeNull();
  });

  it('still finds a text that is no JSON', () => {
    expect(read('{"a":1,"a":2', 'search')).toEqual({ kind: 'fault', fault: 'not-json' });
    expect(read('\ufeff1', 'search')).toEqual({ kind: 'fault', fault: 'byte-order-mark' });
  });

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
