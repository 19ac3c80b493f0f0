import { describe, expect, it } from 'vitest';
import type { Pressure } from '../../src/core/overload.ts';
import { addUp, sideBySide, withoutGauges, withoutZeros } from '../../src/observe/add-up.ts';
import { type SampleFamily, scrapeOf } from '../../src/observe/exposition.ts';
import { METRICS } from '../../src/observe/metric-table.ts';
import { checkMetrics } from '../support/prometheus.ts';
import { sampleMetrics, useAll } from './sample-metrics.ts';

const TEXT = 'text/plain';

function usedMetrics() {
  const metrics = sampleMetrics();
  useAll(metrics);
  return metrics;
}

/** Every line of the sums. */
function linesOf(families: readonly SampleFamily[]): readonly string[] {
  return scrapeOf(families, TEXT)
    .body.split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function amountOf(line: string): number {
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}

/** Of several processes the greatest value is told. */
const HIGHEST = ['onceward_memory_pressure', 'onceward_tls_certificate_not_after_timestamp_seconds'];

function loaded(pressure: Pressure, connections: number): readonly SampleFamily[] {
  const none = {
    joinedWaiters: 0,
    tasksRunning: 0,
    bufferBytes: 0,
    settlementsPending: 0,
    principals: 0,
    connectionsRefused: 0,
    handshakesFailed: 0,
    certificateNotAfterMs: 0,
  };
  return sampleMetrics({ load: () => ({ ...none, pressure, connections }) }).counted();
}

describe('the counts of two processes', () => {
  it('are added series by series: each value twice that of one, but for what is told as the highest', () => {
    const one = linesOf(usedMetrics().counted());

    const both = linesOf(addUp([usedMetrics().counted(), usedMetrics().counted()]));

    expect(both.length).toBe(one.length);
    const wrong = both.filter((line, at) => {
      const factor = HIGHEST.some((name) => line.startsWith(name)) ? 1 : 2;
      return Math.abs(amountOf(line) - factor * amountOf(one[at] ?? '')) > 1e-9;
    });
    expect(wrong).toEqual([]);
  });

  it('tell the memory pressure of the process that has the most of it, whichever reports first', () => {
    const [calm, pressed] = [loaded('none', 7), loaded('stop', 5)].map(withoutZeros);

    const orders = [
      [calm ?? [], pressed ?? []],
      [pressed ?? [], calm ?? []],
    ].map((sources) => linesOf(addUp([usedMetrics().counted(), ...sources])));

    for (const lines of orders) {
      expect(lines).toContain('onceward_memory_pressure 2');
      expect(lines).toContain('onceward_connections 18');
    }
  });

  it('of gauges are sums of what each process holds itself, but for those the table calls the highest', () => {
    const gauges = (families: readonly SampleFamily[]) =>
      families.filter(({ kind }) => kind === 'gauge').map(({ name }) => name);

    // A new one must be looked at: what is true once, or of each, is no sum.
    expect(gauges(sampleMetrics().counted())).toEqual([
      'onceward_in_flight',
      'onceward_joined_waiters',
      'onceward_tasks_running',
      'onceward_buffer_bytes',
      'onceward_memory_pressure',
      'onceward_settlements_pending',
      'onceward_principals',
      'onceward_connections',
      'onceward_tls_certificate_not_after_timestamp_seconds',
    ]);
    expect(Object.values(METRICS).flatMap((metric) => ('across' in metric ? [metric.name] : []))).toEqual([
      ...HIGHEST,
    ]);
  });

  it('are whole also where one of them sent no zeros and has series that the other lacks', () => {
    const fresh = sampleMetrics();
    const used = usedMetrics();

    const sum = addUp([fresh.counted(), withoutZeros(used.counted())]);
    const text = scrapeOf(sum, TEXT).body;

    expect(text).toContain('onceward_requests_total{route="payments",class="unsafe",outcome="executed"} 1');
    expect(text).toContain('onceward_claims_lost_total{route="payments"} 0');
    expect(checkMetrics(text)).toEqual({ status: 0, output: '' });
  });

  it('keep the buckets of a histogram in order when each has a series of its own', () => {
    const [a, b] = [sampleMetrics(), sampleMetrics()];
    a.requestEnded('payments', 'unsafe', 'executed', 0.3);
    b.requestEnded('payments', 'unsafe', 'replayed', 0.001);
    b.requestEnded('payments', 'unsafe', 'executed', 0.02);

    const lines = linesOf(addUp([withoutZeros(a.counted()), withoutZeros(b.counted())])).filter((line) =>
      line.startsWith('onceward_request_duration_seconds'),
    );

    const ofSeries = ['executed', 'replayed'].map((outcome) =>
      lines.filter((line) => line.includes(outcome)),
    );
    expect(ofSeries.flat()).toEqual(lines);
    for (const series of ofSeries) {
      const buckets = series.filter((line) => line.includes('_bucket')).map(amountOf);
      expect(buckets).toEqual([...buckets].sort((x, y) => x - y));
    }
    expect(ofSeries[0]?.at(-1)).toMatch(/_count\{.*\} 2$/);
  });

  it('of one that ended go on without its gauges', () => {
    const left = withoutGauges(usedMetrics().counted());

    expect(left.some(({ name }) => name === 'onceward_in_flight')).toBe(false);
    expect(left.some(({ name }) => name === 'onceward_requests_total')).toBe(true);
    expect(left.some(({ name }) => name === 'onceward_request_duration_seconds')).toBe(true);
  });
});

it('process metrics of several processes stand side by side, one family each, and promtool takes them', async () => {
  const families = await sampleMetrics().ofProcess();

  const text = scrapeOf(
    sideBySide('worker', [
      { value: 'primary', families },
      { value: '0', families },
    ]),
    TEXT,
  ).body;

  expect(text.match(/^# TYPE process_resident_memory_bytes gauge$/gm)).toHaveLength(1);
  expect(text).toMatch(/^process_resident_memory_bytes\{worker="primary"\} \d+$/m);
  expect(text).toMatch(/^nodejs_version_info\{worker="0",version="v/m);
  expect(checkMetrics(text)).toEqual({ status: 0, output: '' });
});
