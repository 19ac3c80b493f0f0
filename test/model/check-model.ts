import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { missingPackages, type Tool } from '../../scripts/ensure-tools.ts';
import { unreachable } from '../../src/core/unreachable.ts';
import { type ModelRun, type Network, PROMISES, RUNS } from './runs.ts';

/**
 * Checks the model with Spin: `node test/model/check-model.ts`, with `--write` also the table in docs/model.md.
 * No bit state, no hash compaction: a space that was searched was searched whole.
 */

export const MODEL = join(import.meta.dirname, 'onceward.pml');
const DOCS = join(import.meta.dirname, '../../docs/model.md');
const BEGIN = '<!-- results: node test/model/check-model.ts --write -->';
const END = '<!-- end of results -->';

const TOOLS: readonly Tool[] = [
  { binary: '/usr/bin/spin', debianPackage: 'spin' },
  { binary: '/usr/bin/gcc', debianPackage: 'gcc' },
];
const DEPTH_MAX = 5000;
const MEMORY_MB_MAX = 900;
const RUN_MS_MAX = 240_000;
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
const SIDE_BY_SIDE = 2;

export type Report = {
  readonly run: ModelRun;
  readonly verdict: Verdict;
  readonly states: number;
  /** Steps from the start: of the longest path searched, or of the shortest counterexample. */
  readonly depth: number;
  readonly memoryMb: number;
  readonly seconds: number;
  /** Steps of the model that no path took, as the checker names them. */
  readonly untried: readonly string[];
};

export type Verdict =
  | { readonly kind: 'holds' }
  /** `what`: the flag of a promise, or the checker's own words, such as an invalid end state. */
  | { readonly kind: 'broken'; readonly what: string }
  /** A bound was met: nothing is proven. */
  | { readonly kind: 'unfinished'; readonly why: string };

export function missingTool(tools: readonly Tool[] = TOOLS): string | null {
  const missing = missingPackages(tools);
  return missing.length === 0
    ? null
    : `The model is checked by real tools that are not here: apt-get install ${missing.join(' ')}`;
}

/** Null: as expected; else what is wrong with it. */
export function disagreement(report: Report): string | null {
  const { run, verdict, untried } = report;
  if (verdict.kind === 'unfinished') return `${run.name}: ${verdict.why}`;
  switch (run.expect.kind) {
    case 'holds':
      if (verdict.kind === 'broken') return `${run.name}: broken, ${verdict.what}`;
      return run.expect.coverage === 'everyStep' && untried.length > 0
        ? `${run.name}: no path takes ${untried.join(', ')}`
        : null;
    case 'breaks':
      return verdict.kind === 'broken' && verdict.what === run.expect.promise
        ? null
        : `${run.name}: ${verdict.kind === 'holds' ? 'not caught' : `caught by ${verdict.what}`}`;
    default:
      return unreachable(run.expect);
  }
}

export async function checkModel(
  runs: readonly ModelRun[],
  onReport: (report: Report) => void = () => undefined,
): Promise<readonly Report[]> {
  const missing = missingTool();
  if (missing !== null) throw new Error(missing);
  const reports = new Map<ModelRun, Report>();
  const waiting = [...runs];
  const worker = async (): Promise<void> => {
    for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) {
      const report = await checkRun(run);
      reports.set(run, report);
      onReport(report);
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));
  return runs.flatMap((run) => reports.get(run) ?? []);
}

async function checkRun(run: ModelRun): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'onceward-model-'));
  try {
    await program('/usr/bin/spin', [...defines(run), '-a', MODEL], folder);
    // Breadth first finds the shortest counterexample; a whole space fits better depth first and compressed.
    const search = run.expect.kind === 'breaks' ? ['-O0', '-DBFS'] : ['-O1', '-DCOLLAPSE'];
    const bounds = ['-DSAFETY', `-DMEMLIM=${MEMORY_MB_MAX}`];
    await program('/usr/bin/gcc', ['-w', ...search, ...bounds, '-o', 'pan', 'pan.c'], folder);
    return reportOf(run, await program(join(folder, 'pan'), [`-m${DEPTH_MAX}`], folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const NETWORK: Readonly<Record<Network, number>> = { sound: 0, lossy: 1, late: 2 };

function defines(run: ModelRun): readonly string[] {
  const asserted = run.expect.kind === 'breaks' ? [`PROMISES=${PROMISES[run.expect.promise].bit}`] : [];
  return [`REQUESTS=${run.requests}`, `NETWORK=${NETWORK[run.network]}`, ...asserted, ...run.defines].map(
    (define) => `-D${define}`,
  );
}

function program(file: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      file,
      [...args],
      { cwd, timeout: RUN_MS_MAX, killSignal: 'SIGKILL', maxBuffer: OUTPUT_BYTES_MAX },
      (error, stdout, stderr) => {
        // The checker says what it found in its text; its exit code says nothing.
        if (error !== null && !stdout.includes('State-vector'))
          reject(new Error(`${file} ${args.join(' ')} failed: ${error.message}\n${stdout}${stderr}`));
        else resolve(stdout);
      },
    );
  });
}

/** Reads what the checker prints. */
export function reportOf(run: ModelRun, text: string): Report {
  const untried = [...text.matchAll(/^\t\S+\.pml:(\d+), state \d+, "(.*)"$/gm)]
    .filter(([, , step]) => step !== '-end-')
    .map(([, line, step]) => `${line}: ${step}`);
  return {
    run,
    verdict: verdictOf(text),
    states: numberIn(text, /^\s*([\d.e+]+) states, stored/m),
    depth: numberIn(text, /depth reached (\d+)/),
    memoryMb: numberIn(text, /([\d.]+)\s+total actual memory usage/),
    seconds: numberIn(text, /elapsed time ([\d.e-]+) seconds/, 0),
    untried,
  };
}

function verdictOf(text: string): Verdict {
  const flag = /assertion violated\s+!\((\w+)\)/.exec(text)?.[1];
  if (flag !== undefined) return { kind: 'broken', what: flag };
  const other = /^pan:1: (.*?)(?: \(at depth \d+\))?$/m.exec(text)?.[1];
  if (other !== undefined) return { kind: 'broken', what: other };
  const bound = /error: max search depth too small|out of memory|Search not completed/.exec(text)?.[0];
  if (bound !== undefined) return { kind: 'unfinished', why: bound };
  return /errors: 0\b/.test(text)
    ? { kind: 'holds' }
    : { kind: 'unfinished', why: 'the checker gave no verdict' };
}

function numberIn(text: string, pattern: RegExp, absent = Number.NaN): number {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? absent : Number(found);
}

/** The cells of docs/model.md that do not depend on the machine. */
export function tableCells(report: Report): readonly string[] {
  const { run, verdict } = report;
  return [
    run.name,
    run.defines.map((define) => `\`${define}\``).join(' ') || '–',
    `${run.requests}, ${run.network}`,
    verdict.kind === 'broken' ? `\`${verdict.what}\` in ${report.depth} steps` : verdict.kind,
    report.states.toLocaleString('en-US'),
  ];
}

function table(reports: readonly Report[]): string {
  const head = ['run', 'defines', 'requests, store', 'result', 'states', 'depth', 'MB', 's'];
  const rows = reports.map((report) => [
    ...tableCells(report),
    String(report.depth),
    report.memoryMb.toFixed(0),
    report.seconds.toFixed(1),
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, at) => (at < 4 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

function writeTable(reports: readonly Report[]): void {
  const page = readFileSync(DOCS, 'utf8');
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${DOCS} has no place for the results`);
  writeFileSync(DOCS, `${page.slice(0, begin + BEGIN.length)}\n\n${table(reports)}\n\n${page.slice(end)}`);
}

async function main(args: readonly string[]): Promise<number> {
  const missing = missingTool();
  if (missing !== null) {
    process.stderr.write(`${missing}\n`);
    return 1;
  }
  const beganMs = performance.now();
  const reports = await checkModel(RUNS, (report) => {
    const cells = [...tableCells(report), `depth ${report.depth}`, `${report.memoryMb.toFixed(0)} MB`];
    process.stdout.write(`${cells.join(' | ')} | ${report.seconds.toFixed(1)} s\n`);
  });
  const wrong = reports.flatMap((report) => disagreement(report) ?? []);
  for (const line of wrong) process.stderr.write(`${line}\n`);
  const seconds = (performance.now() - beganMs) / 1000;
  process.stdout.write(`${reports.length} runs, ${wrong.length} not as expected, ${seconds.toFixed(0)} s\n`);
  if (args.includes('--write')) writeTable(reports);
  return wrong.length === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  process.exitCode = await main(process.argv.slice(2));
