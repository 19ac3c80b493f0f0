import { randomBytes, randomUUID } from 'node:crypto';
import { type Certificates, openUpstreamCertificate } from './certificates.ts';
import type { ResolvedConfig } from './config/resolved.ts';
import { policiesOf } from './core/plan.ts';
import { TICKET_ID_BYTES } from './core/ticket.ts';
import { createLockKeeper } from './engine/lock-keeper.ts';
import { createObservedLog } from './engine/observed-log.ts';
import { createOwners } from './engine/owner.ts';
import { createReconciler } from './engine/reconcile.ts';
import { createResealer } from './engine/resealer.ts';
import { createRotations } from './engine/rotations.ts';
import { createSettler } from './engine/settler.ts';
import { createSightings, TRUSTED_CLOCK } from './engine/sightings.ts';
import { createTicketDesk } from './engine/ticket-desk.ts';
import type { Engine } from './engine/types.ts';
import { createVersions } from './engine/versions.ts';
import type { UpstreamTls } from './http/upstream-tls.ts';
import { createLog, type Log, type LogDestination } from './observe/log.ts';
import { createMetrics, type Metrics } from './observe/metrics.ts';
import { createOverload, type OverloadParts } from './overload.ts';
import type { Store } from './store/contract.ts';
import { guardStore } from './store/guard.ts';
import { createKeepAlive } from './store/keep-alive.ts';
import { type OpenedStore, openStore } from './store/open.ts';
import { createQuietWatch } from './store/quiet-watch.ts';

/**
 * The parts below the ports: what every process of Onceward has (`Base`), and what one that takes requests has besides
 * (`Engine`). Edge file: it reads the clocks.
 */

/** What every process has, whether it takes requests or not. */
export type Base = {
  readonly log: Log;
  readonly opened: OpenedStore;
  /** The opened store behind deadlines, breaker and metrics: what all but health checks should use. */
  readonly store: Store;
  readonly metrics: Metrics;
  readonly overload: OverloadParts;
  /** What we show and believe at the backend; null: what node has. */
  readonly backendTls: Certificates<UpstreamTls> | null;
};

export type DrainState = { phase: 'serving' | 'not-ready' | 'draining' | 'ended'; asked: () => void };

/** Whose time is the wall clock of a server; the others count on a monotonic one. */
const SERVER_STORES: ReadonlySet<Store['kind']> = new Set(['redis', 'postgres']);
/** Probes for repeats at once; a backend that answers none of them must not be asked without bound. */
const REPEAT_PROBES_MAX = 32;
export const STORE_PING_MS = 1_000;
export const CLOSE_LOG_MS = 1_000;

export const monotonicMs = (): number => performance.now();
export const wallMs = (): number => Date.now();

export type BaseOptions = {
  readonly config: ResolvedConfig;
  readonly version: string;
  readonly logDestination: LogDestination;
  /** Processes that take requests at this moment. */
  readonly workersListening: () => number;
};

/** Rejects with one line when the store cannot be had. */
export async function openBase(options: BaseOptions): Promise<Base> {
  const { config, version, logDestination, workersListening } = options;
  const log = createLog({ level: config.log.level, destination: logDestination, wallMs });
  const opened = await openStore({
    spec: config.store,
    secrets: config.secrets,
    commandTimeoutMs: config.storePolicy.deadlineMs,
    wallMs,
    monotonicMs,
    randomBytes,
    warn: (message) => log.event('warn', message, {}),
  });
  const backendTls = await openUpstreamCertificate(config, log, wallMs).catch(async (error: unknown) => {
    await opened.store.close();
    throw error;
  });
  const overload = createOverload(config, log, monotonicMs);
  const metrics = createMetrics({
    routeNames: routeNames(config),
    store: opened.store.kind,
    version,
    nodeVersion: process.versions.node,
    stats: () => opened.store.stats(),
    statsDeadlineMs: STORE_PING_MS,
    load: () => overload.figures(),
    logLinesDropped: () => log.linesDropped(),
    workersListening,
  });
  const store = guardStore(opened.store, {
    deadlineMs: config.storePolicy.deadlineMs,
    monotonicMs,
    observe: (operation, result, seconds) => metrics.storeOperation(operation, result, seconds),
    onDefect: (_operation, error) => log.unexpected(error),
    underWayMax: config.storePolicy.underWayMax,
    ...(SERVER_STORES.has(opened.store.kind)
      ? { quiet: createQuietWatch(monotonicMs, longestLeaseMs(config)) }
      : {}),
  });
  return { log, opened, store, metrics, overload, backendTls };
}

export function createEngine(config: ResolvedConfig, base: Base, drainState: DrainState): Engine {
  const { log, store, metrics, overload } = base;
  const settler = createSettler({
    store,
    monotonicMs,
    onGivenUp: (error) => log.storeUnavailable(error.reason, `a settlement was given up: ${error.message}`),
  });
  overload.attach({ settlementsPending: () => settler.pending() });
  const shutdown = new Set<() => void>();
  return {
    store,
    keepAlive: createKeepAlive({
      renew: (claim, leaseMs) => store.renew(claim, leaseMs),
      monotonicMs,
      onError: (error) => log.unexpected(error),
    }),
    locks: createLockKeeper({
      ...{ cells: store.cells, monotonicMs, newOwner: createOwners(randomBytes) },
      onError: (error) => log.unexpected(error),
    }),
    settler,
    versions: createVersions({
      ...{ store, settler, monotonicMs, newOwner: createOwners(randomBytes) },
      waiters: overload.waiters,
      sightings: SERVER_STORES.has(store.kind) ? createSightings(monotonicMs) : TRUSTED_CLOCK,
      onError: (error) => log.unexpected(error),
    }),
    reconciler: createReconciler({
      ...{ store, metrics, log, budget: overload.budget, wallMs, monotonicMs },
      probesMax: REPEAT_PROBES_MAX,
    }),
    metrics,
    observed: createObservedLog(wallMs),
    log,
    budget: overload.budget,
    waiters: overload.waiters,
    tasks: overload.tasks,
    resealer: createResealer({
      store,
      onEnded: (result) => metrics.responseResealed(result),
      onError: (error) => log.unexpected(error),
    }),
    principals: overload.principals,
    clients: overload.clients,
    tickets: createTicketDesk(() => randomBytes(TICKET_ID_BYTES), monotonicMs),
    rotations: createRotations(),
    admission: overload.admission(config.limits, () => metrics.inFlight.value()),
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
  };
}

export function upstreamOptions({ upstream }: ResolvedConfig, { backendTls }: Pick<Base, 'backendTls'>) {
  const { origin, protocol, connectMs, connectionsMax, queueMs, reuse } = upstream;
  return {
    origin,
    protocol,
    connectMs,
    connectionsMax,
    queueMs,
    reuse,
    tls: () => backendTls?.current() ?? null,
  };
}

function longestLeaseMs(config: ResolvedConfig): number {
  return Math.max(0, ...policiesOf(config).map(({ leaseMs }) => leaseMs));
}

export function routeNames(config: ResolvedConfig): readonly string[] {
  return policiesOf(config).map(({ name }) => name);
}
