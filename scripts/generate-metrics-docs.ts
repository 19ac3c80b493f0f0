import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { OTHER } from '../src/observe/instruments.ts';
import {
  type LabelDefinition,
  METRICS,
  type MetricDefinition,
  UNMATCHED,
} from '../src/observe/metric-table.ts';

/** `docs/metrics.md` from the table of metrics. `--write` writes it; else exit 1 when it is not up to date. */

const FILE = join(import.meta.dirname, '../docs/metrics.md');

export function renderMetricsDocs(): string {
  const metrics: readonly MetricDefinition[] = Object.values(METRICS);
  return `<!-- Made by scripts/generate-metrics-docs.ts from src/observe/metric-table.ts. -->
# Metrics

\`GET /metrics\` on the observe port (\`observe.listen\`, default \`:9464\`): the Prometheus text format, or OpenMetrics
1.0 where \`Accept\` prefers it.

Label values come from closed sets, so no client can make series: \`route\` is the name of a route in the configuration,
or \`${UNMATCHED}\` for requests that were refused before a route was found or that no route matches. The value
\`${OTHER}\` of any other label is a defect of Onceward; please report it.

Series marked *from the start* exist with value 0 before anything has happened, so that \`increase()\` sees the first
event. The others appear with their first event.

| metric | kind | labels | |
|---|---|---|---|
${metrics.map((metric) => `| [\`${metric.name}\`](#${metric.name}) | ${metric.kind} | ${labelNames(metric)} | ${metric.help} |`).join('\n')}

Besides these, the metrics of the process itself: \`process_*\` (CPU, memory, descriptors) and \`nodejs_*\` (event loop,
heap, garbage collection).

With several workers (\`workers\`) one scrape tells of all of them: the series below are the sums over the workers, of
the counters and histograms also over those that have ended, so that no restart of a worker makes a sum go backwards. A
worker that is killed takes with it what it counted since its last report, a second at most. The process metrics stand
side by side, told apart by \`worker\`: \`primary\`, \`0\`, \`1\` … A worker that does not answer within half a second adds
what it last reported.

${metrics.map(section).join('\n')}
## Alerts to begin with

| expression | meaning |
|---|---|
| \`increase(${METRICS.claimsLost.name}[5m]) > 0\` | the store forgot a claim: a failover, an eviction, or a lease that ran out |
| \`increase(${METRICS.unknownRecords.name}[15m]) > 0\` | somebody has to find out what the backend did |
| \`rate(${METRICS.requests.name}{outcome="store_unavailable"}[5m]) > 0\` | keyed requests are refused |
| \`increase(${METRICS.configReloads.name}{result="refused"}[15m]) > 0\` | the file on disk is not what runs |
| \`increase(${METRICS.logLinesDropped.name}[5m]) > 0\` | the reader of the log is too slow |
`;
}

function labelNames(metric: MetricDefinition): string {
  return metric.labels.map((label) => `\`${label.name}\``).join(', ');
}

function section(metric: MetricDefinition): string {
  const lines = [`## ${metric.name}`, '', `${capital(metric.kind)}. ${metric.help}`];
  if (metric.start === 'zero' && metric.labels.length > 0) lines.push('', 'From the start.');
  if (metric.labels.length > 0) {
    lines.push('', '| label | values |', '|---|---|', ...metric.labels.map(labelRow));
  }
  if (metric.buckets.length > 0) lines.push('', `Buckets: ${metric.buckets.join(', ')}.`);
  return `${lines.join('\n')}\n`;
}

function labelRow(label: LabelDefinition): string {
  return `| \`${label.name}\` | ${labelValues(label)} |`;
}

function labelValues({ values }: LabelDefinition): string {
  if (values === 'routes') return `names of routes, \`${UNMATCHED}\``;
  if (values === 'facts') return 'one value, fixed at start';
  return values.map((value) => `\`${value}\``).join(', ');
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** 0, or 1 when the file on disk is not what the table gives. */
function main(args: readonly string[]): number {
  const rendered = renderMetricsDocs();
  if (args.includes('--write')) {
    writeFileSync(FILE, rendered);
    return 0;
  }
  if (readFileSync(FILE, 'utf8') === rendered) return 0;
  process.stderr.write('docs/metrics.md is stale: node scripts/generate-metrics-docs.ts --write\n');
  return 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  process.exitCode = main(process.argv.slice(2));
