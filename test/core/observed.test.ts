import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addUpObserved,
  OBSERVED_ENDS,
  OBSERVED_EXAMPLES_MAX,
  OBSERVED_ROUTES_MAX,
  type ObservedRoute,
} from '../../src/core/observed.ts';

const example = fc.record({
  recordKey: fc.option(fc.string({ maxLength: 4 })),
  atMs: fc.nat(1_000),
  status: fc.option(fc.constantFrom(0, 200, 503)),
});
const count = fc.record({
  end: fc.constantFrom(...OBSERVED_ENDS),
  requests: fc.nat(100),
  examples: fc.array(example, { maxLength: OBSERVED_EXAMPLES_MAX }),
});
const routes: fc.Arbitrary<readonly ObservedRoute[]> = fc.array(
  fc.record({ route: fc.constantFrom('a', 'b', 'c'), counts: fc.array(count, { maxLength: 6 }) }),
  { maxLength: 4 },
);

function total(observed: readonly ObservedRoute[], route: string, end: string): number {
  return observed
    .filter((one) => one.route === route)
    .flatMap(({ counts }) => counts)
    .filter((one) => one.end === end)
    .reduce((sum, { requests }) => sum + requests, 0);
}

describe('what several processes observed', () => {
  it('adds up, with the latest examples of all', () => {
    fc.assert(
      fc.property(fc.array(routes, { maxLength: 4 }), (parts) => {
        const sum = addUpObserved(parts);

        expect(new Set(sum.map(({ route }) => route)).size).toBe(sum.length);
        for (const { route, counts } of sum) {
          for (const { end, requests, examples } of counts) {
            expect(requests).toBe(total(parts.flat(), route, end));
            const all = parts
              .flat()
              .filter((one) => one.route === route)
              .flatMap((one) => one.counts)
              .filter((one) => one.end === end)
              .flatMap((one) => one.examples.map(({ atMs }) => atMs))
              .toSorted((a, b) => a - b);
            expect(examples.map(({ atMs }) => atMs).toSorted((a, b) => a - b)).toEqual(
              all.slice(-OBSERVED_EXAMPLES_MAX),
            );
          }
        }
      }),
    );
  });

  it('has a limit of routes, whatever reloads call them', () => {
    const many = Array.from({ length: OBSERVED_ROUTES_MAX + 10 }, (_, n) => ({ route: `r${n}`, counts: [] }));

    expect(addUpObserved([many])).toHaveLength(OBSERVED_ROUTES_MAX);
  });
});
