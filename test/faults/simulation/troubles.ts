import type { StoredResponse } from '../../../src/core/record.ts';
import { drainProxy, type ProxyProcess } from './proxy.ts';
import { SOUND_NETWORK } from './store-link.ts';
import { fault, kill, start, type World } from './world.ts';

/** The faults of a history and the operators in it: what happens, and when. */

const TROUBLES = [
  'crash',
  'crash',
  'stall',
  'stall',
  'drain',
  'store-paused',
  'store-restart',
  'store-down',
  'network',
  'network',
  'wall-jump',
  'machine-boot',
  'store-clock-jump',
  'short-memory',
] as const;

const HORIZON_MS = 5_000;
const HOUR_MS = 3_600_000;

export function planTroubles(world: World): void {
  const { draw, timeline, host } = world;
  if (draw.chance(0.5)) host.odds = drawOdds(world, 0.04);
  const count = draw.int(0, 4);
  for (let n = 0; n < count; n += 1) {
    const trouble = draw.pick(TROUBLES);
    const slot = draw.int(0, world.proxies.length - 1);
    const proxy = world.proxies[slot];
    // At any event of a process, not only at any time: the steps of a request lie close together.
    if ((trouble === 'crash' || trouble === 'stall') && draw.chance(0.6) && proxy?.party.fuse === 0) {
      proxy.party.fuse = draw.int(1, 60);
      proxy.party.onFuse = () => happen(world, trouble, slot);
    } else {
      const atMs = draw.chance(0.5) ? draw.int(0, 300) : draw.int(0, HORIZON_MS);
      timeline.after(timeline.world, atMs, () => happen(world, trouble, slot));
    }
  }
  const looks = draw.int(0, 3);
  for (let n = 0; n < looks; n += 1)
    timeline.after(timeline.world, draw.int(500, 2 * HORIZON_MS), () => operate(world));
  timeline.after(timeline.world, draw.int(1_000, 2 * HORIZON_MS), () => host.server.sweep());
}

function drawOdds({ draw }: World, each: number): World['host']['odds'] {
  const part = (): number => (draw.chance(0.5) ? each : 0);
  return { lostBefore: part(), lostAfter: part(), late: part(), duplicated: part(), refused: part() };
}

// One case per kind of fault, in the order of the table above.
function happen(world: World, trouble: (typeof TROUBLES)[number], slot: number): void {
  const { draw, timeline, host, oracle, policy } = world;
  const proxy = world.proxies[slot] ?? null;
  const nowMs = timeline.nowMs;
  switch (trouble) {
    case 'crash':
      if (proxy !== null) crash(world, proxy, slot);
      return;
    case 'stall': {
      if (proxy === null) return;
      // Never shorter than a stall it is in already: what that has put off would come after what came later.
      const untilMs = Math.max(proxy.party.stalledUntilMs, nowMs + (policy.leaseMs * draw.int(2, 40)) / 10);
      proxy.party.stalledUntilMs = untilMs;
      fault(world, `${proxy.party.name} stalls`, untilMs);
      return;
    }
    case 'drain':
      if (proxy !== null && proxy.drainState.phase === 'serving') drain(world, proxy, slot);
      return;
    case 'store-paused':
      host.pausedUntilMs = nowMs + draw.int(50, policy.leaseMs * 2);
      fault(world, 'the store pauses', host.pausedUntilMs);
      return;
    case 'store-restart':
      storeDown(world, draw.int(20, 500));
      return;
    case 'store-down':
      storeDown(world, draw.int(500, policy.leaseMs * 2));
      return;
    case 'network': {
      const before = host.odds;
      const forMs = draw.int(100, 2_000);
      host.odds = drawOdds(world, 0.3);
      fault(world, 'the network is bad', nowMs + forMs);
      timeline.after(timeline.world, forMs, () => {
        host.odds = before;
      });
      return;
    }
    case 'wall-jump':
      world.wallJumpMs[slot] = draw.pick([HOUR_MS, -HOUR_MS]);
      fault(world, `the wall clock of proxy ${slot} jumps`, nowMs);
      return;
    case 'machine-boot':
      if (world.storeClock === 'wall') return;
      // One machine for all: the store whose leases end with a boot is the one that the processes share a machine with.
      world.proxies.forEach((each, at) => {
        if (each !== null) crash(world, each, at);
      });
      host.server.boot();
      return;
    case 'store-clock-jump':
      if (world.storeClock === 'monotonic') return;
      oracle.accountable.storeClock = 'jumped';
      host.server.jumpedMs += draw.pick([HOUR_MS, -HOUR_MS]);
      fault(world, "the store's clock jumps", nowMs);
      return;
    case 'short-memory': {
      if (proxy === null) return;
      const forMs = draw.int(100, 3_000);
      proxy.pressure = draw.pick(['refuse', 'stop']);
      fault(world, `${proxy.party.name} is short of memory`, nowMs + forMs);
      timeline.after(timeline.world, forMs, () => {
        proxy.pressure = 'none';
      });
      return;
    }
    default:
      trouble satisfies never;
  }
}

function crash(world: World, proxy: ProxyProcess, slot: number): void {
  kill(world, proxy, 'kill -9');
  restartLater(world, slot);
}

function restartLater(world: World, slot: number): void {
  const { draw, timeline } = world;
  timeline.after(timeline.world, draw.int(10, 2_000), () => {
    if (world.proxies[slot] === null) start(world, slot);
  });
}

function drain(world: World, proxy: ProxyProcess, slot: number): void {
  const { draw, timeline } = world;
  fault(world, `${proxy.party.name} drains`, timeline.nowMs);
  timeline.after(proxy.party, 0, () => {
    void drainProxy(proxy, draw.int(0, 2_000), () => {
      kill(world, proxy, 'SIGTERM');
      restartLater(world, slot);
    });
  });
}

/** Its acknowledged writes are there when it is back; or, where that is what is looked at, some of them are not. */
function storeDown(world: World, forMs: number): void {
  const { host, timeline } = world;
  fault(world, 'the store is down', timeline.nowMs + forMs);
  host.state = 'down';
  timeline.after(timeline.world, forMs, () => {
    host.state = 'up';
    world.rollBack?.();
  });
}

/** Every so often the server writes to its disk; a restart brings back what was written last. */
export function loseWrites(world: World): void {
  const { draw, host, oracle, timeline } = world;
  oracle.accountable.storeWrites = 'lost';
  for (let atMs = 100; atMs < HORIZON_MS; atMs += 400)
    timeline.after(timeline.world, atMs, () => {
      world.rollBack = host.server.snapshot();
    });
  for (let n = 0; n < 3; n += 1)
    timeline.after(timeline.world, draw.int(0, HORIZON_MS), () => storeDown(world, draw.int(20, 300)));
}

/** An operator who looks at the backend before he says what became of a key. */
function operate(world: World): void {
  const { draw, host, oracle, policy } = world;
  for (const [recordKey, key] of oracle.keys()) {
    if (draw.chance(0.5)) continue;
    const head = host.server.head(recordKey);
    const stands = host.server.stands(recordKey);
    if (head === null) continue;
    if (stands === 'completed' && draw.chance(0.15)) {
      world.trace?.(`the operator forgets ${key.name}`);
      host.server.forget(recordKey, 'settled-only');
      continue;
    }
    if (stands !== 'unknown' || oracle.busy(recordKey)) continue;
    const act = oracle.actOf(recordKey, head.token);
    world.trace?.(
      `the operator resolves ${key.name}: ${act === null ? 'did not happen' : `exchange ${act.id}`}`,
    );
    if (act === null)
      host.server.resolve(recordKey, head.token, { kind: 'released', quietMs: 0 }, 'operator');
    else {
      const { status, body, action } = act.answer;
      if (action !== 'complete') continue;
      const receivedAtMs = world.timeline.nowMs;
      const rawHeaders = act.answer.rawHeaders.filter(
        (_, at, all) => all[at - (at % 2)] !== 'Transfer-Encoding',
      );
      const response: StoredResponse = { kind: 'full', status, rawHeaders, body, receivedAtMs };
      host.server.resolve(
        recordKey,
        head.token,
        { kind: 'completed', response, retainMs: policy.retainMs },
        'operator',
      );
    }
  }
}

export function heal(world: World): void {
  const { host, proxies } = world;
  world.health = 'sound';
  host.state = 'up';
  host.odds = SOUND_NETWORK;
  proxies.forEach((proxy, slot) => {
    if (proxy === null) start(world, slot);
    else proxy.party.fuse = 0;
  });
}
