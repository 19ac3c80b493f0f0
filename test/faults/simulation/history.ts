import { createHash } from 'node:crypto';
import { audit, startClients } from './clients.ts';
import type { Oracle, Violation } from './oracle.ts';
import { outsideMicrotasks, withVirtualTime } from './timeline.ts';
import { heal, loseWrites, planTroubles } from './troubles.ts';
import { type Broken, createWorld, SOUND, type World } from './world.ts';

/** One history from its seed: drawn, played to its end, healed, looked at once more, and judged. */

export type HistoryOptions = {
  readonly broken?: Broken;
  /** lost: restarts of the store lose acknowledged writes, and doubles are expected. */
  readonly storeWrites?: 'kept' | 'lost';
  readonly trace?: (line: string) => void;
};

export type Judged = {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly seen: Readonly<Oracle['seen']>;
  readonly requests: number;
  readonly events: number;
  readonly virtualMs: number;
};

/** Longer than any sum of the time limits and stalls that a history draws. */
const REQUEST_MS_MAX = 40_000;
const SETTLE_MS = 1_000;

/** Must be called outside microtasks. */
function playHistory(seed: number, options: HistoryOptions): Judged {
  const world = createWorld(seed, options.broken ?? SOUND, options.trace ?? null);
  const { timeline, oracle } = world;
  withVirtualTime(timeline, () => {
    if (options.storeWrites === 'lost') loseWrites(world);
    startClients(world);
    planTroubles(world);
    judgeRun(world);
    judgeKeys(world);
    // All leases are over: what is in flight now never ends.
    timeline.after(timeline.world, world.policy.leaseMs + SETTLE_MS, () => {
      heal(world);
      audit(world);
    });
    judgeRun(world);
    judgeKeys(world);
  });
  return {
    seed,
    violations: oracle.violations,
    seen: oracle.seen,
    requests: oracle.asked.size,
    events: timeline.events,
    virtualMs: timeline.nowMs,
  };
}

/** Nothing is left to happen: every request has ended, and nothing is in anybody's hand. */
function judgeRun(world: World): void {
  const { timeline, oracle } = world;
  if (timeline.run() === 'endless') oracle.violation('the history does not end', `${timeline.events} events`);
  for (const { id, startedMs, endedMs } of oracle.asked.values()) {
    if (endedMs === null) oracle.violation('a request never ended', id);
    else if (endedMs - startedMs > REQUEST_MS_MAX)
      oracle.violation('a request took too long', `${id}: ${Math.round(endedMs - startedMs)} ms`);
  }
  for (const proxy of world.proxies)
    for (const leak of proxy?.leaks() ?? []) oracle.violation('something is left over', leak);
}

/** Every key is terminal within its lease and a second, counted from the last fault and the last sign of life. */
function judgeKeys(world: World): void {
  const { oracle, host, policy, timeline } = world;
  if (oracle.accountable.storeClock === 'jumped') return;
  for (const [recordKey, key] of oracle.keys()) {
    const state = host.server.head(recordKey)?.state;
    if (state !== 'claimed' && state !== 'dispatched') continue;
    const fromMs = Math.max(world.lastFaultMs, key.lastActivityMs);
    const endMs = host.server.leaseEndMs(recordKey);
    if (endMs > fromMs + policy.leaseMs + SETTLE_MS)
      oracle.violation(
        'a key is in flight for too long',
        `${key.name} until ${endMs}, now ${timeline.nowMs}`,
      );
  }
}

const SLICE_MS = 200;

export type Histories = {
  readonly played: number;
  readonly requests: number;
  readonly events: number;
  readonly seen: Oracle['seen'];
  readonly withDoubles: number;
  readonly violating: readonly Judged[];
};

/** Seeds from `seed` on; stops early after `violatingMax` histories that broke the promise. */
export async function playHistories(
  seed: number,
  count: number,
  options: HistoryOptions & {
    readonly violatingMax?: number;
    readonly onSlice?: (played: number, before: number) => void;
  } = {},
): Promise<Histories> {
  const violatingMax = options.violatingMax ?? 10;
  const violating: Judged[] = [];
  const seen = {
    dispatched: 0,
    acted: 0,
    answered: 0,
    replayed: 0,
    reopened: 0,
    unknown: 0,
    forwarded: 0,
    doubles: 0,
  };
  let played = 0;
  let requests = 0;
  let events = 0;
  let withDoubles = 0;
  while (played < count && violating.length < violatingMax) {
    const before = played;
    await outsideMicrotasks(() => {
      const endMs = performance.now() + SLICE_MS;
      while (played < count && violating.length < violatingMax && performance.now() < endMs) {
        const judged = playHistory(seed + played, options);
        played += 1;
        requests += judged.requests;
        events += judged.events;
        if (judged.seen.doubles > 0) withDoubles += 1;
        for (const what of Object.keys(seen) as (keyof typeof seen)[]) seen[what] += judged.seen[what];
        if (judged.violations.length > 0) violating.push(judged);
      }
    });
    options.onSlice?.(played, before);
  }
  return { played, requests, events, seen, withDoubles, violating };
}

/** The trace of a history, line by line. */
export async function traceOf(
  seed: number,
  options: Omit<HistoryOptions, 'trace'> = {},
): Promise<readonly string[]> {
  const lines: string[] = [];
  await outsideMicrotasks(() => playHistory(seed, { ...options, trace: (line) => lines.push(line) }));
  return lines;
}

/** Equal for equal traces. */
export async function digestOf(seed: number): Promise<string> {
  return createHash('sha256')
    .update((await traceOf(seed)).join('\n'))
    .digest('hex');
}
