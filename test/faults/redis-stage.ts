import { baseConfig, startChildProxy, temporaryFolder } from '../support/child-proxy.ts';
import { type CountingBackend, executeAndAnswer, startCountingBackend } from '../support/counting-backend.ts';
import { freePort } from '../support/free-port.ts';
import { seededRandom } from '../support/seeded.ts';
import { type LoadResult, runLoad } from './load.ts';

/** Two proxies over one Redis, under load, while something is done to the Redis. */
export type RedisStageOptions = {
  readonly seed: number;
  /** `store` of the configuration. */
  readonly store: Readonly<Record<string, unknown>>;
  /** Ends the load when it returns. */
  readonly breakThings: (stage: RedisStage) => Promise<void>;
};

export type RedisStage = {
  /** From 0 to 1, by the seed. */
  readonly random: () => number;
  readonly pause: (ms: number) => Promise<void>;
  /** Answers that clients have had by now. */
  readonly answers: () => number;
  /** Waits until requests are executed again. */
  readonly untilServed: () => Promise<void>;
};

export type RedisStageResult = {
  readonly load: LoadResult;
  /** `onceward_claims_lost_total` of both proxies. */
  readonly claimsLost: number;
  /**
   * Keys executed again after the backend had answered the first time: the record may have been completed before it was
   * lost, and then nobody is left who could count it.
   */
  readonly doublesAfterAnswer: number;
  /** The most time in which no request was executed. */
  readonly outageMs: number;
};

const SECRET = 'a secret of forty characters for testing';
const LEASE_MS = 2_000;
const CLIENTS = 16;
const PACE_PER_SECOND = 150;
/** A failover with one replica takes seconds, and with `wait` there is none until the old primary is back. */
const KEY_MS_MAX = 60_000;

export async function breakUnderLoad(options: RedisStageOptions): Promise<RedisStageResult> {
  const { seed, store, breakThings } = options;
  const random = seededRandom(seed);
  const closers: (() => Promise<void> | void)[] = [];
  const stop = new AbortController();
  try {
    const backend = await startCountingBackend();
    closers.push(() => backend.close());
    const served = watchExecutions(backend, random);
    const proxies = await startProxies(backend, store, closers);
    let ends = 0;
    const load = runLoad({
      backend,
      ports: () => proxies.map(({ port }) => port),
      clients: CLIENTS,
      keys: 1_000_000,
      seed,
      keyPrefix: `redis-${seed}`,
      stop: stop.signal,
      pacePerSecond: PACE_PER_SECOND,
      keyMsMax: KEY_MS_MAX,
      onEnd: () => {
        ends += 1;
      },
    });
    load.catch(() => undefined);
    await served.next();
    await breakThings({ random, pause, answers: () => ends, untilServed: served.next });
    await served.next();
    stop.abort();
    const result = await load;
    const lost = await Promise.all(proxies.map(({ observePort }) => claimsLost(observePort)));
    return {
      load: result,
      claimsLost: lost.reduce((sum, each) => sum + each, 0),
      doublesAfterAnswer: served.afterAnswer(),
      outageMs: served.longestPauseMs(),
    };
  } finally {
    stop.abort();
    for (const close of closers.reverse()) await close();
  }
}

type StagedProxy = { readonly port: number; readonly observePort: number };

async function startProxies(
  backend: CountingBackend,
  store: Readonly<Record<string, unknown>>,
  closers: (() => Promise<void> | void)[],
): Promise<readonly [StagedProxy, StagedProxy]> {
  const folder = temporaryFolder();
  closers.push(() => folder.remove());
  const start = async (name: string): Promise<StagedProxy> => {
    const observePort = await freePort();
    const config = {
      ...baseConfig(backend.origin, { deadline: '600ms', ...store }),
      observe: { listen: `127.0.0.1:${observePort}` },
      secrets: [SECRET],
      defaults: { lease: `${LEASE_MS}ms`, inFlight: { wait: '200ms', waiters: 100 } },
    };
    const proxy = await startChildProxy(['--config', folder.config(config, name)]);
    closers.push(() => proxy.kill());
    return { port: proxy.port, observePort };
  };
  return [await start('one.yaml'), await start('other.yaml')];
}

async function claimsLost(observePort: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${observePort}/metrics`);
  const counts = (await answer.text()).matchAll(/^onceward_claims_lost_total\{[^}]*\} (\d+)/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

type Executions = { next(): Promise<void>; longestPauseMs(): number; afterAnswer(): number };

/** From the backend's answer to the record; generous on a busy machine. */
const COMPLETE_MS = 20;

/** The backend works a moment, so that faults find requests at all points of their way. */
function watchExecutions(backend: CountingBackend, random: () => number): Executions {
  const waiting: (() => void)[] = [];
  let lastMs: number | null = null;
  let longestMs = 0;
  const answeredMs = new Map<string, number>();
  let afterAnswer = 0;
  backend.behave((arrival) => {
    const nowMs = performance.now();
    if (lastMs !== null) longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
    for (const wake of waiting.splice(0)) wake();
    if (nowMs > (answeredMs.get(arrival.key) ?? nowMs) + COMPLETE_MS) afterAnswer += 1;
    setTimeout(() => {
      executeAndAnswer(arrival);
      answeredMs.set(arrival.key, performance.now());
    }, random() * 20);
  });
  return {
    next: () => new Promise((resolve) => waiting.push(resolve)),
    afterAnswer: () => afterAnswer,
    longestPauseMs: () => Math.round(longestMs),
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
