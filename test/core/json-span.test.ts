import { describe, expect, it } from 'vitest';
import { spanAt } from '../../src/core/json-span.ts';

/** The text at the span, between marks so that white space is seen; null where there is none. */
function textAt(text: string, tokens: readonly string[]): string | null {
  const span = spanAt(text, tokens);
  return span === null ? null : `<${text.slice(span.start, span.end)}>`;
}

describe('the span of a value', () => {
  it.each([
    ['1', [], '<1>'],
    [' \t\r\n12 ', [], '<12>'],
    ['-1.5e+3\n', [], '<-1.5e+3>'],
    ['true', [], '<true>'],
    ['"a"', [], '<"a">'],
    ['{}', [], '<{}>'],
    [' [ ] ', [], '<[ ]>'],
    ['{"a":1}', ['a'], '<1>'],
    ['{"a":1,"b":2}', ['b'], '<2>'],
    ['{ "a" : 1 , "b" : null }', ['b'], '<null>'],
    ['{\n\t"a"\r:\n"x" ,\r"b"\t:\t[ 1 ] }', ['b'], '<[ 1 ]>'],
    ['{"a":{"b":[0,{"c":"}]\\"\\\\"}]}}', ['a', 'b', '1', 'c'], '<"}]\\"\\\\">'],
    ['{"a":{"b":[{"x":"]"}]},"c":3}', ['c'], '<3>'],
    ['{"a":"\\\\","b":2}', ['b'], '<2>'],
    ['{"\\u0061":1}', ['a'], '<1>'],
    ['{"":1}', [''], '<1>'],
    ['{"a":1,"a":2,"b":3}', ['a'], '<2>'],
    ['{"a":{"a":1},"b":2}', ['a'], '<{"a":1}>'],
    ['[10,20,30]', ['0'], '<10>'],
    ['[10,20,30]', ['2'], '<30>'],
    ['[ 10 , [ 20 ] , 30 ]', ['1', '0'], '<20>'],
    ['[[],{},"",0]', ['3'], '<0>'],
    ['[[[1]],2]', ['1'], '<2>'],
    [`[${'0,'.repeat(120)}"x"]`, ['120'], '<"x">'],
    ['{"0":"a"}', ['0'], '<"a">'],
  ])('in %j at %j is %s', (text, tokens, expected) => {
    expect(textAt(text, tokens)).toBe(expected);
  });

  it.each([
    ['1', ['a']],
    ['"a"', ['0']],
    ['{}', ['a']],
    ['{"a":1}', ['b']],
    ['{"a":{"b":1}}', ['b']],
    ['{"a":{"b":1}}', ['a', 'b', 'c']],
    ['[]', ['0']],
    ['[1]', ['1']],
    ['[1,2]', ['00']],
    ['[1,2]', ['01']],
    ['[1,2]', ['-1']],
    ['[1,2]', ['0x']],
    ['[1,2]', ['x0']],
    ['[1,2]', ['1.0']],
    ['[1,2]', ['']],
    ['[[1],2]', ['5']],
  ])('in %j at %j is nowhere', (text, tokens) => {
    expect(textAt(text, tokens)).toBeNull();
  });

  it.each([
    ['[1', ['1']],
    ['[1,', ['7']],
    ['[', ['7']],
    ['', ['7']],
  ])('in a text that is cut short, %j, at %j is nowhere, and is not looked for for ever', (text, tokens) => {
    expect(textAt(text, tokens)).toBeNull();
  });

  it.each(['[[1', '{"a":{"b', '"abc', '"abc\\'])('in a text that is cut short, %j, ends with it', (text) => {
    expect(textAt(text, [])).toBe(`<${text}>`);
  });
});
