/**
 * One holder at a time for a resource, and a queue of those who wait for it: the value of a cell. Times are the store's.
 * Every step is a whole new value, written only over the one that was read; whoever loses that race reads again.
 *
 * The token of a holding is the version of the write that began it, so it grows from holding to holding over whatever
 * happens to the cell. Whoever was in the queue begins its holding by a write of its own: a dead waiter holds nothing.
 */

export type Lock = {
  readonly holder: Holder | null;
  /** Without a holder: since when, by which the turn of the first in the queue is measured. */
  readonly freeSinceMs: number;
  readonly queue: readonly Ticket[];
};

export type Holder = {
  /** 32 hexadecimal digits of its own. */
  readonly owner: string;
  readonly leaseMs: number;
  readonly untilMs: number;
};

export type Ticket = {
  readonly owner: string;
  /** How long it wants to wait in all. */
  readonly waitMs: number;
  readonly untilMs: number;
};

export type LockTerms = { readonly leaseMs: number; readonly waitMs: number; readonly queueMax: number };

/** Most entries whose queue still fits into a cell. */
export const QUEUE_MAX = 500;

/**
 * How long the first in the queue may leave a free lock alone. It looks several times in that; one that does not is
 * taken for dead, and loses its place.
 */
export const TURN_MS = 1_000;

export const NO_LOCK: Lock = { holder: null, freeSinceMs: 0, queue: [] };

/**
 * What time alone has made of it: a lease that ran out, waiters that gave up or missed their turn. Told from the times
 * in the value and no others, so that everybody who looks finds the same.
 */
export function lockAt(read: Lock, nowMs: number): Lock {
  const holder = heldAt(read.holder, nowMs);
  const tickets = begunAt(read.queue, nowMs);
  if (holder !== null) return { holder, freeSinceMs: 0, queue: livingAt(tickets, nowMs) };
  let freeSinceMs = Math.min(nowMs, read.holder?.untilMs ?? read.freeSinceMs);
  let at = 0;
  for (; at < tickets.length; at += 1) {
    const turnEndMs = Math.min(tickets[at]?.untilMs ?? 0, freeSinceMs + TURN_MS);
    if (turnEndMs > nowMs) break;
    freeSinceMs = Math.max(freeSinceMs, turnEndMs);
  }
  return { holder: null, freeSinceMs, queue: livingAt(at === 0 ? tickets : tickets.slice(at), nowMs) };
}

function heldAt(holder: Holder | null, nowMs: number): Holder | null {
  if (holder === null || holder.untilMs <= nowMs) return null;
  // More is left than was given: the store's clock has gone back. A dead holder would stand until it has caught up.
  return { ...holder, untilMs: Math.min(holder.untilMs, nowMs + holder.leaseMs) };
}

/** Mostly nothing is to be done, and everybody in a long queue looks at all of it: then nothing is copied. */
function begunAt(queue: readonly Ticket[], nowMs: number): readonly Ticket[] {
  return queue.every(({ untilMs, waitMs }) => untilMs <= nowMs + waitMs)
    ? queue
    : queue.map((ticket) => ({ ...ticket, untilMs: Math.min(ticket.untilMs, nowMs + ticket.waitMs) }));
}

function livingAt(queue: readonly Ticket[], nowMs: number): readonly Ticket[] {
  return queue.every(({ untilMs }) => untilMs > nowMs)
    ? queue
    : queue.filter(({ untilMs }) => untilMs > nowMs);
}

/** Whoever writes may be ahead of whoever reads by a way to the store. */
const AHEAD_MS_MAX = 1_000;

function liesAhead({ holder, freeSinceMs, queue }: Lock, nowMs: number): 'yes' | 'no' {
  const latestMs = nowMs + AHEAD_MS_MAX;
  const ahead =
    (holder !== null && holder.untilMs > latestMs + holder.leaseMs) ||
    freeSinceMs > latestMs ||
    queue.some(({ untilMs, waitMs }) => untilMs > latestMs + waitMs);
  return ahead ? 'yes' : 'no';
}

export type LockStep =
  /** To be written; who succeeds is the holder. */
  | { readonly kind: 'take'; readonly lock: Lock }
  /** To be written; who succeeds waits. */
  | { readonly kind: 'join'; readonly lock: Lock }
  /**
   * In the queue already; `ahead` come first. `mended`: to be written where the store's clock has gone back, or the
   * times that stand in the value would lie ahead until it has caught up.
   */
  | { readonly kind: 'wait'; readonly ahead: number; readonly mended: Lock | null }
  | { readonly kind: 'full' };

/** What somebody who wants the lock does next. `terms.waitMs`: what is left of its wait. */
export function acquireStep(read: Lock, owner: string, terms: LockTerms, nowMs: number): LockStep {
  const lock = lockAt(read, nowMs);
  const taken = (): Lock => ({
    holder: { owner, leaseMs: terms.leaseMs, untilMs: nowMs + terms.leaseMs },
    freeSinceMs: 0,
    queue: lock.queue.filter((ticket) => ticket.owner !== owner),
  });
  // Its own write, whose reply was lost: written again, so that it learns a token.
  if (lock.holder?.owner === owner) return { kind: 'take', lock: taken() };
  const place = lock.queue.findIndex((ticket) => ticket.owner === owner);
  if (lock.holder === null && (place === 0 || lock.queue.length === 0))
    return { kind: 'take', lock: taken() };
  if (place !== -1)
    return { kind: 'wait', ahead: place, mended: liesAhead(read, nowMs) === 'yes' ? lock : null };
  if (terms.waitMs <= 0 || lock.queue.length >= terms.queueMax) return { kind: 'full' };
  const ticket = { owner, waitMs: terms.waitMs, untilMs: nowMs + terms.waitMs };
  return { kind: 'join', lock: { ...lock, queue: [...lock.queue, ticket] } };
}

/**
 * The lease anew, also of one that ran out while nobody took it. Null: it is no longer this owner's.
 */
export function renewStep(read: Lock, owner: string, leaseMs: number, nowMs: number): Lock | null {
  if (read.holder?.owner !== owner) return null;
  const held = { owner, leaseMs, untilMs: nowMs + leaseMs };
  return { holder: held, freeSinceMs: 0, queue: read.queue.filter(({ untilMs }) => untilMs > nowMs) };
}

export type LeaveStep = {
  readonly lock: Lock;
  /** Whether somebody's turn may have come by it. */
  readonly wakes: 'waiters' | 'nobody';
};

/** Out of it, as holder or from the queue. Null: it is in neither. */
export function leaveStep(read: Lock, owner: string, nowMs: number): LeaveStep | null {
  const holds = read.holder?.owner === owner;
  const place = read.queue.findIndex((ticket) => ticket.owner === owner);
  if (!holds && place === -1) return null;
  const queue = read.queue.filter((ticket) => ticket.owner !== owner);
  const left = lockAt(
    holds ? { holder: null, freeSinceMs: nowMs, queue } : { ...passedOn(read, place, nowMs), queue },
    nowMs,
  );
  return { lock: left, wakes: left.holder === null && left.queue.length > 0 ? 'waiters' : 'nobody' };
}

/** The turn of the next begins when the first leaves, not when the lock became free. */
function passedOn(read: Lock, place: number, nowMs: number): Lock {
  const isFree = read.holder === null || read.holder.untilMs <= nowMs;
  return place === 0 && isFree ? { holder: null, freeSinceMs: nowMs, queue: read.queue } : read;
}

/** Of a free lock without a queue: whoever comes next finds it or nothing, which is the same. */
const EMPTY_LIFE_MS = 1_000;

/** How long the value must be kept from now on: nothing that stands in it is lost, a holder who is late included. */
export function lockLifeMs({ holder, queue }: Lock, nowMs: number): number {
  const ends = queue.map(({ untilMs }) => untilMs);
  if (holder !== null) ends.push(holder.untilMs + holder.leaseMs);
  return Math.max(EMPTY_LIFE_MS, ...ends.map((endMs) => endMs - nowMs + TURN_MS));
}
