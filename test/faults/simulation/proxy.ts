import { loadConfigText } from '../../../src/config/load.ts';
import type { ResolvedConfig } from '../../../src/config/resolved.ts';
import type { Pressure } from '../../../src/core/overload.ts';
import type { RoutePolicy } from '../../../src/core/policy.ts';
import { createAdmission } from '../../../src/engine/admission.ts';
import { createPrincipals } from '../../../src/engine/principals.ts';
import { createTaskRoom } from '../../../src/engine/task-room.ts';
import type { Engine, Snapshot } from '../../../src/engine/types.ts';
import { createWaiters } from '../../../src/engine/waiters.ts';
import { createByteBudget } from '../../../src/http/byte-budget.ts';
import type { Upstream } from '../../../src/http/seam.ts';
import type { Tunnel } from '../../../src/http/tunnel.ts';
import { createLog } from '../../../src/observe/log.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';
import type { OverloadParts } from '../../../src/overload.ts';
import { createEngine, type DrainState } from '../../../src/parts.ts';
import { createServing, type Serving } from '../../../src/serving.ts';
import { createSnapshot } from '../../../src/snapshot.ts';
import type { Store } from '../../../src/store/contract.ts';
import { guardStore } from '../../../src/store/guard.ts';
import { createQuietWatch } from '../../../src/store/quiet-watch.ts';
import type { Connection } from './connection.ts';
import type { Party } from './timeline.ts';

/** One life of one proxy process: the engine of src/parts.ts over simulated edges. */

export type ProxyProcess = {
  readonly party: Party;
  readonly engine: Engine;
  readonly serving: Serving;
  readonly connections: Set<Connection>;
  readonly drainState: DrainState;
  /** How short its memory is. */
  pressure: Pressure;
  /** What is in hand that should not be once everything is over; empty when nothing is. */
  leaks(): readonly string[];
};

export type ProxyOptions = {
  readonly party: Party;
  readonly config: ResolvedConfig;
  readonly secret: Uint8Array;
  readonly store: Store;
  readonly upstream: Upstream;
  /** wall: that of a server, which may jump, and is not trusted with quiet times alone. */
  readonly storeClock: 'wall' | 'monotonic';
  readonly leaseMsMax: number;
  readonly wallMs: () => number;
  /** Unique over all lives of all proxies, as 128 random bits are. */
  readonly newId: () => string;
  readonly onDefect: (error: unknown) => void;
  /** Where a part is to be broken on purpose. */
  readonly changeEngine: (engine: Engine) => Engine;
};

const TEXT = `upstream: { url: "http://backend.test" }\nstore: "memory:"\ndefaults: { scope: { headers: [Authorization] } }\n`;

/** The configuration of a file that names almost nothing; a history changes its plain data. */
export function baseConfig(): { readonly config: ResolvedConfig; readonly policy: RoutePolicy } {
  const loaded = loadConfigText(TEXT, 'simulation.yaml', {});
  if (loaded.kind === 'faults') throw new Error(loaded.faults.map(({ text }) => text).join('\n'));
  const { fallback } = loaded.config;
  if (fallback.kind !== 'policy') throw new Error('no policy where no route matches');
  return { config: loaded.config, policy: fallback.policy };
}

/** Real ones, shared by all: what is counted decides nothing, but for the number in flight. */
const METRICS = createMetrics({
  routeNames: ['defaults'],
  store: 'redis',
  version: 'simulation',
  nodeVersion: 'simulation',
  stats: () => Promise.resolve({ records: null, bytes: null }),
  statsDeadlineMs: 1,
  load: () => NO_LOAD,
  logLinesDropped: () => 0,
  workersListening: () => 1,
});

const NO_LOAD = {
  joinedWaiters: 0,
  tasksRunning: 0,
  bufferBytes: 0,
  pressure: 'none',
  settlementsPending: 0,
  principals: 0,
  connections: 0,
  connectionsRefused: 0,
  handshakesFailed: 0,
  certificateNotAfterMs: 0,
} as const;

const LOG = createLog({
  level: 'silent',
  destination: { write: () => undefined, linesDropped: () => 0, close: () => Promise.resolve() },
  wallMs: () => 0,
  schedule: () => () => undefined,
});

/** No upgrade is simulated. */
const NO_TUNNEL: Tunnel = {
  open: () => undefined,
  count: () => 0,
  destroyAll: () => undefined,
};

export function createProxy(options: ProxyOptions): ProxyProcess {
  const { config, wallMs, newId } = options;
  const monotonicMs = (): number => performance.now();
  const store = guardStore(options.store, {
    deadlineMs: config.storePolicy.deadlineMs,
    monotonicMs,
    onDefect: (_operation, error) => options.onDefect(error),
    ...(options.storeClock === 'wall' ? { quiet: createQuietWatch(monotonicMs, options.leaseMsMax) } : {}),
  });
  let inFlight = 0;
  const metrics = {
    ...METRICS,
    inFlight: {
      inc: () => {
        inFlight += 1;
      },
      dec: () => {
        inFlight -= 1;
      },
      value: () => inFlight,
    },
  };
  const drainState: DrainState = { phase: 'serving', asked: () => undefined };
  const overload = overloadOf(config, () => proxy.pressure);
  const opened = { store: options.store, secrets: [options.secret], warnings: [] };
  const log = { ...LOG, unexpected: options.onDefect };
  const base = { log, opened, store, metrics, overload, backendTls: null };
  const engine = options.changeEngine({
    ...createEngine(config, base, drainState),
    wallMs,
    newOwner: newId,
    newUuid: newId,
  });
  const snapshot: Snapshot = createSnapshot(config, options.upstream, [options.secret], null);
  const proxy: ProxyProcess = {
    party: options.party,
    engine,
    serving: createServing({ engine, snapshot: () => snapshot, tunnel: NO_TUNNEL }),
    connections: new Set(),
    drainState,
    pressure: 'none',
    leaks() {
      const inHand = {
        'bytes of the budget': overload.budget.usedBytes(),
        waiters: overload.waiters.count(),
        tasks: overload.tasks.running(),
        holds: engine.keepAlive.held(),
        settlements: engine.settler.pending(),
        reseals: engine.resealer.pending(),
        'requests in flight': inFlight,
      };
      return Object.entries(inHand).flatMap(([what, count]) => (count === 0 ? [] : [`${count} ${what}`]));
    },
  };
  return proxy;
}

/** As src/overload.ts, but for the memory that is read: it is the history's to say how short it is. */
function overloadOf({ limits }: ResolvedConfig, pressure: () => Pressure): OverloadParts {
  const budget = createByteBudget(limits.bufferBytesMax);
  return {
    budget,
    waiters: createWaiters(limits.joinersMax, pressure),
    tasks: createTaskRoom(limits.tasksMax),
    principals: createPrincipals(limits.principal, () => performance.now()),
    clients: null,
    pressure,
    admission: ({ inFlightMax, bufferBytesMax }, inFlight) =>
      createAdmission({ inFlight, inFlightMax, budget, bufferBytesMax, pressure }),
    attach: () => undefined,
    connections: () => 'has-room',
    figures: () => NO_LOAD,
    stop: () => undefined,
  };
}

/** As src/proxying.ts ends a process; `exit` is where it would be gone. */
export async function drainProxy(proxy: ProxyProcess, timeoutMs: number, exit: () => void): Promise<void> {
  const { drainState, serving, engine } = proxy;
  drainState.phase = 'draining';
  if ((await serving.idleWithin(timeoutMs, () => undefined)) === 'still-busy') {
    engine.shutDown();
    await serving.idleWithin(2_000, () => undefined);
  }
  engine.keepAlive.stop();
  exit();
}
