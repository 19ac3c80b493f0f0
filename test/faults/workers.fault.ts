import process from 'node:process';
import { executeAndAnswer } from '../support/counting-backend.ts';
import { type CrewStage, crewStage, isAlive, pidsOf, sumOf } from '../support/crew.ts';
import { lmdbStage } from '../support/lmdb-stage.ts';
import { seededRandom } from '../support/seeded.ts';
import { until } from '../support/send-request.ts';
import {
  atLeast,
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  runAlone,
  told,
} from './fault-script.ts';
import { loadFigures, runLoad } from './load.ts';

/**
 * Fault 6: workers behind one port and one LMDB environment are killed at random under load, and started again by their
 * primary; at last the primary itself is killed.
 */
export const FAULT: FaultScript = {
  name: 'workers',
  promise:
    'Workers killed (SIGKILL) under load behind one port: the others serve, each is started again, no key is executed twice and none called "not executed" that was; the end of the primary is the end of all workers.',
  quickMsMax: 30_000,
  run,
};

const WORKERS = 3;
const CLIENTS = 24;
const PACE_PER_SECOND = 200;
const WORK_MS = 10;
/** A kill comes this long after all workers listen, at most. */
const CALM_MS_MAX = 500;

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const random = seededRandom(seed);
  const kills = form === 'quick' ? 3 : 100;
  const closers: (() => Promise<void> | void)[] = [];
  try {
    const stage = await lmdbStage(closers);
    const { backend } = stage;
    backend.behave((arrival) => setTimeout(executeAndAnswer, random() * 2 * WORK_MS, arrival));
    const config = { defaults: { lease: '3s' }, drain: { timeout: '5s' } };
    const crew = await crewStage(stage, WORKERS, config, '1s');
    const stop = new AbortController();
    const load = runLoad({
      backend,
      ports: () => [crew.proxy.port],
      clients: CLIENTS,
      keys: 1_000_000,
      seed,
      keyPrefix: `workers-${seed}`,
      stop: stop.signal,
      pacePerSecond: PACE_PER_SECOND,
    });
    load.catch(() => undefined);
    let backwards = 0;
    let counted = 0;
    for (let kill = 1; kill <= kills; kill += 1) {
      await killOne(crew, random);
      const now = sumOf(await crew.metrics(), 'onceward_requests_total');
      if (now < counted) backwards += 1;
      counted = now;
      if (kill % 10 === 0) say(`workers: ${kill} of ${kills} kills`);
    }
    stop.abort();
    const result = await load;
    const restarts = sumOf(await crew.metrics(), 'onceward_worker_restarts_total');
    const left = await killPrimary(crew);
    return {
      figures: [
        told('workers', WORKERS),
        atLeast('workers killed under load', kills, form === 'quick' ? 3 : 100),
        exactly('workers started again', restarts, kills),
        exactly('scrapes whose sum went backwards', backwards, 0),
        ...loadFigures(result),
        exactly('workers alive after their primary was killed', left, 0),
      ],
      versions: [],
    };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Waits until all listen, for a random while, kills one, and waits until it is gone. */
async function killOne(crew: CrewStage, random: () => number): Promise<void> {
  const pids = pidsOf(await crew.listening(WORKERS));
  const calmMs = performance.now() + random() * CALM_MS_MAX;
  await until(
    async () => performance.now(),
    (nowMs) => nowMs >= calmMs,
  );
  const victim = pids[Math.floor(random() * pids.length)] ?? 0;
  process.kill(victim, 'SIGKILL');
  await until(crew.status, (seen) => !pidsOf(seen).includes(victim), 30_000);
}

/** The drain of a worker that has nothing in flight, on a busy machine. */
const END_MS_MAX = 15_000;

/** How many workers outlive it. */
async function killPrimary(crew: CrewStage): Promise<number> {
  const pids = pidsOf(await crew.listening(WORKERS));
  process.kill(crew.proxy.pid, 'SIGKILL');
  const alive = async (): Promise<number> => pids.filter((pid) => isAlive(pid) === 'alive').length;
  return await until(alive, (left) => left === 0, END_MS_MAX).catch(alive);
}

await runAlone(import.meta.url, FAULT);
