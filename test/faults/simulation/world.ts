import type { ResolvedConfig } from '../../../src/config/resolved.ts';
import { STRANGER } from '../../../src/core/caller.ts';
import type { RoutePolicy, StatusTable } from '../../../src/core/policy.ts';
import { recordKey } from '../../../src/core/record-key.ts';
import { readScope } from '../../../src/core/scope.ts';
import { resolveStatusTable } from '../../../src/core/status-table.ts';
import type { TaskPolicy } from '../../../src/core/task.ts';
import type { Engine } from '../../../src/engine/types.ts';
import type { Store } from '../../../src/store/contract.ts';
import { type Backend, createBackend } from './backend.ts';
import { createDraw, type Draw } from './draw.ts';
import { Oracle } from './oracle.ts';
import { baseConfig, createProxy, type ProxyProcess } from './proxy.ts';
import { createStoreLink, SOUND_NETWORK, type StoreHost } from './store-link.ts';
import { SOUND_STEPS, type Steps, StoreServer } from './store-server.ts';
import { createParty, Timeline } from './timeline.ts';

/** What one history is made of: proxies over one store and one backend, and whoever watches. */
export type World = {
  readonly timeline: Timeline;
  readonly draw: Draw;
  readonly oracle: Oracle;
  readonly host: StoreHost;
  readonly backend: Backend;
  readonly policy: RoutePolicy;
  readonly config: ResolvedConfig;
  /** Null while a process is down. */
  /** wall: of a server of its own. monotonic: of the machine that it shares with the proxies, and boots with. */
  readonly storeClock: 'wall' | 'monotonic';
  readonly proxies: (ProxyProcess | null)[];
  /** Of each proxy's machine. */
  readonly wallJumpMs: number[];
  readonly trace: ((line: string) => void) | null;
  health: 'faulty' | 'sound';
  /** Takes the store back to an earlier state; null where it keeps its writes. */
  rollBack: (() => void) | null;
  lastFaultMs: number;
  lives: number;
  ids: number;
  readonly broken: Broken;
};

/** A deliberately broken part, to see that the oracle would notice. */
export type Broken = {
  readonly name: string;
  readonly steps?: Partial<Steps>;
  readonly store?: (link: Store) => Store;
  readonly engine?: (engine: Engine) => Engine;
  /** ignored: what the last look at the lease says does not count. */
  readonly lastLook?: 'ignored';
  /** One policy for all histories, where only some would show the fault. */
  readonly policy?: Partial<RoutePolicy>;
};

export const SOUND: Broken = { name: 'sound' };

const BASE = baseConfig();
const SECRET = new Uint8Array(32).fill(7);
const WALL_MS = 1_795_000_000_000;

const ENCRYPTION_KEYS = [{ id: 'k1', key: '17'.repeat(32) }];

const TABLES: readonly [StatusTable, ...StatusTable[]] = [
  resolveStatusTable({}),
  resolveStatusTable({}),
  resolveStatusTable({ '503': 'park' }),
  resolveStatusTable({ '4xx': 'release', '500': 'park' }),
];

export function createWorld(seed: number, broken: Broken, trace: ((line: string) => void) | null): World {
  const timeline = new Timeline();
  const draw = createDraw(seed);
  // Of a draw of their own: a history without tasks is the same as before there were any.
  const task = drawTask(createDraw(seed + TASK_SEED));
  const policy = { ...drawPolicy(draw), task, ...broken.policy };
  const config: ResolvedConfig = {
    ...BASE.config,
    storePolicy: {
      ...BASE.config.storePolicy,
      deadlineMs: draw.pick([100, 200, 500]),
      settleWaitMs: draw.pick([50, 300, 1000]),
    },
    limits: {
      ...BASE.config.limits,
      // Now and then so tight that bodies find no room.
      bufferBytesMax: draw.chance(0.1) ? 1_500 : BASE.config.limits.bufferBytesMax,
      tasksMax: (seed & 1) === 0 ? 2 : BASE.config.limits.tasksMax,
      principal: {
        inFlightMax: draw.chance(0.1) ? 2 : null,
        newKeys: draw.chance(0.1) ? { burst: 1, perHour: 3_600 } : null,
      },
    },
    encryption: draw.chance(0.15)
      ? {
          keys: ENCRYPTION_KEYS,
          bind: withoutClient(draw.pick(['record', 'client']), task),
          responses: draw.pick(['sealed', 'plain']),
        }
      : BASE.config.encryption,
    fallback: { kind: 'policy', policy },
  };
  const oracle: Oracle = new Oracle(timeline, policy, () => host.server, trace && timed(timeline, trace));
  const host: StoreHost = {
    server: new StoreServer(() => timeline.nowMs, { ...SOUND_STEPS, ...broken.steps }, oracle),
    state: 'up',
    pausedUntilMs: 0,
    odds: SOUND_NETWORK,
    subscribers: new Map(),
  };
  const world: World = {
    timeline,
    draw,
    oracle,
    host,
    policy,
    config,
    backend: createBackend({ timeline, draw, policy, watch: oracle, health: () => world.health }),
    storeClock: draw.chance(0.5) ? 'wall' : 'monotonic',
    proxies: [],
    wallJumpMs: [],
    trace: trace && timed(timeline, trace),
    health: 'faulty',
    rollBack: null,
    lastFaultMs: 0,
    lives: 0,
    ids: 0,
    broken,
  };
  const count = draw.int(2, 3);
  for (let slot = 0; slot < count; slot += 1) {
    world.wallJumpMs.push(0);
    world.proxies.push(null);
    start(world, slot);
  }
  return world;
}

function timed(timeline: Timeline, trace: (line: string) => void): (line: string) => void {
  return (line) => trace(`${timeline.nowMs.toFixed(1).padStart(9)} ${line}`);
}

function drawPolicy(draw: Draw): RoutePolicy {
  const short = draw.chance(0.1);
  return {
    ...BASE.policy,
    leaseMs: draw.pick([1000, 1500, 3000]),
    // Seldom so short that records expire under the retries.
    retainMs: short ? 2_000 : BASE.policy.retainMs,
    unknownRetainMs: short ? 4_000 : BASE.policy.unknownRetainMs,
    dispatchMark: draw.pick(['together', 'separate']),
    inFlight: draw.chance(0.7)
      ? { kind: 'join', waitMs: draw.pick([200, 1000, 2000]), waitersMax: draw.int(1, 3) }
      : { kind: 'reject' },
    status: draw.pick(TABLES),
    onUnknown: draw.chance(0.25) ? 'retry' : 'hold',
    quietMs: draw.pick([500, 3_000]),
    onStoreDown: draw.chance(0.1) ? 'forward' : 'refuse',
    unprovenEnd: draw.pick(['park', 'trust']),
    requestBytesMax: 200,
    responseBytesMax: 400,
    timeouts: {
      headMs: draw.pick([300, 1000, 2000]),
      bodyIdleMs: draw.pick([200, 1000]),
      totalMs: draw.pick([0, 0, 1500]),
      lateAnswerMs: draw.pick([0, 1000, 4000]),
    },
  };
}

const TASK_SEED = 0x7a5c;

function drawTask(draw: Draw): TaskPolicy | null {
  if (!draw.chance(0.3)) return null;
  return {
    respond: draw.pick(['prefer', 'always']),
    onRepeat: draw.pick(['attach', 'state', 'reject']),
    afterCompletion: draw.pick(['replay', 'restart-failed']),
    waitMs: draw.pick([0, 500, 2_000]),
    waitersMax: draw.int(1, 3),
    timeoutMs: draw.pick([500, 2_500]),
    retryAfterMs: 1_000,
  };
}

/** As the check of a configuration demands it. */
function withoutClient(bind: 'record' | 'client', task: TaskPolicy | null): 'record' | 'client' {
  return task === null ? bind : 'record';
}

/** A fresh life of the process in this slot. */
export function start(world: World, slot: number): ProxyProcess {
  const { timeline, draw, host, config, oracle, broken } = world;
  world.lives += 1;
  const party = createParty(`proxy-${slot}.${world.lives}`, draw.int(0, 1_000_000));
  world.trace?.(`${party.name} starts`);
  const link = createStoreLink({
    timeline,
    draw,
    host,
    party,
    deadlineMs: config.storePolicy.deadlineMs,
    onFault: (what, untilMs) => fault(world, `${party.name}: ${what}`, untilMs),
  });
  const look = (go: 'go' | 'stop'): 'go' | 'stop' => (broken.lastLook === 'ignored' ? 'go' : go);
  const proxy = createProxy({
    party,
    config,
    secret: SECRET,
    store: broken.store === undefined ? link : broken.store(link),
    upstream: world.backend.upstreamFor(party, look),
    storeClock: world.storeClock,
    leaseMsMax: world.policy.leaseMs,
    wallMs: () => WALL_MS + timeline.nowMs + (world.wallJumpMs[slot] ?? 0),
    newId: () => nextId(world),
    changeEngine: broken.engine ?? ((engine) => engine),
    onDefect: (error) =>
      oracle.violation('a defect', error instanceof Error ? (error.stack ?? error.message) : String(error)),
  });
  world.proxies[slot] = proxy;
  return proxy;
}

function nextId(world: World): string {
  world.ids += 1;
  return world.ids.toString(16).padStart(32, '0');
}

/** The process is gone at this instant, with all it held. */
export function kill(world: World, proxy: ProxyProcess, why: string): void {
  if (proxy.party.state === 'dead') return;
  fault(world, `${proxy.party.name} is gone: ${why}`, world.timeline.nowMs);
  proxy.party.state = 'dead';
  const slot = world.proxies.indexOf(proxy);
  if (slot !== -1) world.proxies[slot] = null;
  for (const connection of proxy.connections) connection.breakOff();
}

export function fault(world: World, what: string, untilMs: number): void {
  world.trace?.(`fault: ${what}`);
  world.lastFaultMs = Math.max(world.lastFaultMs, untilMs);
}

const recordKeys = new Map<string, string>();

/** Under which the store keeps this caller's key; the same in all histories. */
export function recordKeyOf(policy: RoutePolicy, principal: string, key: string): string {
  const name = `${principal}\n${key}`;
  const known = recordKeys.get(name) ?? workOutRecordKey(policy, principal, key);
  recordKeys.set(name, known);
  return known;
}

function workOutRecordKey(policy: RoutePolicy, principal: string, key: string): string {
  const head = {
    method: 'POST',
    target: '/',
    rawHeaders: ['Authorization', principal],
    httpVersion: '1.1' as const,
  };
  const scope = readScope(policy.scope, head, STRANGER);
  if (scope.kind !== 'scope') throw new Error('no scope');
  return recordKey(SECRET, policy.keyspace, scope.scope, key);
}
