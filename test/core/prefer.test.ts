import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readPreferences, withoutPreferences } from '../../src/core/prefer.ts';

const lines = (...values: readonly string[]): string[] => values.flatMap((value) => ['Prefer', value]);

describe('Prefer (RFC 7240)', () => {
  it.each([
    ['respond-async', 'yes', null],
    ['Respond-ASYNC', 'yes', null],
    ['respond-async, wait=10', 'yes', 10],
    ['wait = 10 , respond-async', 'yes', 10],
    ['wait="10"', 'no', 10],
    ['respond-async; foo=bar', 'yes', null],
    ['respond-async=""', 'yes', null],
    ['respond-async=no', 'no', null],
    [', ,respond-async,', 'yes', null],
    ['foo; respond-async', 'no', null],
    ['foo="a, respond-async"', 'no', null],
    ['foo="a\\", wait=3", wait=4', 'no', 4],
    ['wait=1, wait=9', 'no', 1],
    ['wait=soon, wait=9', 'no', null],
    ['wait=-1', 'no', null],
    ['wait=1.5', 'no', null],
    ['wait', 'no', null],
    ['foo="respond-async', 'no', null],
    ['wait=99999999999999999999', 'no', 999_999_999],
    ['', 'no', null],
  ] as const)('`%s` is read', (value, respondAsync, waitSeconds) => {
    expect(readPreferences(lines(value))).toEqual({ respondAsync, waitSeconds });
  });

  it('over several lines is one list, whose first instance counts', () => {
    expect(readPreferences(['Prefer', 'wait=3', 'X', 'wait=9', 'prefer', 'respond-async, wait=7'])).toEqual({
      respondAsync: 'yes',
      waitSeconds: 3,
    });
  });

  it('that is not there prefers nothing', () => {
    expect(readPreferences(['Accept', 'respond-async'])).toEqual({ respondAsync: 'no', waitSeconds: null });
  });

  it('takes any bytes in linear time, and never throws', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('"', '\\', ',', ';', '=', ' ', 'a', 'wait', '9'), maxLength: 200 }),
        (value) => {
          const { waitSeconds } = readPreferences(lines(value));

          expect(waitSeconds === null || Number.isSafeInteger(waitSeconds)).toBe(true);
        },
      ),
    );
  });
});

describe('a request that goes on without some preferences', () => {
  it('keeps the others as they came, with their parameters', () => {
    const sent = ['A', '1', ...lines('return=minimal; x="a,b", Respond-Async, wait=5'), 'B', '2'];

    expect(withoutPreferences(sent, ['respond-async', 'wait'])).toEqual([
      'A',
      '1',
      'Prefer',
      'return=minimal; x="a,b"',
      'B',
      '2',
    ]);
  });

  it('has no line of which nothing is left', () => {
    expect(withoutPreferences(lines('respond-async', 'wait=1'), ['respond-async', 'wait'])).toEqual([]);
  });

  it('prefers none of them any more, whatever the field says', () => {
    const word = fc.constantFrom('respond-async', 'wait=5', 'return=minimal', 'x="a,wait=1"', '', 'x;wait=2');
    fc.assert(
      fc.property(fc.array(fc.array(word, { maxLength: 5 }), { maxLength: 4 }), (fields) => {
        const sent = lines(...fields.map((words) => words.join(', ')));

        expect(readPreferences(withoutPreferences(sent, ['respond-async', 'wait']))).toEqual({
          respondAsync: 'no',
          waitSeconds: null,
        });
      }),
    );
  });
});
