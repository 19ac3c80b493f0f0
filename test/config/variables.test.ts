// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
import { describe, expect, it } from 'vitest';
import { escapeVariables, substitute } from '../../src/config/variables.ts';

const ENV = { NAME: 'value', EMPTY: '', NESTED: '${NAME}' };

describe('a variable in a value', () => {
  it.each([
    ['${NAME}', 'value', ['NAME']],
    ['a${NAME}b${NAME}c', 'avaluebvaluec', ['NAME', 'NAME']],
    ['${EMPTY}', '', ['EMPTY']],
    ['${EMPTY:-default}', 'default', ['EMPTY']],
    ['${UNSET:-}', '', ['UNSET']],
    ['${UNSET:-a:-b}', 'a:-b', ['UNSET']],
    ['${NESTED}', '${NAME}', ['NESTED']],
    ['$${NAME}${NAME}', '${NAME}value', ['NAME']],
  ])('%s becomes %s', (text, wanted, names) => {
    expect(substitute(text, ENV)).toEqual({ kind: 'substituted', text: wanted, names });
  });

  it.each([
    ['no variable', 'no variable'],
    ['$NAME', '$NAME'],
    ['$${NAME}', '${NAME}'],
    ['$$', '$$'],
    ['{NAME}', '{NAME}'],
  ])('%s holds none', (text, wanted) => {
    expect(substitute(text, ENV)).toEqual({ kind: 'plain', text: wanted });
  });

  it.each([
    '${UNSET}',
    '${',
    '${}',
    '${NAME',
    '${9}',
    '${NAME-x}',
    '${ NAME }',
    '${toString}',
    '${__proto__}',
  ])('%s is refused', (text) => {
    expect(substitute(text, ENV).kind).toBe('fault');
  });

  it('is not found in what is escaped', () => {
    const text = 'a${b}$${c}$$';

    expect(substitute(escapeVariables(text), {})).toMatchObject({ text });
  });
});
