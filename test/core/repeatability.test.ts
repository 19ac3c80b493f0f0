import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseFixdate, readRepeatability } from '../../src/core/repeatability.ts';
import { headWith } from '../support/request-head.ts';

/** OASIS Repeatable Requests 1.0, and edge cases 70 and 71. */

const NOW = Date.parse('Thu, 26 Nov 2026 10:00:00 GMT');
const WINDOW = { kind: 'window', windowMs: 3_600_000, aheadMs: 60_000 } as const;
const ID = ['Repeatability-Request-ID', '7f1ea0f0-8c3a-4b0e-9d55-0c9f8c8e3b11'];

function sent(ms: number): readonly string[] {
  return ['Repeatability-First-Sent', new Date(ms).toUTCString()];
}

function judge(...rawHeaders: readonly string[]): string {
  const judged = readRepeatability(WINDOW, headWith(...rawHeaders), 'yes', NOW);
  return judged.kind === 'refused' ? judged.code : judged.kind;
}

describe('the two fields of a repeatable request', () => {
  it.each([
    ['neither', [], 'not-asked'],
    ['both', [...ID, ...sent(NOW)], 'fits'],
    ['the id alone', ID, 'repeatability-invalid'],
    ['the date alone', sent(NOW), 'repeatability-invalid'],
    ['two ids', [...ID, ...ID, ...sent(NOW)], 'repeatability-invalid'],
    ['two dates', [...ID, ...sent(NOW), ...sent(NOW)], 'repeatability-invalid'],
    ['an empty date', [...ID, 'Repeatability-First-Sent', ''], 'repeatability-invalid'],
    [
      'a date of RFC 3339',
      [...ID, 'Repeatability-First-Sent', '2026-11-26T10:00:00Z'],
      'repeatability-invalid',
    ],
    [
      'the obsolete form of a date',
      [...ID, 'Repeatability-First-Sent', 'Thursday, 26-Nov-26 10:00:00 GMT'],
      'repeatability-invalid',
    ],
    [
      'a wrong day of the week',
      [...ID, 'Repeatability-First-Sent', 'Fri, 26 Nov 2026 10:00:00 GMT'],
      'repeatability-invalid',
    ],
    [
      'a day that is in no calendar',
      [...ID, 'Repeatability-First-Sent', 'Mon, 30 Feb 2026 10:00:00 GMT'],
      'repeatability-invalid',
    ],
    ['a date at the edge of the window', [...ID, ...sent(NOW - 3_600_000)], 'fits'],
    ['a date just outside', [...ID, ...sent(NOW - 3_601_000)], 'repeatability-window'],
    ['a date as far ahead as clocks may differ', [...ID, ...sent(NOW + 60_000)], 'fits'],
    ['a date further ahead', [...ID, ...sent(NOW + 61_000)], 'repeatability-window'],
  ] as const)('%s: %s', (_what, rawHeaders, expected) => {
    expect(judge(...rawHeaders)).toBe(expected);
  });

  it.each([
    [ID, 'go together'],
    [[...ID, 'Repeatability-First-Sent', 'soon'], 'IMF-fixdate'],
    [[...ID, ...sent(NOW - 3_601_000)], 'more than 3600 s ago'],
    [[...ID, ...sent(NOW + 61_000)], 'more than 60 s ahead'],
  ])('say what is wrong with them: %j', (rawHeaders, words) => {
    expect(readRepeatability(WINDOW, headWith(...rawHeaders), 'yes', NOW)).toMatchObject({
      detail: expect.stringContaining(words),
    });
  });

  it('where nothing is kept, are refused rather than ignored', () => {
    const head = headWith(...ID, ...sent(NOW));

    expect(readRepeatability({ kind: 'unsupported' }, head, 'yes', NOW)).toMatchObject({
      code: 'repeatability-unsupported',
    });
    expect(readRepeatability(WINDOW, head, 'no', NOW)).toMatchObject({ code: 'repeatability-unsupported' });
    expect(readRepeatability({ kind: 'unsupported' }, headWith(), 'no', NOW)).toEqual({ kind: 'not-asked' });
  });
});

describe('a date', () => {
  const seconds = fc.integer({ min: 0, max: 4_102_444_800 });

  it('that was written is read back, to the second', () => {
    fc.assert(
      fc.property(seconds, (second) => {
        expect(parseFixdate(new Date(second * 1000).toUTCString())).toBe(second * 1000);
      }),
    );
  });

  it('that is read is written back as it was, whatever was sent', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const ms = parseFixdate(text);
        expect(ms === null || new Date(ms).toUTCString() === text).toBe(true);
      }),
    );
  });
});

describe('the window', () => {
  it('never lets a request in after a record of its first execution is gone', () => {
    // The first execution is at most aheadMs before the date, its record kept for retainMs from then on.
    const times = fc.record({
      windowMs: fc.integer({ min: 0, max: 10_000 }),
      aheadMs: fc.integer({ min: 0, max: 10_000 }),
      spareMs: fc.integer({ min: 0, max: 1_000 }),
      sentMs: fc.integer({ min: 0, max: 100 }).map((second) => second * 1000),
      firstMs: fc.integer({ min: 0, max: 120_000 }),
      laterMs: fc.integer({ min: 0, max: 120_000 }),
    });
    fc.assert(
      fc.property(times, ({ windowMs, aheadMs, spareMs, sentMs, firstMs, laterMs }) => {
        const policy = { kind: 'window', windowMs, aheadMs } as const;
        const head = headWith(...ID, ...sent(sentMs));
        const retainMs = windowMs + aheadMs + spareMs;
        const first = readRepeatability(policy, head, 'yes', firstMs);
        const later = readRepeatability(policy, head, 'yes', firstMs + laterMs);
        const isForgotten = laterMs > retainMs;

        expect(first.kind === 'fits' && later.kind === 'fits' && isForgotten).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });
});
