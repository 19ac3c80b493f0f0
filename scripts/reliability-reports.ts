import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import process from 'node:process';
import { z } from 'zod';

/** The reports behind docs/reliability.md: one file each, `docs/reliability/NAME.json`. */

const ROOT = join(import.meta.dirname, '..');
const FOLDER = join(ROOT, 'docs/reliability');

const figureSchema = z.strictObject({
  what: z.string(),
  value: z.union([z.number(), z.string()]),
  bound: z.string().nullable(),
  met: z.enum(['yes', 'no', 'unbounded']),
});

const reportSchema = z.strictObject({
  name: z.string(),
  promise: z.string(),
  form: z.enum(['quick', 'full']),
  seed: z.number().nullable(),
  startedAt: z.string(),
  seconds: z.number(),
  figures: z.array(figureSchema).min(1),
  versions: z.array(z.string()),
  /** Of the sources; ends in `+` where they had been changed since. */
  commit: z.string(),
  machine: z.string(),
  node: z.string(),
});

export type ReliabilityReport = z.infer<typeof reportSchema>;
export type ReliabilityFigure = z.infer<typeof figureSchema>;

/** In the order of their names. Throws where a file is not a report. */
export function readReports(): readonly ReliabilityReport[] {
  return globSync(join(FOLDER, '*.json'))
    .sort()
    .map((file) => parseReport(JSON.parse(readFileSync(file, 'utf8'))));
}

/** Throws where it is no report. */
export function parseReport(report: unknown): ReliabilityReport {
  return reportSchema.parse(report);
}

/** Kept, unless a quick form would take the place of a full one. */
export function keepReport(report: ReliabilityReport): 'kept' | 'left: the full form is there' {
  const before = readReports().find(({ name }) => name === report.name);
  if (before?.form === 'full' && report.form === 'quick') return 'left: the full form is there';
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, `${report.name}.json`), `${JSON.stringify(report, null, 2)}\n`);
  return 'kept';
}

/** Every script that the campaign runs. */
export function faultScripts(): readonly { readonly name: string; readonly file: string }[] {
  return globSync(join(ROOT, 'test/faults/*.fault.ts'))
    .sort()
    .map((file) => ({ name: basename(file, '.fault.ts'), file }));
}

/** Where and on what a report was made. */
export function circumstances(): Pick<ReliabilityReport, 'commit' | 'machine' | 'node'> {
  const git = (...args: readonly string[]): string =>
    execFileSync('git', [...args], { cwd: ROOT, encoding: 'utf8' }).trim();
  // The reports themselves change while a campaign runs.
  const changed = git('status', '--porcelain', '--', '.', ':!docs/reliability', ':!docs/reliability.md');
  const processors = cpus();
  return {
    commit: `${git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : '+'}`,
    machine: `${processors.length} cores of ${processors[0]?.model ?? 'an unknown model'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${/^[\d.]+/.exec(release())?.[0]}`,
    node: process.version,
  };
}
