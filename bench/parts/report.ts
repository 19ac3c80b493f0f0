import { ratiosOf, type Spread, spreadOf } from './statistics.ts';

/** One candidate in one round. */
export type Sample = {
  readonly name: string;
  readonly round: number;
  readonly requestsPerSecond: number;
  /** CPU time of the measured process for each request, in microseconds. */
  readonly cpuUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

export type Row = {
  readonly name: string;
  readonly requestsPerSecond: Spread;
  readonly cpuUs: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  /** CPU for each request against the named baseline in the same round. */
  readonly cpuRatios: Readonly<Record<string, Spread>>;
};

export function rowsOf(samples: readonly Sample[], baselines: readonly string[]): readonly Row[] {
  const names = [...new Set(samples.map(({ name }) => name))];
  const of = (name: string, field: 'requestsPerSecond' | 'cpuUs' | 'p50Ms' | 'p99Ms'): readonly number[] =>
    samples.filter((sample) => sample.name === name).map((sample) => sample[field]);
  return names.map((name) => ({
    name,
    requestsPerSecond: spreadOf(of(name, 'requestsPerSecond')),
    cpuUs: spreadOf(of(name, 'cpuUs')),
    p50Ms: spreadOf(of(name, 'p50Ms')),
    p99Ms: spreadOf(of(name, 'p99Ms')),
    cpuRatios: Object.fromEntries(
      baselines.map((baseline) => [baseline, ratiosOf(of(name, 'cpuUs'), of(baseline, 'cpuUs'))]),
    ),
  }));
}

export type Circumstances = {
  readonly date: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: string;
  readonly rounds: number;
  readonly sampleMs: number;
  readonly connections: number;
};

export function reportText(rows: readonly Row[], baselines: readonly string[], at: Circumstances): string {
  const head = [
    'what',
    'CPU µs/request',
    ...baselines.map((name) => `× ${name}`),
    'requests/s',
    'p50 ms',
    'p99 ms',
  ];
  const lines = rows.map((row) => [
    row.name,
    shown(row.cpuUs, 1),
    ...baselines.map((name) =>
      shown(row.cpuRatios[name] ?? { median: Number.NaN, min: Number.NaN, max: Number.NaN }, 2),
    ),
    shown(row.requestsPerSecond, 0),
    shown(row.p50Ms, 2),
    shown(row.p99Ms, 2),
  ]);
  const table = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  const versions = Object.entries(at.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  return `# Benchmark results

Written by \`npm run bench -- --write\` on ${at.date}; ${versions}; ${at.machine}.

${at.rounds} interleaved rounds of ${at.sampleMs} ms a candidate, ${at.connections} keep-alive connections, POST with a body of about 250 bytes.
Each figure is the median over the rounds, with the least and the greatest in brackets. CPU is that of the measured process alone, user and system, all threads. Client, backend and candidate share the machine, so requests/s tell less than CPU. Ratios compare the same round.

${table}
`;
}

function shown({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}
