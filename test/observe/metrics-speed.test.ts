import { expect, it } from 'vitest';
import { sampleMetrics } from './sample-metrics.ts';

const CALLS = 2_000;

it('counting a request makes no garbage', () => {
  const metrics = sampleMetrics();
  const count = (): void => {
    metrics.inFlight.inc();
    metrics.requestEnded('payments', 'unsafe', 'executed', 0.012);
    metrics.upstreamEnded('payments', 0.01);
    metrics.storeOperation('claim', 'ok', 0.0004);
    metrics.inFlight.dec();
  };
  for (let i = 0; i < 20_000; i += 1) count();

  // Short rounds, so that a collection spoils few of them; the median passes over those.
  const bytesEach = Array.from({ length: 15 }, () => {
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < CALLS; i += 1) count();
    return (process.memoryUsage().heapUsed - before) / CALLS;
  }).sort((a, b) => a - b);

  // One label object is 40 bytes, one joined label string as much again.
  expect(bytesEach[7]).toBeLessThan(40);
  expect(bytesEach[7]).toBeGreaterThanOrEqual(0);
});
