import { describe, expect, it } from 'vitest';
import { readJson } from '../../src/core/json.ts';
import { readHeadKey } from '../../src/core/key.ts';
import { parseSfString } from '../../src/core/sf-string.ts';
import { headWith, keyPolicy } from '../support/request-head.ts';

/** What a client may make as long as the limits allow must not cost more than its length. */

describe('the JSON reader', () => {
  it.each([
    ['zeros inside a number', `1${'0'.repeat(100_000)}1e-100000`],
    ['digits behind the point', `0.${'10'.repeat(100_000)}`],
    ['white space', `${' '.repeat(200_000)}x`],
    ['a string without end', `"${'\\\\'.repeat(100_000)}`],
    ['members', `{${Array.from({ length: 10_000 }, (_, index) => `"${index}":0`).join(',')}`],
  ])('takes linear time over %s', (_what, text) => {
    const startedMs = performance.now();

    expect(readJson(Buffer.from(text), 'lossless').kind).toBe('fault');
    // Quadratic time would be many seconds.
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });
});

describe('a key', () => {
  it('takes linear time when it is full of spaces', () => {
    const startedMs = performance.now();

    expect(readHeadKey(keyPolicy(), headWith('Idempotency-Key', `a${' '.repeat(60_000)}b`)).kind).toBe(
      'invalid',
    );
    // Quadratic time would be seconds.
    expect(performance.now() - startedMs).toBeLessThan(500);
  });
});

describe('a structured string', () => {
  it.each([
    ['spaces inside', `"a${' '.repeat(60_000)}b`],
    ['spaces behind', `x${' '.repeat(60_000)}y`],
    ['parameters', `"a"${';a=b'.repeat(15_000)}(`],
    ['a parameter without end', `"a";a="${'x'.repeat(60_000)}`],
  ])('takes linear time over a long field value: %s', (_what, input) => {
    const startedMs = performance.now();

    expect(parseSfString(input).kind).toBe('malformed');
    // Quadratic time would be seconds.
    expect(performance.now() - startedMs).toBeLessThan(500);
  });
});
