import { describe, expect, it } from 'vitest';
import { canonicalJson, excludedJson, selectedJson } from '../../src/core/canonical-json.ts';

function canonical(text: string): string {
  return textOf(canonicalJson(Buffer.from(text)));
}

function textOf(found: ReturnType<typeof canonicalJson>): string {
  return found.kind === 'canonical' ? found.text : found.reason;
}

describe('canonical JSON (RFC 8785)', () => {
  it('sorts members by UTF-16 code units (section 3.2.3)', () => {
    const text =
      '{"\\u20ac":"Euro Sign","\\r":"Carriage Return","\\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",' +
      '"\\ud83d\\ude00":"Emoji: Grinning Face","\\u0080":"Control","\\u00f6":"Latin Small Letter O With Diaeresis"}';

    expect(canonical(text)).toBe(
      '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis",' +
        '"\u20ac":"Euro Sign","\u{1f600}":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    );
  });

  it('sorts at every depth and keeps the order of arrays', () => {
    expect(canonical('[ {"b":[3,1,{"z":1,"y":2}], "a":{}} , [] ]')).toBe(
      '[{"a":{},"b":[3,1,{"y":2,"z":1}]},[]]',
    );
  });

  it('writes strings and literals as section 3.2.2 does', () => {
    const text =
      '{"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null, true,\tfalse]}';

    expect(canonical(text)).toBe(
      '{"literals":[null,true,false],"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it.each([
    ['4.50', '4.5'],
    ['2e-3', '0.002'],
    ['1E30', '1e+30'],
    ['0.000000000000000000000000001', '1e-27'],
    ['1.0', '1'],
    ['-0', '0'],
    ['-0.0e5', '0'],
    ['10E-1', '1'],
  ])('the number %s is %s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  /** Appendix B: a double by its bits, and its text. */
  it.each([
    ['0000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('the double %s is %s', (bits, expected) => {
    const value = Buffer.from(bits, 'hex').readDoubleBE();

    expect(Number(expected)).toBe(value);
    expect(canonical(expected)).toBe(expected);
  });

  it.each([
    ['{"a":1,"a":1}', 'duplicate-member'],
    ['9007199254740993', 'inexact-number'],
    ['\ufeff{}', 'byte-order-mark'],
    ['"\\ud800"', 'lone-surrogate'],
    ['['.repeat(200), 'too-deep'],
    ['{"a":}', 'not-json'],
    ['', 'not-json'],
  ])('%s falls back: %s', (text, reason) => {
    expect(canonicalJson(Buffer.from(text))).toEqual({ kind: 'fallback', reason });
  });

  it('falls back on bytes that are not UTF-8', () => {
    expect(canonicalJson(Uint8Array.of(0x22, 0xe9, 0x22))).toEqual({ kind: 'fallback', reason: 'not-utf-8' });
  });
});

describe('a selection', () => {
  const pick = (text: string) => textOf(selectedJson(Buffer.from(text), [['a'], ['b', '0']]));

  it('is what the pointers find, in canonical form', () => {
    expect(pick('{"c":1,"b":[ {"y":1,"x":2} ],"a":"v"}')).toBe('["a"]="v"\n["b","0"]={"x":2,"y":1}');
  });

  it('marks what no pointer finds', () => {
    expect(pick('{"b":[]}')).toBe('["a"]!\n["b","0"]!');
  });

  it('tells an absent member from null, from "" and from {}', () => {
    const texts = [
      '{"b":[1]}',
      '{"a":null,"b":[1]}',
      '{"a":"","b":[1]}',
      '{"a":{},"b":[1]}',
      '{"a":"!","b":[1]}',
    ];

    expect(new Set(texts.map(pick)).size).toBe(texts.length);
  });

  it('does not change with what is not selected', () => {
    expect(pick('{"a":1,"b":[2,3],"at":"10:00"}')).toBe(pick('{"at":"10:01","b":[2],"a":1.0}'));
  });

  it('of the empty pointer is the whole document', () => {
    expect(textOf(selectedJson(Buffer.from('{"b":1,"a":2}'), [[]]))).toBe('[]={"a":2,"b":1}');
  });

  it('falls back with the document', () => {
    expect(pick('{"a":1,"x":1,"x":2}')).toBe('duplicate-member');
  });
});

describe('an exclusion', () => {
  const drop = (text: string, ...pointers: readonly (readonly string[])[]) =>
    textOf(excludedJson(Buffer.from(text), pointers));

  it.each([
    ['{"a":1,"b":2}', [['b']], '{"a":1}'],
    ['{"a":{"t":1,"v":2},"t":3}', [['a', 't']], '{"a":{"v":2},"t":3}'],
    ['[{"t":1},{"t":2}]', [['0', 't']], '[{},{"t":2}]'],
    ['[1,2,3]', [['0'], ['2']], '[2]'],
    ['{"a":1}', [['x'], ['a', 'b']], '{"a":1}'],
    ['{"a":1}', [['a']], '{}'],
    ['{"a":1}', [[]], ''],
    ['{"a":1}', [], '{"a":1}'],
    ['{"a":1,"b":1,"b":2}', [['b']], 'duplicate-member'],
    ['{"a":{"b":{"c":1,"d":2}},"b":{"c":3}}', [['a', 'b', 'c'], ['b']], '{"a":{"b":{"d":2}}}'],
  ] as const)('of %s without %j is %s', (text, pointers, expected) => {
    expect(drop(text, ...pointers)).toBe(expected);
  });
});
