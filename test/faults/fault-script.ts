import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

/**
 * A fault script breaks something on purpose, a seeded number of times, and says whether the promise held. One file
 * each, `test/faults/NAME.fault.ts`, which exports FAULT and ends in `await runAlone(import.meta.url, FAULT)`:
 *
 *   node test/faults/NAME.fault.ts [--full] [--seed N] [--json FILE]
 *
 * `npm test` runs the quick form of every script (quick.test.ts), `npm run campaign` the full one of all.
 */
export type FaultScript = {
  readonly name: string;
  /** One sentence: what is broken, and what must hold meanwhile. */
  readonly promise: string;
  /** What the quick form may take on two busy cores; all together stay below ten minutes. */
  readonly quickMsMax: number;
  run(options: FaultRun): Promise<FaultResult>;
};

export type FaultRun = {
  readonly form: 'quick' | 'full';
  /** Every choice follows from it; the timing of real processes does not. */
  readonly seed: number;
  /** A line of progress. */
  readonly say: (line: string) => void;
};

export type FaultResult = {
  readonly figures: readonly Figure[];
  /** Programs of others that took part, such as `redis-server 7.0.15`. */
  readonly versions: readonly string[];
};

/** A row of docs/reliability.md. A figure without a bound is only told. */
export type Figure = {
  readonly what: string;
  readonly value: number | string;
  /** As the reader sees it, such as `0`, `≥ 500` or `≤ 0.1 MB a minute`; null: no bound. */
  readonly bound: string | null;
  readonly met: 'yes' | 'no' | 'unbounded';
};

export function told(what: string, value: number | string): Figure {
  return { what, value, bound: null, met: 'unbounded' };
}

export function atLeast(what: string, value: number, least: number, unit = ''): Figure {
  return { what, value, bound: `≥ ${least}${unit}`, met: value >= least ? 'yes' : 'no' };
}

export function atMost(what: string, value: number, most: number, unit = ''): Figure {
  return { what, value, bound: `≤ ${most}${unit}`, met: value <= most ? 'yes' : 'no' };
}

export function exactly(what: string, value: number, expected: number): Figure {
  return { what, value, bound: String(expected), met: value === expected ? 'yes' : 'no' };
}

/** What a run leaves behind for the reliability page. */
export type FaultReport = FaultResult & {
  readonly name: string;
  readonly promise: string;
  readonly form: FaultRun['form'];
  readonly seed: number;
  readonly startedAt: string;
  readonly seconds: number;
};

export async function runFault(script: FaultScript, run: FaultRun): Promise<FaultReport> {
  const startedAt = new Date().toISOString();
  const startMs = performance.now();
  run.say(`${script.name}: ${run.form}, seed ${run.seed}`);
  const result = await script.run(run);
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  const { name, promise } = script;
  for (const { what, value, bound, met } of result.figures) {
    run.say(
      `${name}: ${what}: ${value}${bound === null ? '' : ` (${bound}${met === 'no' ? ', MISSED' : ''})`}`,
    );
  }
  return { name, promise, form: run.form, seed: run.seed, startedAt, seconds, ...result };
}

export function missedFigures(report: FaultReport): readonly Figure[] {
  return report.figures.filter(({ met }) => met === 'no');
}

export function newSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}

/** Runs the script when its file is the one that was started. */
export async function runAlone(moduleUrl: string, script: FaultScript): Promise<void> {
  if (moduleUrl !== pathToFileURL(process.argv[1] ?? '').href) return;
  const { values } = parseArgs({
    options: { full: { type: 'boolean' }, seed: { type: 'string' }, json: { type: 'string' } },
  });
  const report = await runFault(script, {
    form: values.full === true ? 'full' : 'quick',
    seed: values.seed === undefined ? newSeed() : Number(values.seed),
    say: (line) => process.stdout.write(`${line}\n`),
  });
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  process.exitCode = missedFigures(report).length === 0 ? 0 : 1;
}
