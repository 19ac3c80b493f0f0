import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/core/canonical-json.ts';

function canonical(text: string): string {
  const found = canonicalJson(Buffer.from(text));
  return found.kind === 'canonical' ? found.text : found.reason;
}

describe('canonical JSON of any value', () => {
  it('keeps the value, forgets order and white space, and is its own canonical form', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4, noUnicodeString: false }),
        fc.infiniteStream(fc.nat()),
        (value, numbers) => {
          // A value with lone surrogates falls back.
          if (!wellFormed(value)) return;
          const text = canonical(JSON.stringify(value));

          expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
          expect(canonical(JSON.stringify(shuffled(value, numbers), null, 1))).toBe(text);
          expect(canonical(text)).toBe(text);
        },
      ),
      { numRuns: 500 },
    );
  });
});

function wellFormed(value: unknown): boolean {
  return !/\\ud[89a-f]/.test(JSON.stringify(value));
}

/** The same value with its members in another order. */
function shuffled(value: unknown, numbers: fc.Stream<number>): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, numbers));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => ({
    rank: numbers.next().value,
    member: [name, shuffled(member, numbers)] as const,
  }));
  return Object.fromEntries(members.sort((a, b) => a.rank - b.rank).map(({ member }) => member));
}
