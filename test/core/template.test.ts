import { describe, expect, it } from 'vitest';
import {
  fieldValue,
  jsonText,
  namesIn,
  parseTemplate,
  percentEncoded,
  render,
  renderTarget,
  targetFault,
  templateText,
  VALUE_NAME,
} from '../../src/core/template.ts';

const text = (value: string) => ({ kind: 'text', text: value });
const value = (name: string) => ({ kind: 'value', name });
const LONGEST = `a${'b'.repeat(31)}`;

describe('a template', () => {
  it.each([
    ['', [], []],
    ['abc', [text('abc')], []],
    ['{a}', [value('a')], ['a']],
    ['{a}{b}', [value('a'), value('b')], ['a', 'b']],
    ['x{a}y{B-1_}z', [text('x'), value('a'), text('y'), value('B-1_'), text('z')], ['a', 'B-1_']],
    ['{"a":"{a}"}', [text('{"a":"'), value('a'), text('"}')], ['a']],
    ['{1a}{}{ a}{a', [text('{1a}{}{ a}{a')], []],
    [`{${LONGEST}}`, [value(LONGEST)], [LONGEST]],
    [`{${LONGEST}b}`, [text(`{${LONGEST}b}`)], []],
  ])('%j has the parts %j and the names %j', (written, parts, names) => {
    const template = parseTemplate(written);

    expect(template).toEqual(parts);
    expect(namesIn(template)).toEqual(names);
    expect(templateText(template)).toBe(written);
  });

  it.each(['a', 'Z9', 'a-b_c', LONGEST])('may have the name %s', (name) => {
    expect(name).toMatch(VALUE_NAME);
  });

  it.each(['', '1', '-a', 'a b', 'a.b', ' a', 'a ', `${LONGEST}b`])('may not have the name %j', (name) => {
    expect(name).not.toMatch(VALUE_NAME);
  });

  it('is text with every value written as it has to be there, or nothing', () => {
    const template = parseTemplate('x{a}y{b}');
    const loud = (given: string) => (given === 'no' ? null : given.toUpperCase());

    expect(render(template, new Map(Object.entries({ a: 'p', b: '' })), loud)).toBe('xPy');
    expect(render(template, new Map(Object.entries({ a: 'p' })), loud)).toBeNull();
    expect(render(template, new Map(Object.entries({ a: 'p', b: 'no' })), loud)).toBeNull();
    expect(render([], new Map(), loud)).toBe('');
  });
});

describe('a value', () => {
  it.each([
    ['azAZ09-._~', 'azAZ09-._~'],
    ["!'()*", '%21%27%28%29%2A'],
    ['a b/?#%&+', 'a%20b%2F%3F%23%25%26%2B'],
    ['\u00e9\u{1f600}', '%C3%A9%F0%9F%98%80'],
    ['\ud800', null],
  ])('%j in a target is %j', (given, expected) => {
    expect(percentEncoded(given)).toBe(expected);
  });

  it.each([
    ['', ''],
    [' ~', ' ~'],
    ['a\u001f', null],
    ['\u001fa', null],
    ['a\u007f', null],
    ['\u007fa', null],
  ])('%j in a field is %j', (given, expected) => {
    expect(fieldValue(given)).toBe(expected);
  });

  it('in a JSON string is escaped for it', () => {
    expect(jsonText('a"\\\n\u00e9')).toBe('a\\"\\\\\\n\u00e9');
  });
});

const SLASH = 'must begin with "/": it is a path of the backend, whose address stands in upstream.url';
const CHARACTER = 'has a character that no path or query may have; percent-encode it';
const HOST = 'begins with "//", which some take for another host';
const DOTS = 'has a segment "." or ".."';

describe('the template of a target', () => {
  it.each([
    ['/', null],
    ['/a/{b}?c={d}&e=f', null],
    ["/A-Z._~!$&'()*+,;=:@/?[]%2f%2F%aF", null],
    ['/a/..b/.../b..', null],
    ['/a?b=/../c', null],
    ['/a/.{b}', null],
    ['', SLASH],
    ['a', SLASH],
    ['{a}/b', SLASH],
    ['http://h/', SLASH],
    ['/a b', CHARACTER],
    ['/a{b', CHARACTER],
    ['/a}', CHARACTER],
    ['/a#b', CHARACTER],
    ['/\u00e9', CHARACTER],
    ['/%', CHARACTER],
    ['/%2', CHARACTER],
    ['/%g0', CHARACTER],
    ['/%0g', CHARACTER],
    ['/{a}/ ', CHARACTER],
    ['//a', HOST],
    ['/.', DOTS],
    ['/..', DOTS],
    ['/a/../b', DOTS],
    ['/a/%2e', DOTS],
    ['/a/.%2E?b', DOTS],
    ['/a/.?b', DOTS],
  ])('%j: %s', (written, fault) => {
    expect(targetFault(parseTemplate(written))).toBe(fault);
  });

  it.each([
    ['/{a}{b}', { a: '.', b: '' }, null],
    ['/{a}{b}', { a: '.', b: '.' }, null],
    ['/{a}{b}', { a: '.', b: 'x' }, '/.x'],
    ['/x?{a}', { a: '' }, '/x?'],
    ['/x?y={a}', { a: '../b\\\n' }, '/x?y=..%2Fb%5C%0A'],
    ['/x?y={a}', {}, null],
    ['/x/{a}?y={b}', { a: '', b: '1' }, null],
    ['/x/{a}?y={b}', { a: 'p', b: '' }, '/x/p?y='],
    ['/x/{a}', { a: '\u007f' }, null],
    ['/x/{a}', { a: '\u001f' }, null],
    ['/x/{a}', { a: ' ~' }, '/x/%20~'],
    ['/x/{a}', { a: '?' }, '/x/%3F'],
    ['/x', {}, '/x'],
  ])('%s with %j is %j', (written, values: Readonly<Record<string, string>>, target) => {
    expect(renderTarget(parseTemplate(written), new Map(Object.entries(values)))).toBe(target);
  });
});
