import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { seededRandom } from '../support/seeded.ts';
import {
  atLeast,
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  runAlone,
  told,
} from './fault-script.ts';
import { fenceMutants, type Mutant, type Subject } from './fence-mutants.ts';

/**
 * The tests of the fences, tested: every comparison of token, owner, state and lease in the steps of the stores is
 * taken its say, one at a time, in a copy of the sources, and the contract suite of that store must fail.
 *
 *   node test/faults/fences.fault.ts --full
 */
export const FAULT: FaultScript = {
  name: 'fences',
  promise:
    'Every comparison that fences a write (token, owner, state, lease) in the state machine, the Lua scripts and the SQL statements is held by the contract suite: without it the suite fails.',
  quickMsMax: 30_000,
  run,
};

const ROOT = join(import.meta.dirname, '../..');
const QUICK_MUTANTS = 3;
const RUN_MS_MAX = 180_000;
const OUTPUT_BYTES_MAX = 8 * 1024 * 1024;

/** One after another: what the first does not notice, the next may. */
const SUITES: Readonly<Record<Subject, readonly (readonly string[])[]>> = {
  // Leases over boots show only in a store that outlives one.
  memory: [
    ['test/contract/memory.test.ts'],
    ['test/contract/store-model.test.ts', 'test/contract/lmdb-clock.test.ts'],
  ],
  redis: [['test/contract/redis.test.ts'], ['test/contract/clock-jumps.test.ts']],
  postgres: [
    ['test/contract/postgres.test.ts'],
    ['test/contract/clock-jumps.test.ts', 'test/contract/postgres-sharing.test.ts'],
  ],
};

const OUTLIVES = 'a record outlives its lease, which is asked for beside it';

/** Without these nothing is different from outside, or not for any test that could be repeated. `nth` in its file. */
const EQUIVALENT: readonly (Pick<Mutant, 'path' | 'what' | 'nth'> & { readonly why: string })[] = [
  { path: sql('dispatch'), what: noSay('r.expires_at_us > c.now_us'), nth: 1, why: OUTLIVES },
  {
    path: sql('claim'),
    what: noSay('r.expires_at_us > c.now_us'),
    nth: 2,
    why: `${OUTLIVES}, and this one has not begun`,
  },
  { path: sql('claim'), what: noSay('r.expires_at_us > c.now_us'), nth: 3, why: OUTLIVES },
  {
    path: sql('claim'),
    what: noSay("r.state IN ('claimed', 'dispatched')"),
    nth: 2,
    why: 'nobody looks at the lease of a settled record: one write more',
  },
  {
    path: sql('claim'),
    what: noSay('r.owner <> $2'),
    nth: 2,
    why: 'of two writes to one row in one statement one is made: without the owner’s own it is asked again, and finds its claim',
  },
  {
    path: sql('claim'),
    what: noSay("r.state = 'claimed'"),
    nth: 1,
    why: 'a dispatched claim is seen before, unless it was made, dispatched and lapsed between view and lock',
  },
];

function sql(step: string): string {
  return `src/store/postgres/sql/${step}.sql`;
}

function noSay(comparison: string): string {
  return `${comparison} has no say`;
}

type Verdict = 'killed' | 'survived' | 'did-not-run';

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const every = fenceMutants(ROOT);
  const all = every.filter((mutant) => !EQUIVALENT.some((known) => isSame(known, mutant)));
  const gone = EQUIVALENT.filter((known) => !every.some((mutant) => isSame(known, mutant)));
  const mutants =
    form === 'full'
      ? all
      : sample(
          all.filter(({ subject }) => subject === 'memory'),
          seed,
        );
  const copy = copyOfSources();
  const verdicts: Verdict[] = [];
  let baselines = 0;
  try {
    const subjects = [...new Set(mutants.map(({ subject }) => subject))];
    for (const subject of subjects) {
      // A suite that fails anyway would kill everything.
      if ((await suite(copy, subject)) === 'survived') baselines += 1;
      for (const mutant of mutants.filter((one) => one.subject === subject)) {
        const verdict = await tried(copy, mutant);
        verdicts.push(verdict);
        if (verdict !== 'killed') say(`fences: ${verdict}: ${mutant.path}:${mutant.line}: ${mutant.what}`);
      }
    }
    const count = (wanted: Verdict): number => verdicts.filter((verdict) => verdict === wanted).length;
    return {
      figures: [
        exactly('suites that pass on the sources as they are', baselines, subjects.length),
        atLeast('fences taken their say', verdicts.length, form === 'full' ? 150 : QUICK_MUTANTS),
        exactly('… that no contract test noticed', count('survived'), 0),
        exactly('… that failed for another reason than a test', count('did-not-run'), 0),
        told('fences that are proven by reason instead', EQUIVALENT.length),
        exactly('… that the sources no longer have', gone.length, 0),
      ],
      versions: [],
    };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function isSame(
  known: Pick<Mutant, 'path' | 'what' | 'nth'>,
  mutant: Pick<Mutant, 'path' | 'what' | 'nth'>,
): boolean {
  return known.path === mutant.path && known.what === mutant.what && known.nth === mutant.nth;
}

function sample(mutants: readonly Mutant[], seed: number): readonly Mutant[] {
  const random = seededRandom(seed);
  const left = [...mutants];
  return Array.from({ length: QUICK_MUTANTS }, () =>
    left.splice(Math.floor(random() * left.length), 1),
  ).flat();
}

function copyOfSources(): string {
  const copy = mkdtempSync(join(tmpdir(), 'onceward-fences-'));
  for (const part of ['src', 'test/contract', 'test/support', 'package.json', 'vitest.config.ts'])
    cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

async function tried(copy: string, mutant: Mutant): Promise<Verdict> {
  const file = join(copy, mutant.path);
  const before = readFileSync(file, 'utf8');
  writeFileSync(file, mutant.text);
  try {
    return await suite(copy, mutant.subject);
  } finally {
    writeFileSync(file, before);
  }
}

/** `survived`: every test passed. */
async function suite(copy: string, subject: Subject): Promise<Verdict> {
  for (const files of SUITES[subject]) {
    const verdict = await tests(copy, files);
    if (verdict !== 'survived') return verdict;
  }
  return 'survived';
}

function tests(copy: string, files: readonly string[]): Promise<Verdict> {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--root', copy, '--bail', '1', '--reporter', 'dot', ...files];
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      args,
      {
        cwd: copy,
        // Not that this is a test itself: vitest would take the child for one of its workers.
        env: { PATH: process.env.PATH ?? '', HOME: copy, NO_COLOR: '1' },
        timeout: RUN_MS_MAX,
        killSignal: 'SIGKILL',
        maxBuffer: OUTPUT_BYTES_MAX,
      },
      (error, stdout, stderr) => resolve(verdictOf(error !== null, `${stdout}${stderr}`)),
    );
  });
}

/** A mutant that does not parse, or hangs for ever, was not noticed by a test. */
function verdictOf(hasFailed: boolean, output: string): Verdict {
  if (!hasFailed) return 'survived';
  const isNoProgram = /syntax error|Error compiling script|SyntaxError|could not determine data type/i.test(
    output,
  );
  return !isNoProgram && /\b\d+ failed\b/.test(output) ? 'killed' : 'did-not-run';
}

await runAlone(import.meta.url, FAULT);
