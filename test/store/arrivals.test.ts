import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Arrivals, createArrivals } from '../../src/store/arrivals.ts';

function readAll<Entry>(arrivals: Arrivals<Entry>, placesMax: number): readonly Entry[] {
  const read: Entry[] = [];
  for (let from: number | null = 0; from !== null; ) {
    const page: ReturnType<Arrivals<Entry>['after']> = arrivals.after(from, placesMax);
    expect(page.entries.length).toBeLessThanOrEqual(placesMax);
    read.push(...page.entries.map(([, entry]) => entry));
    from = page.next;
  }
  return read;
}

describe('arrivals', () => {
  it('are read once each in their order, whatever went meanwhile, like a map', () => {
    const steps = fc.array(fc.oneof(fc.constant('add' as const), fc.nat({ max: 200 })), { maxLength: 400 });

    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 50 }), (actions, placesMax) => {
        const arrivals = createArrivals<number>();
        const expected = new Map<number, number>();
        let value = 0;
        for (const action of actions) {
          if (action === 'add') {
            value += 1;
            expected.set(arrivals.add(value), value);
          } else {
            arrivals.remove(action);
            expected.delete(action);
          }
        }
        expect(readAll(arrivals, placesMax)).toEqual([...expected.values()]);
      }),
      { numRuns: 200 },
    );
  });

  it('keep their numbers when empty places are given back, so that a page goes on where it was', () => {
    const arrivals = createArrivals<number>();
    for (let i = 1; i <= 4000; i += 1) expect(arrivals.add(i)).toBe(i);
    const first = arrivals.after(0, 3500);
    for (let i = 1; i <= 3400; i += 1) arrivals.remove(i);

    const second = arrivals.after(first.next ?? 0, 1000);

    expect(first.entries).toHaveLength(3500);
    expect(second.entries.map(([, entry]) => entry)).toEqual(Array.from({ length: 500 }, (_, i) => 3501 + i));
    expect(second.next).toBeNull();
    // The places of those that went are gone: one page shows all that is left.
    expect(arrivals.after(0, 1200).entries).toHaveLength(600);
    expect(arrivals.add(0)).toBe(4001);
  });
});
