import { createServer } from 'node:net';
import { join } from 'node:path';
import { workersCheck } from './admin/health.ts';
import type { AppOptions } from './app.ts';
import { shareOfWorker } from './config/share.ts';
import { keptOver } from './config/watch.ts';
import { type Duties, startDuties } from './duties.ts';
import { describeListenError } from './http/listen-error.ts';
import { type Address, type App, judgeReload } from './lifecycle.ts';
import { addUp, sideBySide } from './observe/add-up.ts';
import { scrapeOf } from './observe/exposition.ts';
import type { Metrics } from './observe/metrics.ts';
import { type Base, CLOSE_LOG_MS, type DrainState, monotonicMs, routeNames } from './parts.ts';
import { DRAIN_REST_MS } from './proxying.ts';
import { type Crew, type CrewOptions, startCrew } from './workers/crew.ts';

/**
 * The primary of several workers: it takes no requests. It has the ports for probes and the operator, the jobs in the
 * background, and the workers, which it starts, starts again and ends.
 */

const WORKER_ENTRY = join(import.meta.dirname, 'worker.ts');
/** Beyond the drain of a worker, for the end of its process on a busy machine. */
const END_MS = 5_000;

export type PrimaryOptions = {
  readonly app: AppOptions;
  readonly base: Base;
  readonly workers: number;
  /** Tells the metrics, which were there before it, of the crew. */
  readonly onCrew: (crew: Crew) => void;
};

/** Rejects with one line when a port or a worker cannot be had; what was opened here is closed again. */
export async function startPrimary({ app, base, workers, onCrew }: PrimaryOptions): Promise<App> {
  const { config, version } = app;
  const address = await boundAddress(config.listen);
  const failure: { tell: (message: string) => void } = { tell: () => undefined };
  const crew = await startCrew({
    workers,
    entry: WORKER_ENTRY,
    config: shareOfWorker({ ...config, listen: address }, workers),
    version,
    monotonicMs,
    ...tellers(base),
    onGivenUp: (message) => failure.tell(message),
  });
  onCrew(crew);
  try {
    const drainState: DrainState = { phase: 'serving', asked: () => undefined };
    const current = { config };
    const duties = await startDuties({
      ...app,
      base,
      render: combinedRender(base.metrics, crew),
      drainState,
      current: () => current.config,
      inFlight: async () => (await crew.collect()).inFlight,
      observed: async () => (await crew.collect()).observed,
      workers: () => crew.status(),
      checks: [workersCheck(() => crew.notReady())],
    });
    let drained: Promise<void> | null = null;
    return {
      address,
      observeAddress: duties.observe?.address ?? null,
      adminAddress: duties.admin?.address ?? null,
      pids: crew.status().map(({ pid }) => pid ?? 0),
      reload(loaded) {
        const taken = judgeReload(current.config, loaded, base);
        if (taken === null) return;
        current.config = keptOver(current.config, taken);
        for (const name of routeNames(taken)) base.metrics.ensureRoute(name);
        crew.reload(shareOfWorker({ ...current.config, listen: address }, workers));
      },
      drain() {
        drained ??= drain({ app, base, crew, duties, drainState });
        return drained;
      },
      onDrainAsked(listener) {
        drainState.asked = listener;
      },
      onFailed(listener) {
        failure.tell = listener;
      },
      endNow: () => crew.endNow(),
    };
  } catch (error) {
    crew.endNow();
    throw error;
  }
}

function tellers({ log, metrics }: Base): Pick<CrewOptions, 'onRestart' | 'onListening'> {
  return {
    onRestart({ worker, pid, cause, message }, delayMs) {
      metrics.workerRestarted();
      log.event('warn', 'worker ended, is started again', {
        worker,
        pid,
        cause,
        ...(message === '' ? {} : { said: message }),
        delayMs,
      });
    },
    onListening: (worker, pid) => log.event('info', 'worker started', { worker, pid }),
  };
}

function combinedRender(metrics: Metrics, crew: Crew): Metrics['render'] {
  return async (accept) => {
    const [collected, facts, own] = await Promise.all([crew.collect(), metrics.facts(), metrics.ofProcess()]);
    const processes = [
      { value: 'primary', families: own },
      ...collected.ofProcesses.map(({ worker, families }) => ({ value: String(worker), families })),
    ];
    return scrapeOf(
      [
        // Its own first: it has every series that is there from the start.
        ...addUp([metrics.counted(), collected.counted]),
        ...facts,
        ...sideBySide('worker', processes),
      ],
      accept,
    );
  };
}

type Draining = {
  readonly app: AppOptions;
  readonly base: Base;
  readonly crew: Crew;
  readonly duties: Duties;
  readonly drainState: DrainState;
};

async function drain({ app, base, crew, duties, drainState }: Draining): Promise<void> {
  const { delayMs, timeoutMs } = app.config.drain;
  drainState.phase = 'not-ready';
  base.log.event('info', 'draining', { inFlight: crew.inFlight() });
  const { killed } = await crew.drain(delayMs + timeoutMs + DRAIN_REST_MS + END_MS);
  if (killed > 0) base.log.event('warn', 'workers that did not end were killed', { killed });
  drainState.phase = 'ended';
  await duties.stop();
  await base.opened.store.close();
  base.overload.stop();
  base.log.event('info', 'stopped', {});
  await base.log.close(CLOSE_LOG_MS);
}

/**
 * Port 0 becomes a real one here: each worker binds the address anew, also the one that comes when all others are gone.
 * A port that another process has is reported before any worker is started.
 */
function boundAddress({ host, port }: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => reject(describeListenError(error, 'listen', `${host}:${port}`)));
    server.listen({ host, port, exclusive: true }, () => {
      const bound = server.address();
      const real = typeof bound === 'object' && bound !== null ? bound.port : port;
      server.close(() => resolve({ host, port: real }));
    });
  });
}
