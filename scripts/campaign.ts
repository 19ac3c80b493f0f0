import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { ensureTools } from './ensure-tools.ts';
import { renderReliabilityDocs } from './generate-reliability-docs.ts';
import {
  circumstances,
  faultScripts,
  keepReport,
  parseReport,
  type ReliabilityReport,
} from './reliability-reports.ts';

/**
 * `npm run campaign -- [--only NAME]… [--form quick] [--seed N] [--minutes MOST]`: every fault script and the model, one after another,
 * each a process of its own; their reports go to docs/reliability, and docs/reliability.md is made from them.
 */

const ROOT = join(import.meta.dirname, '..');
const PAGE = join(ROOT, 'docs/reliability.md');
const MODEL = join(ROOT, 'test/model/check-model.ts');
/** For one script; one that hangs is ended and counts as missed. */
const MINUTES_MAX = { quick: 5, full: 40 } as const;
const OUTPUT_CHARS_MAX = 64 * 1024;

type Form = keyof typeof MINUTES_MAX;
type Found = Omit<ReliabilityReport, 'commit' | 'machine' | 'node'>;

type Subject = {
  readonly name: string;
  readonly args: (form: Form, seed: number, json: string) => readonly string[];
  /** From what it left behind; throws where it left nothing. */
  readonly read: (json: string, stdout: string, base: Found) => Found;
};

function subjects(): readonly Subject[] {
  const scripts = faultScripts().map(
    ({ name, file }): Subject => ({
      name,
      args: (form, seed, json) => [
        file,
        ...(form === 'full' ? ['--full'] : []),
        ...['--seed', String(seed), '--json', json],
      ],
      read: (json) => JSON.parse(readFileSync(json, 'utf8')),
    }),
  );
  return [...scripts, { name: 'model', args: () => [MODEL], read: readModel }];
}

/** Its last line: `18 runs, 0 not as expected, 40 s`. */
function readModel(_json: string, stdout: string, base: Found): Found {
  const last = /(\d+) runs, (\d+) not as expected/.exec(stdout);
  if (last === null) throw new Error('the model did not come to its end');
  return {
    ...base,
    form: 'full',
    seed: null,
    promise:
      'The state machine in Spin, the whole space: the promise holds, and each deliberately broken variant is caught ([model.md](model.md)).',
    figures: [
      { what: 'runs', value: Number(last[1]), bound: null, met: 'unbounded' },
      {
        what: 'runs not as expected',
        value: Number(last[2]),
        bound: '0',
        met: last[2] === '0' ? 'yes' : 'no',
      },
    ],
  };
}

async function runSubject(
  subject: Subject,
  form: Form,
  seed: number,
  minutesMax: number,
): Promise<ReliabilityReport> {
  const folder = mkdtempSync(join(tmpdir(), 'onceward-campaign-'));
  const json = join(folder, 'report.json');
  const startedAt = new Date().toISOString();
  const startMs = performance.now();
  try {
    const { end, stdout } = await program(subject.args(form, seed, json), minutesMax * 60_000);
    const seconds = Math.round((performance.now() - startMs) / 100) / 10;
    const base = {
      name: subject.name,
      promise: '',
      form,
      seed,
      startedAt,
      seconds,
      figures: [],
      versions: [],
    };
    try {
      return parseReport({ ...subject.read(json, stdout, base), ...circumstances() });
    } catch {
      // A script that dies has shown nothing: that is a figure missed, not one left out.
      const figure = { what: 'came to its end', value: `no: ${end}`, bound: 'yes', met: 'no' as const };
      return {
        ...base,
        promise: 'The script did not come to its end.',
        figures: [figure],
        ...circumstances(),
      };
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In a process group of its own, so that a time limit ends what it started too. */
function program(
  args: readonly string[],
  limitMs: number,
): Promise<{ readonly end: string; readonly stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...args], {
      cwd: ROOT,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let stdout = '';
    let end = '';
    const endGroup = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Nobody of it is left.
      }
    };
    const limit = setTimeout(() => {
      end = `not within ${limitMs / 60_000} minutes`;
      endGroup();
    }, limitMs);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      process.stdout.write(text);
      stdout = (stdout + text).slice(-OUTPUT_CHARS_MAX);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(limit);
      endGroup();
      if (end === '') end = signal === null ? `exit code ${code}` : `ended by ${signal}`;
    });
    child.once('close', () => resolve({ end, stdout }));
  });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      form: { type: 'string', default: 'full' },
      seed: { type: 'string' },
      minutes: { type: 'string' },
    },
  });
  const form: Form = values.form === 'quick' ? 'quick' : 'full';
  const chosen = subjects().filter(({ name }) => values.only === undefined || values.only.includes(name));
  if (chosen.length === 0) {
    process.stderr.write(
      `No script of that name; there are: ${subjects()
        .map(({ name }) => name)
        .join(', ')}\n`,
    );
    return 1;
  }
  const tools = ensureTools();
  if (tools !== 0) return tools;
  let missed = 0;
  for (const subject of chosen) {
    const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
    const report = await runSubject(subject, form, seed, Number(values.minutes ?? MINUTES_MAX[form]));
    const bad = report.figures.filter(({ met }) => met === 'no');
    missed += bad.length;
    process.stdout.write(
      `campaign: ${subject.name}: ${report.seconds} s, ${bad.length} figures missed, ${keepReport(report)}\n`,
    );
    // After each: an ended campaign leaves what it has found.
    writeFileSync(PAGE, renderReliabilityDocs());
  }
  process.stdout.write(
    `campaign: ${chosen.length} scripts, ${missed} figures missed; docs/reliability.md is written\n`,
  );
  return missed === 0 ? 0 : 1;
}

process.exitCode = await main();
