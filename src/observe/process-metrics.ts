import { collectDefaultMetrics, Registry } from 'prom-client';
import { labelsText, type Sample, type SampleFamily } from './exposition.ts';

/** CPU, memory, descriptors, event loop and garbage collection of this process, as prom-client reads them. */
export function createProcessMetrics(): () => Promise<readonly SampleFamily[]> {
  const register = new Registry();
  collectDefaultMetrics({ register });
  // Gauges that end in `_total`: promtool complains, and OpenMetrics forbids the name.
  for (const { name, type } of register.getMetricsAsArray().map(described)) {
    if (name.endsWith('_total') && type !== 'counter') register.removeSingleMetric(name);
  }
  // 292 years whenever nothing was measured since the last scrape.
  register.removeSingleMetric('nodejs_eventloop_lag_min_seconds');
  return async () => (await register.getMetricsAsJSON()).map(toFamily);
}

type ProcessMetric = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number];

/** `type` is on every instance, and in no declaration of the package. */
function described(metric: { readonly name: string; readonly type?: unknown }): {
  readonly name: string;
  readonly type: unknown;
} {
  return { name: metric.name, type: metric.type };
}

function toFamily(metric: ProcessMetric): SampleFamily {
  // Declared as an enum, there as a string.
  const kind = String(metric.type);
  const samples = metric.values.map((value): Sample => {
    const whole =
      'metricName' in value && typeof value.metricName === 'string' ? value.metricName : metric.name;
    return {
      suffix: suffixOf(whole.slice(metric.name.length)),
      labels: labelsText(value.labels),
      value: value.value,
    };
  });
  return { name: metric.name, kind, help: metric.help, samples };
}

function suffixOf(text: string): Sample['suffix'] {
  return text === '_bucket' || text === '_sum' || text === '_count' ? text : '';
}
