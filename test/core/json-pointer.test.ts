import { describe, expect, it } from 'vitest';
import { type JsonValue, readJson } from '../../src/core/json.ts';
import { parsePointer, valueAt } from '../../src/core/json-pointer.ts';

function json(text: string): JsonValue {
  const read = readJson(Buffer.from(text), 'search');
  if (read.kind === 'value') return read.value;
  throw new Error(read.fault);
}

describe('a JSON Pointer', () => {
  it.each([
    ['', []],
    ['/', ['']],
    ['/a', ['a']],
    ['/a/b', ['a', 'b']],
    ['/a//', ['a', '', '']],
    ['/~0~1', ['~/']],
    ['/~01', ['~1']],
    ['/~1~1/~0~0', ['//', '~~']],
  ])('%j has the tokens %j', (pointer, tokens) => {
    expect(parsePointer(pointer)).toEqual({ kind: 'ok', tokens });
  });

  it.each([
    ['a', 'a JSON Pointer begins with "/"'],
    ['~0', 'a JSON Pointer begins with "/"'],
    ['/~', 'in a JSON Pointer "~" is written "~0" and "/" inside a name "~1"'],
    ['/~2', 'in a JSON Pointer "~" is written "~0" and "/" inside a name "~1"'],
    ['/a~/b', 'in a JSON Pointer "~" is written "~0" and "/" inside a name "~1"'],
  ])('%j is malformed: %s', (pointer, detail) => {
    expect(parsePointer(pointer)).toEqual({ kind: 'malformed', detail });
  });
});

describe('what stands at a pointer', () => {
  const document = json('{"a":{"b":["x",{"c":"y"}]},"":"empty","d":"1","d":"2","e":{"d":"3"},"10":"ten"}');

  it.each([
    [['a', 'b', '0'], 'x'],
    [['a', 'b', '1', 'c'], 'y'],
    [[''], 'empty'],
    [['e', 'd'], '3'],
    [['10'], 'ten'],
  ])('%j is %j', (tokens, text) => {
    expect(valueAt(document, tokens)).toMatchObject({ kind: 'value', value: { kind: 'string', text } });
  });

  it('is the whole document for no token', () => {
    expect(valueAt(document, [])).toEqual({ kind: 'value', value: document });
  });

  it.each([
    [['z']],
    [['a', 'z']],
    [['a', 'b', '2']],
    [['a', 'b', '-']],
    [['a', 'b', '00']],
    [['a', 'b', '01']],
    [['a', 'b', '0x']],
    [['a', 'b', 'x0']],
    [['a', 'b', '1e0']],
    [['a', 'b', 'length']],
    [['a', 'b', '0', '0']],
    [['a', 'b', '0', 'length']],
    [['toString']],
  ])('%j is absent', (tokens) => {
    expect(valueAt(document, tokens)).toEqual({ kind: 'absent' });
  });

  it('is found in a long array by the whole of its number', () => {
    const long = json(`[${Array.from({ length: 120 }, (_, n) => `"${n}"`).join(',')}]`);

    expect(valueAt(long, ['119'])).toMatchObject({ value: { text: '119' } });
    expect(valueAt(long, ['20'])).toMatchObject({ value: { text: '20' } });
  });

  it('is repeated where a name on the way occurs twice, and only there', () => {
    expect(valueAt(document, ['d'])).toEqual({ kind: 'repeated', name: 'd' });
    expect(valueAt(json('{"a":{"b":1,"b":2}}'), ['a', 'b', 'c'])).toEqual({ kind: 'repeated', name: 'b' });
    expect(valueAt(json('{"a":1,"a":2,"b":"x"}'), ['b'])).toMatchObject({ kind: 'value' });
  });
});
