import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ratiosOf, spreadOf } from '../../bench/parts/statistics.ts';
import { PINNED_NODE } from '../support/child-proxy.ts';

const BENCH = join(import.meta.dirname, '../../bench/bench.ts');

describe('the benchmark', () => {
  it('measures every candidate against both baselines in finite numbers', { timeout: 60_000 }, async () => {
    const ran = await promisify(execFile)(PINNED_NODE, [
      BENCH,
      '--quick',
      '--json',
      '--rounds',
      '2',
      '--sample-ms',
      '200',
    ]);

    // The rows of bench/parts/report.ts.
    const rows = JSON.parse(ran.stdout) as readonly {
      name: string;
      cpuUs: object;
      requestsPerSecond: object;
      cpuRatios: Record<string, object>;
    }[];
    expect(rows.map(({ name }) => name)).toEqual([
      'node:http',
      'http-proxy',
      'Onceward, pass-through',
      'Onceward, memory, first execution',
      'Onceward, memory, replay',
      'Onceward, LMDB, first execution',
      'Onceward, LMDB, replay',
    ]);
    for (const { name, cpuUs, requestsPerSecond, cpuRatios } of rows) {
      expect(Object.keys(cpuRatios), name).toEqual(['node:http', 'http-proxy']);
      const figures = [cpuUs, requestsPerSecond, ...Object.values(cpuRatios)].flatMap((spread) =>
        Object.values(spread),
      );
      for (const figure of figures) {
        expect(figure, name).toBeTypeOf('number');
        expect(figure, name).toBeGreaterThan(0);
        expect(figure, name).toBeLessThan(1e6);
      }
    }
  });

  it('takes the middle of the rounds, and both ends', () => {
    expect(spreadOf([5, 1, 3])).toEqual({ median: 3, min: 1, max: 5 });
    expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
  });

  it('compares a round with the same round', () => {
    expect(ratiosOf([2, 20], [1, 10])).toEqual({ median: 2, min: 2, max: 2 });
  });
});
