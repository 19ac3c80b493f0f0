import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  baseConfig,
  type ChildProxy,
  PINNED_NODE,
  startChildProxy,
  temporaryFolder,
} from '../support/child-proxy.ts';
import { type CountingBackend, executeAndAnswer, startCountingBackend } from '../support/counting-backend.ts';
import { until } from '../support/until.ts';
import {
  atLeast,
  atMost,
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  runAlone,
  told,
} from './fault-script.ts';
import { type LoadResult, runLoad } from './load.ts';
import { residentOf } from './process-memory.ts';
import type { SlowReport } from './slow-clients-worker.ts';

/** A thousand clients that send or read a byte at a time, beside a load of others. */
export const FAULT: FaultScript = {
  name: 'slow-clients',
  promise:
    'A thousand clients that send their heads or bodies, or read their answers, a byte at a time take the place of nobody: a load beside them loses nothing, and its 99th percentile stays below twice what it is without them.',
  quickMsMax: 60_000,
  run,
};

const SLOW = 1_000;
/** Keyed requests, each with a durable write, below what the machine can do. */
const LOAD = { clients: 16, pacePerSecond: 300 } as const;
const RATIO_MAX = 2;

type Round = { readonly alone: LoadResult; readonly beside: LoadResult; readonly slow: SlowReport };

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const [rounds, keys] = form === 'quick' ? [3, 1_200] : [7, 3_000];
  const folder = temporaryFolder();
  const backend = await startCountingBackend(behave);
  const file = folder.config({
    ...baseConfig(backend.origin, `lmdb:${folder.path}/store`),
    upstream: { url: backend.origin, connections: 1_000 },
  });
  const proxy = await startChildProxy(['--config', file]);
  try {
    const load = (name: string): Promise<LoadResult> =>
      runLoad({ backend, ports: () => [proxy.port], keys, seed, keyPrefix: name, ...LOAD });
    const done: Round[] = [];
    for (let n = 1; n <= rounds; n += 1) {
      const round = await runRound(proxy, n, load);
      say(
        `round ${n}: p99 ${round.alone.p99Ms} ms alone, ${round.beside.p99Ms} ms beside ${round.slow.open} slow clients, ${round.slow.cutOff} cut off`,
      );
      done.push(round);
      // One calm round proves it; a busy machine can spoil any of them.
      if (form === 'quick' && ratioOf(round) < RATIO_MAX) break;
    }
    return { figures: figuresOf(form, done, proxy, backend, seed), versions: [] };
  } finally {
    await proxy.kill();
    await backend.close();
    folder.remove();
  }
}

const LARGE = 'x'.repeat(4 * 1024 * 1024);

const behave: Parameters<typeof startCountingBackend>[0] = (arrival) => {
  if (arrival.request.url === '/large') arrival.answer(200, LARGE);
  else executeAndAnswer(arrival);
};

function ratioOf({ alone, beside }: Round): number {
  return beside.p99Ms / alone.p99Ms;
}

async function runRound(
  proxy: ChildProxy,
  n: number,
  load: (name: string) => Promise<LoadResult>,
): Promise<Round> {
  // The end of the round before, a thousand connections at once, is over by then.
  await load(`calm-${n}`);
  const alone = await load(`alone-${n}`);
  const slow = await startSlowClients(proxy.port);
  try {
    // That a thousand came is another matter than that they stay.
    await load(`come-${n}`);
    const beside = await load(`beside-${n}`);
    return { alone, beside, slow: await slow.report() };
  } finally {
    await slow.kill();
  }
}

/** Resolves once all of them are there. */
async function startSlowClients(port: number) {
  const worker = join(import.meta.dirname, 'slow-clients-worker.ts');
  // On a machine of their own, as it were: what is tried is what they cost the proxy.
  const child = spawn('nice', ['-n', '19', PINNED_NODE, worker, String(port), String(SLOW)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const report = async (): Promise<SlowReport> => {
    const line = once(lines, 'line');
    child.stdin.write('\n');
    const [text] = await line;
    // The worker of this folder writes nothing else.
    return JSON.parse(String(text)) as SlowReport;
  };
  /** Those that were cut off a moment ago are on their way back. */
  const all = (): Promise<SlowReport> =>
    until('all slow clients', async () => {
      const now = await report();
      return now.open >= SLOW * 0.99 ? now : null;
    });
  await all();
  return {
    report: all,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function figuresOf(
  form: FaultRun['form'],
  rounds: readonly Round[],
  proxy: ChildProxy,
  backend: CountingBackend,
  seed: number,
): FaultResult['figures'] {
  const loads = rounds.flatMap(({ alone, beside }) => [alone, beside]);
  const sum = (of: (load: LoadResult) => number): number =>
    loads.reduce((total, load) => total + of(load), 0);
  const ratios = rounds.map(ratioOf).toSorted((a, b) => a - b);
  const middle = ratios[Math.floor(ratios.length / 2)] ?? 0;
  const best = ratios[0] ?? 0;
  const open = Math.min(...rounds.map(({ slow }) => slow.open));
  const p99 = (of: (round: Round) => LoadResult): string => rounds.map((one) => of(one).p99Ms).join(', ');
  return [
    atLeast('slow clients open at the end of each round', open, SLOW * 0.99),
    told(
      'slow clients cut off by their time-outs, over all rounds',
      rounds.reduce((total, { slow }) => total + slow.cutOff, 0),
    ),
    told(
      'requests of the load',
      sum(({ keys }) => keys),
    ),
    exactly(
      'of them without their answer',
      sum(({ keys, charged }) => keys - charged),
      0,
    ),
    exactly(
      'executed twice',
      sum(({ doubles }) => doubles),
      0,
    ),
    exactly('executions of what never came whole', backend.executions('slow'), 0),
    told(
      '99th percentile alone, ms, each round',
      p99(({ alone }) => alone),
    ),
    told(
      '99th percentile beside the slow clients, ms, each round',
      p99(({ beside }) => beside),
    ),
    form === 'quick'
      ? atMost('ratio of the two, best of at most three rounds', Math.round(best * 100) / 100, RATIO_MAX)
      : atMost(
          `ratio of the two, median of ${ratios.length} rounds`,
          Math.round(middle * 100) / 100,
          RATIO_MAX,
        ),
    told('resident memory at the end, MB', Math.round(residentOf(proxy.pid).anonymousMb)),
    told('seed', seed),
  ];
}

await runAlone(import.meta.url, FAULT);
