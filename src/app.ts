import { availableParallelism } from 'node:os';
import { roomCheck } from './admin/health.ts';
import type { ResolvedConfig } from './config/resolved.ts';
import { shareOfPrimary } from './config/share.ts';
import { startDuties } from './duties.ts';
import { type App, createApp } from './lifecycle.ts';
import type { LogDestination } from './observe/log.ts';
import { openLogSink } from './observe/log-sink.ts';
import { type Base, CLOSE_LOG_MS, createEngine, type DrainState, openBase } from './parts.ts';
import { startPrimary } from './primary.ts';
import { startProxying } from './proxying.ts';
import type { Crew } from './workers/crew.ts';

/**
 * The composition root. Parts that every process has: parts.ts; what takes requests: proxying.ts; what is done once:
 * duties.ts; reload and end: lifecycle.ts; with several workers: primary.ts and, in each of them, worker.ts.
 */

export type AppOptions = {
  readonly config: ResolvedConfig;
  /** The file's path, or where else the configuration came from; null: flags. */
  readonly configFile: string | null;
  readonly version: string;
  /** Where log lines go; standard output where absent. */
  readonly logDestination?: LogDestination;
};

/** Rejects with a one-line message when a port, the store or a file cannot be had; what was opened is closed again. */
export async function startApp(options: AppOptions): Promise<App> {
  const { config, version } = options;
  const workers = config.workers === 'auto' ? availableParallelism() : config.workers;
  const logDestination =
    options.logDestination ?? openLogSink(1, { use: workers === 1 ? 'alone' : 'shared' });
  // The metrics are there before the workers whose number they tell.
  let listening = (): number => 1;
  const base = await openBase({
    config: workers === 1 ? config : shareOfPrimary(config),
    version,
    logDestination,
    workersListening: () => listening(),
  });
  const closers: (() => Promise<void>)[] = [
    () => base.log.close(CLOSE_LOG_MS),
    () => base.opened.store.close(),
  ];
  try {
    const onCrew = (crew: Crew): void => {
      listening = () => crew.listening();
    };
    const app =
      workers === 1
        ? await startOne(options, base, closers)
        : await startPrimary({ app: options, base, workers, onCrew });
    sayStarted(options, base, app);
    return app;
  } catch (error) {
    for (const close of closers.reverse()) await close().catch(() => undefined);
    throw error;
  }
}

/** All in this process. */
async function startOne(options: AppOptions, base: Base, closers: (() => Promise<void>)[]): Promise<App> {
  const { config } = options;
  const drainState: DrainState = { phase: 'serving', asked: () => undefined };
  const engine = createEngine(config, base, drainState);
  const proxying = await startProxying(config, base, engine, drainState);
  const { listener } = proxying;
  closers.push(
    () => proxying.upstream.close(),
    async () => listener.destroyConnections(),
  );
  const duties = await startDuties({
    ...options,
    base,
    drainState,
    current: () => proxying.current.snapshot.config,
    render: base.metrics.render,
    inFlight: () => base.metrics.inFlight.value(),
    observed: () => engine.observed.routes(),
    workers: () => [
      { worker: 0, pid: process.pid, state: 'listening', inFlight: base.metrics.inFlight.value() },
    ],
    checks: [roomCheck(base.overload)],
  });
  return createApp(config, proxying, duties);
}

function sayStarted({ config, version }: AppOptions, { log, opened }: Base, app: App): void {
  for (const warning of opened.warnings) log.event('warn', warning, {});
  log.event('info', 'started', {
    version,
    listen: `${app.address.host}:${app.address.port}`,
    upstream: config.upstream.origin,
    store: opened.store.kind,
    ...(app.pids.length === 0 ? {} : { workers: app.pids.map(String) }),
  });
}
