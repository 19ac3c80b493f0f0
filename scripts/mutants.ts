import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import process from 'node:process';
import { renderReliabilityDocs } from './generate-reliability-docs.ts';
import { circumstances, keepReport, type ReliabilityFigure } from './reliability-reports.ts';

/**
 * `npm run mutants -- [NAME…]`: Stryker changes each file of src/core in every way it knows, one at a time, and the
 * file's own tests must notice: test/core/NAME.test.ts, and what is named here. Tests of other parts would find more;
 * what counts here is that a decision is tested where it is made. Without names all files are done and
 * docs/reliability/mutants.json is written. The fences of Lua and SQL have a script of their own (fences.fault.ts).
 */

const ROOT = join(import.meta.dirname, '..');
const REPORT = join(ROOT, 'reports/mutants/mutation.json');
const SCORE_MIN = 95;

/** Where a file's tests do not bear its name, or not all of them. */
const TESTS: Readonly<Record<string, readonly string[]>> = {
  classify: ['method', 'plan'],
  fingerprint: ['fingerprint', 'stored-form'],
  'fingerprint-policy': ['fingerprint-policy', 'stored-form'],
  key: ['key', 'key-sources', 'key-told'],
  headers: ['headers', 'headers-request', 'headers-response'],
  json: ['json', 'canonical-json'],
  reconcile: ['reconcile', 'reconcile-cases'],
  scope: ['scope', 'stored-form'],
  'status-table': ['status-table', 'settle'],
  transition: ['transition', 'transition-claim'],
};

/** Shapes and one line each: nothing to change, or nothing that could be told. */
const WITHOUT_DECISIONS = ['outcome', 'policy', 'record', 'unreachable'];

type Score = {
  readonly name: string;
  readonly killed: number;
  readonly survived: number;
  readonly ignored: number;
};

function mutate(name: string): Score {
  rmSync(REPORT, { force: true });
  const tests = TESTS[name] ?? [name];
  const own = tests.filter((test) => globSync(join(ROOT, `test/core/${test}.test.ts`)).length > 0);
  // A file that has no tests of its own is held against those of all others.
  const there = own.length > 0 ? own : ['*'];
  const earlier = join(ROOT, `reports/mutants/incremental-${name}.json`);
  forgetSurvivors(earlier);
  const ran = spawnSync(
    process.execPath,
    [
      join(ROOT, 'node_modules/@stryker-mutator/core/bin/stryker.js'),
      ...['run', 'stryker.config.json', '--mutate', `src/core/${name}.ts`],
      ...['--incrementalFile', earlier],
    ],
    {
      cwd: ROOT,
      env: { ...process.env, ONCEWARD_MUTANT_TESTS: there.join(',') },
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  mkdirSync(join(ROOT, 'reports/mutants'), { recursive: true });
  writeFileSync(join(ROOT, `reports/mutants/${name}.txt`), ran.stdout);
  return scoreOf(name);
}

type Mutant = { readonly status: string; readonly statusReason?: string };
type Report = { readonly files: Readonly<Record<string, { mutants: readonly Mutant[] }>> };

/** Stryker takes over what it found before, also of a constant whose survival a new test would have ended. */
function forgetSurvivors(path: string): void {
  if (!existsSync(path)) return;
  const report: Report = JSON.parse(readFileSync(path, 'utf8'));
  for (const file of Object.values(report.files))
    file.mutants = file.mutants.filter(({ status }) => status === 'Killed' || status === 'Timeout');
  writeFileSync(path, JSON.stringify(report));
}

/**
 * A mutant that hangs is found out, and so is one with which a test file cannot be loaded (Stryker leaves those out);
 * one that no test runs has survived, and so has one whose run broke down for any other reason.
 */
function isFoundOut({ status, statusReason }: Mutant): boolean {
  return (
    status === 'Killed' ||
    status === 'Timeout' ||
    (status === 'RuntimeError' &&
      statusReason?.startsWith('An error occurred outside of a test run') === true)
  );
}

function scoreOf(name: string): Score {
  const report: Report = JSON.parse(readFileSync(REPORT, 'utf8'));
  const mutants = Object.values(report.files).flatMap((file) => file.mutants);
  const ignored = mutants.filter(({ status }) => status === 'Ignored').length;
  const killed = mutants.filter(isFoundOut).length;
  return { name, killed, survived: mutants.length - ignored - killed, ignored };
}

function percent({ killed, survived }: Pick<Score, 'killed' | 'survived'>): number {
  return killed + survived === 0 ? 100 : Math.floor((killed / (killed + survived)) * 10_000) / 100;
}

function figures(scores: readonly Score[]): readonly ReliabilityFigure[] {
  const sum = (part: 'killed' | 'survived' | 'ignored'): number =>
    scores.reduce((total, score) => total + score[part], 0);
  const all = percent({ killed: sum('killed'), survived: sum('survived') });
  return [
    {
      what: 'mutants found out, %',
      value: all,
      bound: `≥ ${SCORE_MIN}`,
      met: all >= SCORE_MIN ? 'yes' : 'no',
    },
    { what: 'mutants', value: sum('killed') + sum('survived'), bound: null, met: 'unbounded' },
    {
      what: 'left out: cases no value of the type reaches, or equivalent with its reason beside it',
      value: sum('ignored'),
      bound: null,
      met: 'unbounded',
    },
    ...scores.map((score) => ({
      what: `src/core/${score.name}.ts, %`,
      value: percent(score),
      bound: null,
      met: 'unbounded' as const,
    })),
  ];
}

function main(names: readonly string[]): number {
  const all = globSync(join(ROOT, 'src/core/*.ts'))
    .map((file) => basename(file, '.ts'))
    .filter((name) => !WITHOUT_DECISIONS.includes(name))
    .sort();
  const startedAt = new Date().toISOString();
  const startMs = performance.now();
  const scores = (names.length === 0 ? all : names).map((name) => {
    const score = mutate(name);
    process.stdout.write(
      `mutants: ${name}: ${percent(score)} %, ${score.survived} survived, see reports/mutants/${name}.txt\n`,
    );
    return score;
  });
  const found = figures(scores);
  if (names.length === 0) {
    keepReport({
      name: 'mutants',
      promise:
        'Every decision in src/core is tested where it is made: of the changes Stryker makes to it, its own tests find out nearly all.',
      form: 'full',
      seed: null,
      startedAt,
      seconds: Math.round((performance.now() - startMs) / 1000),
      figures: [...found],
      versions: [],
      ...circumstances(),
    });
    writeFileSync(join(ROOT, 'docs/reliability.md'), renderReliabilityDocs());
  }
  process.stdout.write(`mutants: ${found[0]?.value} % found out\n`);
  return found[0]?.met === 'yes' ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
