import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { createLoad, type Load, type LoadPlan } from './parts/load-client.ts';
import { cpuMsOf, type Program, startOnceward, startScript } from './parts/processes.ts';
import { reportText, rowsOf, type Sample } from './parts/report.ts';

const USAGE = `npm run bench [-- --quick] [-- --write] [-- --json] [-- --rounds N] [-- --sample-ms N]

Onceward against bare node:http and http-proxy in one run, in interleaved rounds, each a process of its own in front
of the same backend: pass-through, first execution and replay, on the memory and the LMDB store.

  --quick         about 10 s instead of 60
  --write         writes bench/results.md
  --json          prints the rows as JSON
  --rounds N      rounds
  --sample-ms N   length of one sample`;

const OPTIONS = {
  quick: { type: 'boolean' },
  write: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
  rounds: { type: 'string' },
  'sample-ms': { type: 'string' },
} as const;

const BASELINES = ['node:http', 'http-proxy'] as const;
const CONNECTIONS = 32;
/** Every process is warm before the first sample counts. */
const WARM_UP_SHARE = 1.5;

type Candidate = {
  readonly name: string;
  readonly program: Program;
  readonly plan: (round: number) => Pick<LoadPlan, 'keyOf' | 'expects'>;
};

const unkeyed: Candidate['plan'] = () => ({ keyOf: () => null, expects: null });

const { values } = parseArgs({ options: OPTIONS });
if (values.help === true) {
  process.stdout.write(`${USAGE}\n`);
} else {
  const rounds = Number(values.rounds ?? (values.quick === true ? 3 : 7));
  const sampleMs = Number(values['sample-ms'] ?? (values.quick === true ? 300 : 900));
  if (!(rounds >= 1 && sampleMs >= 10))
    throw new Error('--rounds and --sample-ms are numbers of at least 1 and 10');
  await bench(rounds, sampleMs);
}

async function bench(rounds: number, sampleMs: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'onceward-bench-'));
  const started: Program[] = [];
  const load = createLoad(CONNECTIONS);
  try {
    const candidates = await startAll(folder, started);
    for (const candidate of candidates) await sample(load, candidate, 0, sampleMs * WARM_UP_SHARE);
    const samples: Sample[] = [];
    for (let round = 1; round <= rounds; round++) {
      // Every other round runs backwards, so that none is always first.
      const order = round % 2 === 1 ? candidates : [...candidates].reverse();
      for (const candidate of order) samples.push(await sample(load, candidate, round, sampleMs));
    }
    report(samples, candidates, rounds, sampleMs);
  } finally {
    load.close();
    for (const program of started) await program.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startAll(folder: string, started: Program[]): Promise<readonly Candidate[]> {
  const keep = async (starting: Promise<Program>): Promise<Program> => {
    const program = await starting;
    started.push(program);
    return program;
  };
  const backend = await keep(startScript(import.meta.resolve('./parts/backend-process.ts'), []));
  const bare = await keep(
    startScript(import.meta.resolve('./parts/node-http-process.ts'), [String(backend.port)]),
  );
  const httpProxy = await keep(
    startScript(import.meta.resolve('./parts/http-proxy-process.ts'), [String(backend.port)]),
  );
  const memory = await keep(startOnceward(backend.port, 'memory:'));
  const lmdb = await keep(startOnceward(backend.port, `lmdb:${join(folder, 'data')}`));
  return [
    { name: 'node:http', program: bare, plan: unkeyed },
    { name: 'http-proxy', program: httpProxy, plan: unkeyed },
    { name: 'Onceward, pass-through', program: memory, plan: unkeyed },
    ...keyedCandidates('memory', memory),
    ...keyedCandidates('LMDB', lmdb),
  ];
}

/** Replays ask for keys that the round's executions have left, or the first of them again. */
function keyedCandidates(store: string, program: Program): readonly Candidate[] {
  return [
    {
      name: `Onceward, ${store}, first execution`,
      program,
      plan: (round) => ({ keyOf: (n) => `first-${round}-${n}`, expects: 'executed' }),
    },
    {
      name: `Onceward, ${store}, replay`,
      program,
      plan: () => ({ keyOf: (n) => `first-0-${(n % CONNECTIONS) + 1}`, expects: 'replayed' }),
    },
  ];
}

async function sample(
  load: Load,
  { name, program, plan }: Candidate,
  round: number,
  durationMs: number,
): Promise<Sample> {
  const before = cpuMsOf(program.pid);
  const measured = await load.run({ port: program.port, durationMs, ...plan(round) });
  const cpuMs = cpuMsOf(program.pid) - before;
  return {
    name,
    round,
    requestsPerSecond: (measured.requests / measured.elapsedMs) * 1_000,
    cpuUs: (cpuMs / measured.requests) * 1_000,
    p50Ms: measured.p50Ms,
    p99Ms: measured.p99Ms,
  };
}

function report(
  samples: readonly Sample[],
  candidates: readonly Candidate[],
  rounds: number,
  sampleMs: number,
): void {
  const order = candidates.map(({ name }) => name);
  const rows = [...rowsOf(samples, BASELINES)].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify(rows)}\n`);
    return;
  }
  const [cpu] = cpus();
  const text = reportText(rows, BASELINES, {
    date: new Date().toISOString().slice(0, 10),
    versions: {
      onceward: versionOf('../package.json'),
      node: process.versions.node,
      'http-proxy': versionOf('../node_modules/http-proxy/package.json'),
    },
    machine: `${cpus().length} cores, ${cpu?.model.trim() ?? 'unknown'}, ${process.platform} ${process.arch}`,
    rounds,
    sampleMs,
    connections: CONNECTIONS,
  });
  process.stdout.write(text);
  if (values.write === true) writeFileSync(join(import.meta.dirname, 'results.md'), text);
}

function versionOf(packageFile: string): string {
  const parsed: unknown = JSON.parse(readFileSync(join(import.meta.dirname, packageFile), 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed
    ? String(parsed.version)
    : 'unknown';
}
