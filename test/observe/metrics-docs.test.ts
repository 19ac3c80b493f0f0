import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderMetricsDocs } from '../../scripts/generate-metrics-docs.ts';
import { METRICS, type MetricDefinition } from '../../src/observe/metric-table.ts';

const docs = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8');
const metrics: readonly MetricDefinition[] = Object.values(METRICS);

describe('docs/metrics.md', () => {
  it('is what the table gives', () => {
    expect(docs).toBe(renderMetricsDocs());
  });

  it('names every metric of the table and no other', () => {
    const named = [...docs.matchAll(/^## (onceward_\S+)$/gm)].map((match) => match[1]);

    expect(named).toEqual(metrics.map((metric) => metric.name));
  });

  it('its alerts use metrics that exist', () => {
    const used = [...docs.matchAll(/\b(onceward_[a-z_]+)[[{]/g)].map((match) => match[1]);

    expect(used.length).toBeGreaterThan(0);
    expect(metrics.map((metric) => metric.name)).toEqual(expect.arrayContaining(used));
  });
});

describe('the table of metrics', () => {
  it.each(metrics.map((metric) => [metric.name, metric] as const))(
    '%s follows the naming rules',
    (name, metric) => {
      expect(name).toMatch(/^onceward_[a-z_]+$/);
      expect(name.endsWith('_total')).toBe(metric.kind === 'counter');
      expect(metric.help).toMatch(/\.$/);
      expect(metric.buckets.length > 0).toBe(metric.kind === 'histogram');
      expect([...metric.buckets]).toEqual([...metric.buckets].sort((a, b) => a - b));
    },
  );
});
