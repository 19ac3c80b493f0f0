import type { Conditions, EntityTag } from './precondition.ts';
import type { Owner, RecordKey } from './record.ts';
import type { Settlement } from './settle.ts';
import { unreachable } from './unreachable.ts';

/**
 * The version of a resource whose backend has none: the value of a cell. Times are the store's. A version is the random
 * owner of the write that made it, so none ever comes twice, and none can be guessed.
 *
 * A write stands in the value before it is dispatched, and either moves the version, leaves it, or is parked. While it
 * may still reach the backend no other write is let out: two writes can then never have seen one version and both be made.
 */

export type Existence = 'exists' | 'gone' | 'unknown';

export type Versioned = {
  /** Null: never written through here, as far as the store remembers. */
  readonly version: Owner | null;
  readonly existence: Existence;
  readonly pending: Pending | null;
};

/** A write that was let out, and whose end is not written yet. */
export type Pending = {
  /** The version, if it is made. */
  readonly owner: Owner;
  readonly leaseMs: number;
  /** End of the lease; of a parked write, when it was parked. */
  readonly untilMs: number;
  /** How long after it the backend may still be at work. */
  readonly quietMs: number;
  /** Whose key it was sent with: how that is resolved tells of the version too. */
  readonly claim: KeyClaim | null;
};

export type KeyClaim = { readonly recordKey: RecordKey; readonly token: number };

export const UNWRITTEN: Versioned = { version: null, existence: 'unknown', pending: null };

export type Standing =
  | { readonly kind: 'settled'; readonly version: Owner | null; readonly existence: Existence }
  | { readonly kind: 'in-flight' }
  /** May have been made, may still be. */
  | { readonly kind: 'unsure'; readonly leftMs: number };

/**
 * What time alone has made of it. After the quiet time an unsure write has been made or never will be: the version is
 * moved, as if it had been, so that nobody's older ETag holds. `watchedMs`: how long the reader has seen this very
 * pending write by a clock of its own, for stores whose clock may leap.
 */
export function standingOf(
  { version, existence, pending }: Versioned,
  nowMs: number,
  watchedMs: number,
): Standing {
  if (pending === null) return { kind: 'settled', version, existence };
  const untilMs = Math.min(pending.untilMs, nowMs + pending.leaseMs);
  if (nowMs < untilMs) return { kind: 'in-flight' };
  const leftMs = Math.max(
    untilMs + pending.quietMs - nowMs,
    Math.max(pending.leaseMs, pending.quietMs) - watchedMs,
  );
  return leftMs > 0
    ? { kind: 'unsure', leftMs }
    : { kind: 'settled', version: pending.owner, existence: 'unknown' };
}

/** Whoever writes may be ahead of whoever reads by a way to the store. */
const AHEAD_MS_MAX = 1_000;

/** Null unless the store's clock has gone back: a dead write would then stand until that has caught up. */
export function mended(state: Versioned, nowMs: number): Versioned | null {
  const { pending } = state;
  if (pending === null || pending.untilMs <= nowMs + pending.leaseMs + AHEAD_MS_MAX) return null;
  return { ...state, pending: { ...pending, untilMs: nowMs + pending.leaseMs } };
}

/** What became of the key of an unsure write tells of the write. Null: it tells nothing. */
export function resolvedBy(
  state: Versioned,
  record: { readonly token: number; readonly state: string } | null,
): Versioned | null {
  const { pending } = state;
  if (pending?.claim == null || record === null || record.token !== pending.claim.token) return null;
  if (record.state === 'completed') return { version: pending.owner, existence: 'unknown', pending: null };
  return record.state === 'released' ? { ...state, pending: null } : null;
}

/**
 * The ETag of a resource that was never written through here: the time of the reading. It holds as long as a write since
 * would still be remembered, and nothing has to be stored for it.
 */
const READ_AT = /^t([0-9a-z]{1,11})(?:\.[0-9a-f]{8})?$/;
const VERSION = /^v([0-9a-f]{32})(?:\.[0-9a-f]{8})?$/;
/** Of `retain`: the rest is for a store that forgets somewhat early. */
const READ_AT_SHARE = 0.9;

export function opaqueOf(version: Owner | null, nowMs: number): string {
  return version === null ? `t${nowMs.toString(36)}` : `v${version}`;
}

type Current = { readonly version: Owner | null; readonly existence: Existence };

/** RFC 9110 section 13.1.1 compares strongly, section 13.1.2 weakly. */
function names(tag: EntityTag, how: 'strongly' | 'weakly', { version }: Current, clock: Clock): boolean {
  if (how === 'strongly' && tag.strength === 'weak') return false;
  if (version !== null) return VERSION.exec(tag.opaque)?.[1] === version;
  const readAt = READ_AT.exec(tag.opaque)?.[1];
  if (readAt === undefined) return false;
  const ageMs = clock.nowMs - Number.parseInt(readAt, 36);
  return ageMs >= 0 && ageMs < clock.retainMs * READ_AT_SHARE;
}

type Clock = { readonly nowMs: number; readonly retainMs: number };

/** In the order of RFC 9110 section 13.2.2. Where nobody knows whether the resource is there, `*` is left to the backend. */
export function conditionsHold(
  { ifMatch, ifNoneMatch }: Conditions,
  current: Current,
  clock: Clock,
): 'yes' | 'no' {
  if (ifMatch.kind === 'any' && current.existence === 'gone') return 'no';
  if (ifMatch.kind === 'tags' && !ifMatch.tags.some((tag) => names(tag, 'strongly', current, clock)))
    return 'no';
  if (ifNoneMatch.kind === 'any' && current.existence === 'exists') return 'no';
  if (ifNoneMatch.kind === 'tags' && ifNoneMatch.tags.some((tag) => names(tag, 'weakly', current, clock)))
    return 'no';
  return 'yes';
}

export type Wish = {
  readonly conditions: Conditions;
  readonly owner: Owner;
  readonly claim: KeyClaim | null;
  readonly leaseMs: number;
  readonly quietMs: number;
  readonly retainMs: number;
};

export type WriteDecision =
  /** To be written over what was read; whoever succeeds may dispatch. */
  | { readonly kind: 'reserve'; readonly next: Versioned }
  /** Another version is there, or will be, however the write in flight ends. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'wait' }
  | { readonly kind: 'unsure'; readonly leftMs: number };

export function decideWrite(state: Versioned, standing: Standing, wish: Wish, nowMs: number): WriteDecision {
  const clock = { nowMs, retainMs: wish.retainMs };
  const before: Current = { version: state.version, existence: state.existence };
  const reserve = ({ version, existence }: Current): WriteDecision => ({
    kind: 'reserve',
    next: { version, existence, pending: pendingOf(wish, nowMs) },
  });
  if (standing.kind !== 'in-flight' && isOwnEarlier(state, wish))
    return conditionsHold(wish.conditions, before, clock) === 'yes' ? reserve(before) : { kind: 'stale' };
  if (standing.kind === 'settled')
    return conditionsHold(wish.conditions, standing, clock) === 'yes' ? reserve(standing) : { kind: 'stale' };
  const after: Current = { version: state.pending?.owner ?? null, existence: 'unknown' };
  if (
    conditionsHold(wish.conditions, before, clock) === 'no' &&
    conditionsHold(wish.conditions, after, clock) === 'no'
  )
    return { kind: 'stale' };
  switch (standing.kind) {
    case 'in-flight':
      return { kind: 'wait' };
    case 'unsure':
      return { kind: 'unsure', leftMs: standing.leftMs };
    default:
      return unreachable(standing);
  }
}

/**
 * The write in doubt is this request's own earlier try, whose key was re-opened: by someone who says that it was not
 * made, or who accepts a second time. Its condition is meant for the version before.
 */
function isOwnEarlier({ pending }: Versioned, { claim }: Wish): boolean {
  return (
    pending?.claim != null &&
    claim !== null &&
    pending.claim.recordKey === claim.recordKey &&
    pending.claim.token < claim.token
  );
}

function pendingOf({ owner, leaseMs, quietMs, claim }: Wish, nowMs: number): Pending {
  return { owner, leaseMs, untilMs: nowMs + leaseMs, quietMs, claim };
}

/** The lease anew, also of one that ran out while nobody took its place. Null: it is no longer this owner's. */
export function renewed(state: Versioned, owner: Owner, leaseMs: number, nowMs: number): Versioned | null {
  const { pending } = state;
  if (pending?.owner !== owner) return null;
  return { ...state, pending: { ...pending, leaseMs, untilMs: nowMs + leaseMs } };
}

export type Effect =
  | { readonly kind: 'advanced'; readonly existence: Existence }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'parked' };

/**
 * What an exchange did to the resource. A 4xx is the backend's word that it did nothing, so that a client may correct
 * its request and keep its ETag; a head with 2xx that it did, whatever became of the body.
 */
export function effectOf(settlement: Settlement, method: string, status: number | null): Effect {
  const succeeded = status !== null && status >= 200 && status < 300;
  switch (settlement.kind) {
    case 'release':
      return { kind: 'unchanged' };
    case 'park':
      return succeeded ? { kind: 'advanced', existence: existenceAfter(method, status) } : { kind: 'parked' };
    case 'complete':
      if (status !== null && status >= 400 && status < 500) return { kind: 'unchanged' };
      return { kind: 'advanced', existence: succeeded ? existenceAfter(method, status) : 'unknown' };
    default:
      return unreachable(settlement);
  }
}

/** 202 promises, and has done nothing yet (RFC 9110 section 15.3.3). */
function existenceAfter(method: string, status: number): Existence {
  if (status === 202) return 'unknown';
  if (method === 'DELETE') return 'gone';
  return method === 'PUT' || method === 'PATCH' ? 'exists' : 'unknown';
}

export type SettleStep =
  | { readonly kind: 'write'; readonly next: Versioned }
  /** It stands there already, or there is nothing left to say. */
  | { readonly kind: 'done' }
  /** The write was made after others were told that it no longer could be. */
  | { readonly kind: 'lost' };

export function settleStep(state: Versioned, owner: Owner, effect: Effect, nowMs: number): SettleStep {
  const { pending } = state;
  if (pending?.owner !== owner)
    return effect.kind === 'advanced' && state.version !== owner ? { kind: 'lost' } : { kind: 'done' };
  switch (effect.kind) {
    case 'advanced':
      return { kind: 'write', next: { version: owner, existence: effect.existence, pending: null } };
    case 'unchanged':
      return { kind: 'write', next: { ...state, pending: null } };
    case 'parked':
      return { kind: 'write', next: { ...state, pending: { ...pending, leaseMs: 0, untilMs: nowMs } } };
    default:
      return unreachable(effect);
  }
}
