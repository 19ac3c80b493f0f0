import { randomBytes, randomUUID } from 'node:crypto';
import { startAdminServer } from './admin/admin-server.ts';
import { createHealth, drainCheck, storeCheck } from './admin/health.ts';
import { startObserveServer } from './admin/observe-server.ts';
import type { ResolvedConfig } from './config/resolved.ts';
import { createOwners } from './engine/owner.ts';
import { createSettler } from './engine/settler.ts';
import type { Engine } from './engine/types.ts';
import { createWaiters } from './engine/waiters.ts';
import { createByteBudget } from './http/byte-budget.ts';
import { startListener } from './http/listener.ts';
import { createTunnel } from './http/tunnel.ts';
import { createUpstream } from './http/upstream.ts';
import {
  type App,
  CLOSE_LOG_MS,
  createApp,
  type DrainState,
  type Parts,
  type Ports,
  routeNames,
} from './lifecycle.ts';
import { createLog, type Log, type LogDestination } from './observe/log.ts';
import { openLogSink } from './observe/log-sink.ts';
import { createMetrics } from './observe/metrics.ts';
import { createServing, type Serving } from './serving.ts';
import { createSnapshot } from './snapshot.ts';
import { guardStore } from './store/guard.ts';
import { createKeepAlive } from './store/keep-alive.ts';
import { type OpenedStore, openStore } from './store/open.ts';

/** The composition root: the only file that constructs concrete parts. Edge file: it reads the clocks. */

export type AppOptions = {
  readonly config: ResolvedConfig;
  /** The file's path, or where else the configuration came from; null: flags. */
  readonly configFile: string | null;
  readonly version: string;
  /** Where log lines go; standard output where absent. */
  readonly logDestination?: LogDestination;
};

/** Of the in-memory budget, what is kept for the answers of requests that are already in. */
const ADMISSION_SHARE = 0.9;
const STORE_PING_MS = 1_000;

const monotonicMs = (): number => performance.now();
const wallMs = (): number => Date.now();

/** Rejects with a one-line message when a port, the store or a file cannot be had; what was opened is closed again. */
export async function startApp(options: AppOptions): Promise<App> {
  const { config } = options;
  const log = createLog({
    level: config.log.level,
    destination: options.logDestination ?? openLogSink(1),
    wallMs,
  });
  const opened = await openStore({
    spec: config.store,
    secrets: config.secrets,
    commandTimeoutMs: config.storePolicy.deadlineMs,
    wallMs,
    monotonicMs,
    randomBytes,
    warn: (message) => log.event('warn', message, {}),
  });
  const closers: (() => Promise<void>)[] = [() => opened.store.close()];
  try {
    const parts = createParts(options, opened, log);
    closers.push(() => log.close(CLOSE_LOG_MS));
    const upstream = createUpstream(upstreamOptions(config));
    closers.push(() => upstream.close());
    const current = { snapshot: createSnapshot(config, upstream, opened.secrets) };
    const tunnel = createTunnel({
      origin: config.upstream.origin,
      upgradeMs: config.upstream.connectMs + 10_000,
      unreachable: (message) =>
        serving.rawProblem('upstream-unreachable', `The backend could not be reached (${message}).`),
    });
    const serving: Serving = createServing({
      engine: parts.engine,
      snapshot: () => current.snapshot,
      tunnel,
    });
    const listener = await startListener(listenerOptions(config), serving.handler);
    closers.push(async () => listener.destroyConnections());
    const ports = await startPorts(options, parts, closers);
    const sweeper = startSweeper(config, parts);
    for (const warning of opened.warnings) parts.log.event('warn', warning, {});
    parts.log.event('info', 'started', {
      version: options.version,
      listen: `${listener.address.host}:${listener.address.port}`,
      upstream: config.upstream.origin,
      store: opened.store.kind,
    });
    return createApp(config, { parts, current, upstream, listener, ports, serving, tunnel, sweeper });
  } catch (error) {
    for (const close of closers.reverse()) await close().catch(() => undefined);
    throw error;
  }
}

function createParts(options: AppOptions, opened: OpenedStore, log: Log): Parts {
  const { config } = options;
  const waiters = createWaiters();
  const metrics = createMetrics({
    routeNames: routeNames(config),
    store: opened.store.kind,
    version: options.version,
    nodeVersion: process.versions.node,
    stats: () => opened.store.stats(),
    statsDeadlineMs: STORE_PING_MS,
    joinedWaiters: () => waiters.count(),
    logLinesDropped: () => log.linesDropped(),
  });
  const store = guardStore(opened.store, {
    deadlineMs: config.storePolicy.deadlineMs,
    monotonicMs,
    observe: (operation, result, seconds) => metrics.storeOperation(operation, result, seconds),
    onDefect: (_operation, error) => log.unexpected(error),
  });
  const budget = createByteBudget(config.limits.bufferBytesMax);
  const drainState: DrainState = { phase: 'serving', asked: () => undefined };
  const shutdown = new Set<() => void>();
  const engine: Engine = {
    store,
    keepAlive: createKeepAlive({ store, monotonicMs, onError: (error) => log.unexpected(error) }),
    settler: createSettler({
      store,
      monotonicMs,
      onGivenUp: (error) => log.storeUnavailable(error.reason, `a settlement was given up: ${error.message}`),
    }),
    metrics,
    log,
    budget,
    waiters,
    wallMs,
    monotonicMs,
    newOwner: createOwners(randomBytes),
    newUuid: randomUUID,
    onShutdown: (listener) => {
      shutdown.add(listener);
      return () => shutdown.delete(listener);
    },
    shutDown: () => {
      drainState.phase = 'ended';
      for (const listener of [...shutdown]) listener();
    },
    shuttingDown: () => (drainState.phase === 'ended' ? 'yes' : 'no'),
    draining: () =>
      drainState.phase === 'draining' || drainState.phase === 'ended' ? 'draining' : 'serving',
    overloaded: ({ config: { limits } }) =>
      metrics.inFlight.value() > limits.inFlightMax ||
      budget.usedBytes() > limits.bufferBytesMax * ADMISSION_SHARE
        ? 'overloaded'
        : 'has-room',
  };
  const health = createHealth({
    checks: [
      storeCheck({
        ping: () => opened.store.ping(),
        monotonicMs,
        deadlineMs: STORE_PING_MS,
        cacheMs: STORE_PING_MS,
      }),
      drainCheck(() => (drainState.phase === 'serving' ? 'serving' : 'draining')),
    ],
  });
  return { opened, log, metrics, engine, health, drainState };
}

async function startPorts(
  options: AppOptions,
  parts: Parts,
  closers: (() => Promise<void>)[],
): Promise<Ports> {
  const { config } = options;
  const onError = (error: unknown): void => parts.log.unexpected(error);
  const observeParts = { health: parts.health, metrics: parts.metrics };
  const observe =
    config.observe === null
      ? null
      : await startObserveServer({ ...observeParts, listen: config.observe, onError });
  if (observe !== null) closers.push(() => observe.close());
  const loadedAt = new Date(wallMs()).toISOString();
  const startedMs = monotonicMs();
  const admin =
    config.admin === null
      ? null
      : await startAdminServer({
          listen: config.admin,
          actions: { drain: () => parts.drainState.asked() },
          status: () => ({
            version: options.version,
            uptimeSeconds: Math.round((monotonicMs() - startedMs) / 1000),
            store: parts.opened.store.kind,
            inFlight: parts.metrics.inFlight.value(),
            state: parts.drainState.phase === 'serving' ? 'serving' : 'draining',
            config: { file: options.configFile, loadedAt },
          }),
          // Without a port of their own, health and metrics are served here.
          observe: config.observe === null ? observeParts : null,
          onError,
        });
  if (admin !== null) closers.push(() => admin.close());
  return { observe, admin };
}

/** A pass removes a bounded number of expired records, so that no pass stops the world. */
const SWEEP_RECORDS_MAX = 500;

function startSweeper(config: ResolvedConfig, { opened, log }: Parts): { stop(): void } {
  let sweeping: 'idle' | 'busy' = 'idle';
  const timer = setInterval(() => {
    if (sweeping === 'busy') return;
    sweeping = 'busy';
    opened.store
      .sweep(SWEEP_RECORDS_MAX)
      .catch((error: unknown) =>
        log.storeUnavailable('error', `sweep: ${error instanceof Error ? error.message : 'failed'}`),
      )
      .finally(() => {
        sweeping = 'idle';
      });
  }, config.storePolicy.sweepIntervalMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

function upstreamOptions(config: ResolvedConfig): Parameters<typeof createUpstream>[0] {
  const { origin, connectMs, connectionsMax, queueMs } = config.upstream;
  return { origin, connectMs, connectionsMax, queueMs };
}

function listenerOptions(config: ResolvedConfig): Parameters<typeof startListener>[0] {
  const { listen, limits } = config;
  return {
    host: listen.host,
    port: listen.port,
    headBytesMax: limits.headBytesMax,
    headTimeoutMs: limits.headTimeoutMs,
    bodyTimeoutMs: limits.bodyTimeoutMs,
    idleMs: limits.idleMs,
    connectionsMax: limits.connectionsMax,
  };
}
