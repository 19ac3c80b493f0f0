import { type ChildProxy, startChildProxy } from '../support/child-proxy.ts';
import { executeAndAnswer } from '../support/counting-backend.ts';
import { freePort } from '../support/free-port.ts';
import { seededRandom } from '../support/seeded.ts';
import {
  atLeast,
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  type Figure,
  runAlone,
  told,
} from './fault-script.ts';
import { type LoadResult, loadFigures, runLoad } from './load.ts';
import { overBothStores, type StoreStage } from './store-stage.ts';

/**
 * Fault 45, as a release does it: two proxies on one store are ended with SIGTERM and started again on the same port,
 * one after the other, under load. Clients know both ports at all times and retry once, at the other one.
 */
export const FAULT: FaultScript = {
  name: 'rolling-restart',
  promise:
    'Two proxies restarted in turn (SIGTERM) under load: every request is answered with one retry under the same key, none is executed twice, every process drains and exits with 0.',
  quickMsMax: 25_000,
  run,
};

const CLIENTS = 16;
const PACE_PER_SECOND = 300;
const WORK_MS_MAX = 10;
/** One in so many is long: a drain finds it in flight. */
const LONG_ONE_IN = 50;
const LONG_MS = 250;
/** After a start, before the next stop: a client whose retry is on its way to the other one gets there. */
const BETWEEN_MS = 100;

function run(options: FaultRun): Promise<FaultResult> {
  const restarts = options.form === 'quick' ? { lmdb: 3, redis: 1 } : { lmdb: 200, redis: 100 };
  return overBothStores((stage) => restartOver(stage, restarts[stage.kind], options));
}

async function restartOver(
  stage: StoreStage,
  restarts: number,
  { seed, say }: FaultRun,
): Promise<readonly Figure[]> {
  const { backend, kind } = stage;
  const random = seededRandom(seed);
  const ports = [await freePort(), await freePort()];
  const proxies: ChildProxy[] = [];
  const stop = new AbortController();
  const drains: { readonly code: number | null; readonly ms: number }[] = [];
  backend.behave((arrival) => {
    const workMs = random() * LONG_ONE_IN < 1 ? LONG_MS : random() * WORK_MS_MAX;
    setTimeout(executeAndAnswer, workMs, arrival);
  });
  try {
    for (const port of ports) proxies.push(await startOn(stage, port));
    const load = runLoad({
      backend,
      ports: () => ports,
      clients: CLIENTS,
      keys: 1_000_000,
      seed,
      keyPrefix: `roll-${kind}-${seed}`,
      stop: stop.signal,
      pacePerSecond: PACE_PER_SECOND,
      attemptsMax: 2,
    });
    load.catch(() => undefined);
    while (drains.length < restarts) {
      const turn = drains.length % 2;
      await Promise.race([pause(BETWEEN_MS), load]);
      const stoppedMs = performance.now();
      const ended = await proxies[turn]?.stop();
      drains.push({ code: ended?.code ?? null, ms: performance.now() - stoppedMs });
      proxies[turn] = await startOn(stage, ports[turn] ?? 0);
      if (drains.length % 25 === 0) say(`rolling-restart: ${kind}: ${drains.length} of ${restarts}`);
    }
    stop.abort();
    const result = await load;
    const failed = result.keys - result.charged;
    return [
      atLeast(`${kind}: restarts`, drains.length, restarts),
      exactly(`${kind}: drains that did not exit with 0`, drains.filter(({ code }) => code !== 0).length, 0),
      told(`${kind}: longest drain, ms`, Math.round(Math.max(...drains.map(({ ms }) => ms)))),
      ...loadFigures(result, `${kind}: `),
      exactly(`${kind}: requests that failed with one retry`, failed, 0),
      told(`${kind}: answers of all kinds`, answersText(result)),
      told(
        `${kind}: first attempts that needed the retry`,
        result.attempts - result.keys - result.repeatsSame,
      ),
    ];
  } finally {
    for (const proxy of proxies) await proxy.kill();
  }
}

/** Which of them a failed request met: `201 115244, connection 59000`. */
function answersText({ answers }: LoadResult): string {
  return Object.entries(answers)
    .map(([word, count]) => `${word} ${count}`)
    .join(', ');
}

async function startOn(stage: StoreStage, port: number): Promise<ChildProxy> {
  return await startChildProxy(['--config', stage.configure({ sections: { listen: `127.0.0.1:${port}` } })]);
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

await runAlone(import.meta.url, FAULT);
