import { expect, it } from 'vitest';
import { allValues, firstValue } from '../../src/core/wire.ts';

const LINES = ['Accept', 'a', 'X-One', '1', 'accept', 'b', 'ACCEPT', '', 'acceptx', 'no', 'Last', 'z'];

it.each([
  ['accept', 'a', ['a', 'b', '']],
  ['x-one', '1', ['1']],
  ['last', 'z', ['z']],
  ['a', undefined, []],
  ['1', undefined, []],
  ['absent', undefined, []],
])('of the field %s the first value is %j, and all are %j', (name, first, all) => {
  expect(firstValue(LINES, name)).toBe(first);
  expect(allValues(LINES, name)).toEqual(all);
});

it('a name without its value has none, or an empty one', () => {
  expect(firstValue(['Accept'], 'accept')).toBeUndefined();
  expect(allValues(['Accept'], 'accept')).toEqual(['']);
  expect(firstValue([], 'accept')).toBeUndefined();
});
