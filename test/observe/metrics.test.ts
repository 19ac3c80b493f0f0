import { describe, expect, it } from 'vitest';
import { METRICS } from '../../src/observe/metric-table.ts';
import { checkMetrics } from '../support/prometheus.ts';
import { sampleMetrics, useAll } from './sample-metrics.ts';

const OPENMETRICS = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

function seriesValue(body: string, series: string): number | null {
  const line = body.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? null : Number(line.slice(series.length + 1));
}

describe('metrics', () => {
  it('a request counts once in its series and its histogram', async () => {
    const metrics = sampleMetrics();

    metrics.requestEnded('payments', 'unsafe', 'executed', 0.012);
    metrics.requestEnded('payments', 'unsafe', 'executed', 0.3);

    const { body } = await metrics.render(undefined);
    expect(
      seriesValue(body, 'onceward_requests_total{route="payments",class="unsafe",outcome="executed"}'),
    ).toBe(2);
    const labels = 'route="payments",outcome="executed"';
    expect(seriesValue(body, `onceward_request_duration_seconds_bucket{${labels},le="0.01"}`)).toBe(0);
    expect(seriesValue(body, `onceward_request_duration_seconds_bucket{${labels},le="0.025"}`)).toBe(1);
    expect(seriesValue(body, `onceward_request_duration_seconds_bucket{${labels},le="+Inf"}`)).toBe(2);
    expect(seriesValue(body, `onceward_request_duration_seconds_sum{${labels}}`)).toBeCloseTo(0.312, 9);
  });

  it('a value on a bound falls into the bucket of that bound', async () => {
    const metrics = sampleMetrics();

    metrics.upstreamEnded('payments', 1);

    const { body } = await metrics.render(undefined);
    expect(seriesValue(body, 'onceward_upstream_duration_seconds_bucket{route="payments",le="0.5"}')).toBe(0);
    expect(seriesValue(body, 'onceward_upstream_duration_seconds_bucket{route="payments",le="1.0"}')).toBe(1);
  });

  it('a value above all bounds counts only in +Inf', async () => {
    const metrics = sampleMetrics();

    metrics.upstreamEnded('payments', 3_600);

    const { body } = await metrics.render(undefined);
    expect(seriesValue(body, 'onceward_upstream_duration_seconds_bucket{route="payments",le="60.0"}')).toBe(
      0,
    );
    expect(seriesValue(body, 'onceward_upstream_duration_seconds_count{route="payments"}')).toBe(1);
  });

  it.each([Number.NaN, -1, Number.NEGATIVE_INFINITY])('a duration of %s counts as 0', async (seconds) => {
    const metrics = sampleMetrics();

    metrics.upstreamEnded('payments', seconds);

    const { body } = await metrics.render(undefined);
    expect(seriesValue(body, 'onceward_upstream_duration_seconds_sum{route="payments"}')).toBe(0);
  });

  it('an unknown route counts as unmatched', async () => {
    const metrics = sampleMetrics();

    metrics.claimLost('gone');

    const { body } = await metrics.render(undefined);
    expect(seriesValue(body, 'onceward_claims_lost_total{route="unmatched"}')).toBe(1);
    expect(body).not.toContain('gone');
  });

  it('a route that came with a reload has series from the start', async () => {
    const metrics = sampleMetrics();

    metrics.ensureRoute('late');

    const { body } = await metrics.render(undefined);
    expect(seriesValue(body, 'onceward_claims_lost_total{route="late"}')).toBe(0);
    expect(seriesValue(body, 'onceward_unknown_records_total{route="late",reason="reset"}')).toBe(0);
  });

  it('a route that is ensured twice keeps its counts', async () => {
    const metrics = sampleMetrics();
    metrics.claimLost('payments');

    metrics.ensureRoute('payments');

    const { body } = await metrics.render(undefined);
    expect(seriesValue(body, 'onceward_claims_lost_total{route="payments"}')).toBe(1);
  });

  it('a label value outside its set neither throws nor makes series', async () => {
    const metrics = sampleMetrics();
    // What the compiler forbids may still come at run time.
    const loose = metrics as unknown as {
      readonly [name in keyof typeof metrics]: (...values: unknown[]) => void;
    };

    for (let i = 0; i < 50; i += 1) {
      loose.requestEnded('payments', `class-${i}`, `outcome-${i}`, 1);
      loose.storeOperation(`operation-${i}`, `result-${i}`, 1);
      loose.unknownRecord('payments', `reason-${i}`);
      loose.observed('payments', `outcome-${i}`);
      loose.problem(`code-${i}`);
      loose.configReload(`result-${i}`);
    }

    const { body } = await metrics.render(undefined);
    expect(body).not.toMatch(/(class|outcome|operation|result|reason|code)-\d/);
    expect(seriesValue(body, 'onceward_requests_total{route="payments",class="other",outcome="other"}')).toBe(
      50,
    );
    expect(seriesValue(body, 'onceward_problems_total{code="other"}')).toBe(50);
  });

  it('a route name with quotes, backslashes and line breaks is escaped', async () => {
    const metrics = sampleMetrics({ routeNames: ['a"b\\c\nd'] });

    metrics.requestEnded('a"b\\c\nd', 'safe', 'bypassed', 0.1);

    const { body } = await metrics.render(undefined);
    expect(checkMetrics(body)).toEqual({ status: 0, output: '' });
    expect(seriesValue(body, 'onceward_upstream_duration_seconds_count{route="a"}')).toBeNull();
    expect(body).toContain('route="a\\"b\\\\c\\nd"');
  });

  it('a store that fails leaves its gauges out and does not fail the scrape', async () => {
    const metrics = sampleMetrics({ stats: () => Promise.reject(new Error('down')) });

    const { body } = await metrics.render(undefined);

    expect(body).not.toContain('onceward_store_records');
    expect(seriesValue(body, 'onceward_in_flight')).toBe(0);
  });

  it('a store whose stats throw at once is asked again at the next scrape', async () => {
    let calls = 0;
    const metrics = sampleMetrics({
      stats: () => {
        calls += 1;
        if (calls === 1) throw new Error('down');
        return Promise.resolve({ records: 1, bytes: null });
      },
    });

    await metrics.render(undefined);
    const { body } = await metrics.render(undefined);

    expect(seriesValue(body, 'onceward_store_records')).toBe(1);
    expect(body).not.toContain('onceward_store_bytes');
  });

  it('a store that hangs is asked once, and the scrape ends at the deadline', async () => {
    let calls = 0;
    const metrics = sampleMetrics({
      statsDeadlineMs: 20,
      stats: () => {
        calls += 1;
        return new Promise(() => undefined);
      },
    });

    await metrics.render(undefined);
    const { body } = await metrics.render(undefined);

    expect(calls).toBe(1);
    expect(seriesValue(body, 'onceward_in_flight')).toBe(0);
  });

  it('in flight goes up and down', () => {
    const metrics = sampleMetrics();

    metrics.inFlight.inc();
    metrics.inFlight.inc();
    metrics.inFlight.dec();

    expect(metrics.inFlight.value()).toBe(1);
  });

  it('two sets of metrics share nothing', async () => {
    const one = sampleMetrics();
    const other = sampleMetrics();

    one.problem('in-flight');

    const { body } = await other.render(undefined);
    expect(seriesValue(body, 'onceward_problems_total{code="in-flight"}')).toBe(0);
  });
});

describe('the exposition', () => {
  it('promtool has nothing to complain of in the text format', async () => {
    const metrics = sampleMetrics();
    useAll(metrics);

    const scrape = await metrics.render(undefined);

    expect(scrape.contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(checkMetrics(scrape.body)).toEqual({ status: 0, output: '' });
  });

  it('promtool does complain of a bad exposition', () => {
    expect(checkMetrics('# TYPE wrong_total gauge\nwrong_total 1\n').status).not.toBe(0);
  });

  it('OpenMetrics is served where it is preferred, and the text format is whole afterwards', async () => {
    const metrics = sampleMetrics();
    useAll(metrics);

    const open = await metrics.render(OPENMETRICS);
    const text = await metrics.render('text/plain');

    expect(open.contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(open.body.endsWith('\n# EOF\n')).toBe(true);
    expect(open.body).toContain('# TYPE onceward_problems counter');
    expect(text.body).toContain('# TYPE onceward_problems_total counter');
    expect(text.body).not.toContain('# EOF');
  });

  it('both formats have the same series', async () => {
    const metrics = sampleMetrics();
    useAll(metrics);
    const series = (body: string): string[] => {
      const lines = body.split('\n').filter((line) => line.startsWith('onceward_'));
      return lines.map((line) => line.slice(0, line.lastIndexOf(' ')));
    };

    const open = await metrics.render(OPENMETRICS);
    const text = await metrics.render(undefined);

    expect(series(open.body)).toEqual(series(text.body));
  });

  it('the process metrics are there, and none is a gauge named like a counter', async () => {
    const { body } = await sampleMetrics().render(undefined);

    expect(body).toContain('# TYPE process_cpu_seconds_total counter');
    expect(body).toContain('# TYPE nodejs_eventloop_lag_p99_seconds gauge');
    expect(body).toMatch(/nodejs_version_info\{.*major="\d+"/);
    expect(body).not.toMatch(/^# TYPE \S+_total (?!counter)/m);
  });

  it.each([
    ['no field', undefined, 'text'],
    ['anything', '*/*', 'text'],
    ['text only', 'text/plain', 'text'],
    ['OpenMetrics only', 'application/openmetrics-text', 'openmetrics'],
    ['what Prometheus sends', OPENMETRICS, 'openmetrics'],
    ['upper case', 'Application/OpenMetrics-Text; Version=1.0.0', 'openmetrics'],
    ['text preferred', 'text/plain, application/openmetrics-text;q=0.5', 'text'],
    ['both alike', 'text/plain;q=0.5, application/openmetrics-text;q=0.5', 'openmetrics'],
    ['OpenMetrics refused', 'application/openmetrics-text;q=0', 'text'],
    ['a weight that is none', 'application/openmetrics-text;q=x', 'text'],
  ] as const)('Accept: %s', async (_name, accept, format) => {
    const scrape = await sampleMetrics().render(accept);

    const type = format === 'text' ? 'text/plain' : 'application/openmetrics-text';
    expect(scrape.contentType.split(';')[0]).toBe(type);
  });

  it('every metric of the table is in the output, and nothing else of ours', async () => {
    const metrics = sampleMetrics();
    useAll(metrics);

    const { body } = await metrics.render(undefined);

    const found = [...body.matchAll(/^# TYPE (onceward_\S+) (\S+)$/gm)].map(
      (match) => `${match[1]} ${match[2]}`,
    );
    expect(found.sort()).toEqual(
      Object.values(METRICS)
        .map((metric) => `${metric.name} ${metric.kind}`)
        .sort(),
    );
  });
});
