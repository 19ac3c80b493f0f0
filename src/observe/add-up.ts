import type { Sample, SampleFamily } from './exposition.ts';
import { METRICS, type MetricDefinition } from './metric-table.ts';

/** Figures of several processes as those of one. Pure. */

const TABLE: readonly MetricDefinition[] = Object.values(METRICS);
const HIGHEST = new Set(TABLE.filter(({ across }) => across === 'highest').map(({ name }) => name));

/** Series by series; buckets of a histogram are cumulative, and so are their sums. */
export function addUp(sources: readonly (readonly SampleFamily[])[]): readonly SampleFamily[] {
  const families = new Map<string, { readonly family: SampleFamily; readonly sums: Map<string, Sample> }>();
  for (const family of sources.flat()) {
    let known = families.get(family.name);
    if (known === undefined) {
      known = { family, sums: new Map() };
      families.set(family.name, known);
    }
    const combine = HIGHEST.has(family.name) ? Math.max : add;
    for (const sample of family.samples) {
      const series = `${sample.suffix}{${sample.labels}`;
      const before = known.sums.get(series);
      known.sums.set(
        series,
        before === undefined ? sample : { ...sample, value: combine(before.value, sample.value) },
      );
    }
  }
  return [...families.values()].map(({ family, sums }) => ({ ...family, samples: [...sums.values()] }));
}

function add(a: number, b: number): number {
  return a + b;
}

/** What goes on counting after its process has ended: all but the gauges. */
export function withoutGauges(families: readonly SampleFamily[]): readonly SampleFamily[] {
  return families.filter(({ kind }) => kind !== 'gauge');
}

/**
 * Smaller by the series that are still at 0, which the receiver has itself. Not of histograms: their buckets must stay
 * in order.
 */
export function withoutZeros(families: readonly SampleFamily[]): readonly SampleFamily[] {
  return families.map((family) =>
    family.kind === 'histogram'
      ? family
      : { ...family, samples: family.samples.filter(({ value }) => value !== 0) },
  );
}

/** Families of the same names side by side, told apart by a label. */
export function sideBySide(
  label: string,
  sources: readonly { readonly value: string; readonly families: readonly SampleFamily[] }[],
): readonly SampleFamily[] {
  const labelled = sources.map(({ value, families }) =>
    families.map((family) => ({
      ...family,
      samples: family.samples.map((sample) => ({
        ...sample,
        labels: sample.labels === '' ? `${label}="${value}"` : `${label}="${value}",${sample.labels}`,
      })),
    })),
  );
  return addUp(labelled);
}
