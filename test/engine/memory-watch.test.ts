import { expect, it } from 'vitest';
import { createMemoryWatch } from '../../src/engine/memory-watch.ts';

it('memory is looked at by whoever lets load in, for in a flood no timer runs, and not at every call', () => {
  let nowMs = 0;
  let looks = 0;
  let usedBytes = 10;
  const changes: string[] = [];
  const watch = createMemoryWatch({
    read: () => {
      looks += 1;
      return { heapUsedBytes: usedBytes, heapLimitBytes: 100, outer: null };
    },
    limits: { refuseShare: 0.85, stopShare: 0.92 },
    monotonicMs: () => nowMs,
    ticker: () => () => undefined,
    onChange: (pressure) => changes.push(pressure),
  });
  const seen: string[] = [];

  for (const used of [10, 90, 95, 88, 10]) {
    usedBytes = used;
    nowMs += 20;
    for (let n = 0; n < 1_000; n += 1) watch.pressure();
    seen.push(watch.pressure());
  }

  expect(seen).toEqual(['none', 'refuse', 'stop', 'stop', 'none']);
  expect(changes).toEqual(['refuse', 'stop', 'none']);
  expect(looks).toBe(5);
});
