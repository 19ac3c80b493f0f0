import { type ChildProxy, startChildProxy } from '../support/child-proxy.ts';
import { freePort } from '../support/free-port.ts';
import { type Collected, collecting, readCollected, slopeOf } from './collected-memory.ts';
import {
  atLeast,
  atMost,
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  type Figure,
  runAlone,
  told,
} from './fault-script.ts';
import { loadFigures, runLoad } from './load.ts';
import { residentOf } from './process-memory.ts';
import { type StoreStage, storeStage } from './store-stage.ts';

/** Nothing is broken: minutes at half of what the machine can, and memory must stand still. */
export const FAULT: FaultScript = {
  name: 'soak',
  promise:
    'Eight minutes at half load on LMDB, records expiring as fast as they come: memory stands still, nothing fails.',
  quickMsMax: 40_000,
  run,
};

const CLIENTS = 32;
/** Much shorter than a run, so that the store is in its steady state when memory is judged. */
const RETAIN_SECONDS = 45;
const RETAIN = `${RETAIN_SECONDS}s`;
/** Records live 10 % longer, when their claim's index entry is looked at, and until the next pass of the sweep. */
const KEPT_SECONDS_MAX = RETAIN_SECONDS * 1.1 + 15;

type Form = {
  readonly calibrateMs: number;
  readonly soakMs: number;
  /** The last part, over which memory is judged: what comes before is warming up. */
  readonly judgedMs: number;
  readonly slopeMax: number;
  readonly collectionsMin: number;
  readonly remark: string;
};

const FORMS: Readonly<Record<FaultRun['form'], Form>> = {
  full: {
    calibrateMs: 15_000,
    soakMs: 480_000,
    judgedMs: 360_000,
    slopeMax: 0.1,
    collectionsMin: 60,
    remark: '',
  },
  // A heap grows for its first minute whatever it holds: this bound only tells a leak that is gross.
  quick: {
    calibrateMs: 2_000,
    soakMs: 14_000,
    judgedMs: 9_000,
    slopeMax: 400,
    collectionsMin: 1,
    remark: ' (smoke test)',
  },
};

async function run(options: FaultRun): Promise<FaultResult> {
  const stage = await storeStage('lmdb');
  try {
    return { figures: await soak(stage, options), versions: [] };
  } finally {
    await stage.close();
  }
}

async function soak(stage: StoreStage, { form, seed, say }: FaultRun): Promise<readonly Figure[]> {
  const { calibrateMs, soakMs, judgedMs, slopeMax, collectionsMin, remark } = FORMS[form];
  const { proxy, observePort, collected } = await start(stage);
  try {
    const plan = {
      backend: stage.backend,
      ports: () => [proxy.port],
      clients: CLIENTS,
      keys: 10_000_000,
      seed,
    };
    const stop = AbortSignal.timeout(calibrateMs);
    const most = await runLoad({ ...plan, keyPrefix: 'calibrate', repeatShare: 0, stop });
    const mostPerSecond = Math.floor(most.keys / most.seconds);
    const pacePerSecond = Math.floor(mostPerSecond / 2);
    say(`soak: at most ${mostPerSecond} keys a second; ${pacePerSecond} for ${soakMs / 1000} s`);
    const scraping = scrapeEverySecond(observePort);
    const soaked = await runLoad({
      ...plan,
      keyPrefix: 'soak',
      repeatShare: 0.02,
      stop: AbortSignal.timeout(soakMs),
      pacePerSecond,
    });
    const scraped = await scraping.stop();
    const { residentMb } = residentOf(proxy.pid);
    const held = collected();
    const end = held.at(-1);
    const judged = held.filter(({ atMs }) => atMs > (end?.atMs ?? 0) - judgedMs);
    const slope = (what: string, megabytes: (held: Collected) => number): Figure =>
      atMost(`slope of ${what}${remark}`, rounded(slopeOf(judged, megabytes)), slopeMax, ' MB a minute');
    return [
      told('keys a second at full load', mostPerSecond),
      told('keys a second during the soak', Math.floor(soaked.keys / soaked.seconds)),
      told('minutes', rounded(soaked.seconds / 60)),
      slope('the heap, garbage collected', ({ heapMb }) => heapMb),
      slope('buffers outside the heap, garbage collected', ({ externalMb }) => externalMb),
      slope('all anonymous memory, garbage collected', ({ anonymousMb }) => anonymousMb),
      atLeast('collections judged', judged.length, collectionsMin),
      told('heap at the end, MB', rounded(end?.heapMb ?? 0)),
      told('anonymous memory at the end, MB', rounded(end?.anonymousMb ?? 0)),
      told('resident set at the end, with cached pages of the store, MB', rounded(residentMb)),
      atMost(
        'records in the store at the end',
        Number(/^onceward_store_records(?:\{[^}]*\})? (\S+)/m.exec(scraped)?.[1]),
        Math.ceil(KEPT_SECONDS_MAX * mostPerSecond),
      ),
      told('data file at the end, MB', rounded(stage.storeBytes() / 1e6)),
      ...loadFigures(soaked),
      errorFigure(form, soaked.attempts - (soaked.answers['201'] ?? 0)),
      told('p50, ms', soaked.p50Ms),
      told('p99, ms', soaked.p99Ms),
    ];
  } finally {
    await proxy.kill();
  }
}

async function start(stage: StoreStage): Promise<{
  readonly proxy: ChildProxy;
  readonly observePort: number;
  readonly collected: () => readonly Collected[];
}> {
  const port = await freePort();
  const observePort = await freePort();
  const config = stage.configure({
    defaults: { retain: RETAIN, unknownRetain: RETAIN },
    store: { deadline: '1s', sweepInterval: '1s' },
    sections: {
      listen: `127.0.0.1:${port}`,
      observe: { listen: `127.0.0.1:${observePort}` },
      log: { level: 'warn' },
    },
  });
  const file = `${config}.collected`;
  const proxy = await startChildProxy(['--config', config], { listensOn: port, env: collecting(file) });
  return { proxy, observePort, collected: () => readCollected(file) };
}

/** As a scraper does, only more often: what that costs and keeps is part of the soak. */
function scrapeEverySecond(port: number): { stop(): Promise<string> } {
  const stopped = new AbortController();
  const scraping = (async () => {
    for (;;) {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      if (stopped.signal.aborted) return text;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  })();
  scraping.catch(() => undefined);
  return {
    stop() {
      stopped.abort();
      return scraping;
    },
  };
}

/** Other tests run beside the quick form: a store that is late is answered 503 and asked again, as it should be. */
function errorFigure(form: FaultRun['form'], errors: number): Figure {
  const what = 'answers other than the charge';
  return form === 'full' ? exactly(what, errors, 0) : told(what, errors);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

await runAlone(import.meta.url, FAULT);
