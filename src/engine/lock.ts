import { cellKey } from '../core/cell-key.ts';
import { type LockPolicy, lockResources } from '../core/lock-policy.ts';
import type { RoutePolicy, StatusTable } from '../core/policy.ts';
import type { Claim } from '../core/record.ts';
import { type ExchangeEnd, statusAction } from '../core/settle.ts';
import { unreachable } from '../core/unreachable.ts';
import type { StoreUnavailable } from '../store/contract.ts';
import type { Hold } from '../store/keep-alive.ts';
import { giveBackProven } from './give-back.ts';
import type { HeldLocks } from './lock-keeper.ts';
import { NOBODY } from './nobody.ts';
import { answerProblem, answerStoreUnavailable, type ProblemExtras } from './respond.ts';
import type { Ending, RequestContext } from './types.ts';

/** The locks of one request: taken before its dispatch, given back when its exchange is over. */

export type Unlocked =
  | { readonly kind: 'missing'; readonly detail: string }
  | { readonly kind: 'locked' }
  | { readonly kind: 'shut-down' }
  | { readonly kind: 'down'; readonly error: StoreUnavailable };

/** A resource is one whoever writes it: its name is not scoped by the caller. */
const NO_SCOPE = new Uint8Array(0);

export async function takeLocks(
  context: RequestContext,
  lock: LockPolicy,
  body: Uint8Array,
): Promise<{ readonly kind: 'held'; readonly locks: HeldLocks } | Unlocked> {
  const { engine, snapshot, policy, incoming, head } = context;
  const named = lockResources(lock, head, body);
  if (named.kind === 'missing') return named;
  if (engine.shuttingDown() === 'yes') return { kind: 'shut-down' };
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  // A task has no client that could leave.
  if (incoming.reply !== NOBODY) incoming.reply.onGone(leave);
  const stopShutdown = engine.onShutdown(leave);
  const startMs = engine.monotonicMs();
  try {
    const taken = await engine.locks.take({
      // Under every secret, so that replicas in the middle of a rotation share one; in an order that depends on none.
      resources: named.resources.map((resource) =>
        snapshot.secrets.map((secret) => cellKey(secret, 'lock', policy.keyspace, NO_SCOPE, resource)).sort(),
      ),
      terms: lock,
      gone: gone.signal,
      onLost: () => {
        engine.metrics.lockLost(policy.name);
        engine.log.lockLost(policy.name);
      },
    });
    const result = taken.kind === 'held' ? 'held' : 'locked';
    engine.metrics.lockWaited(policy.name, result, (engine.monotonicMs() - startMs) / 1000);
    if (taken.kind !== 'gone') return taken;
    return { kind: engine.shuttingDown() === 'yes' ? 'shut-down' : 'locked' };
  } finally {
    stopShutdown();
  }
}

/** The claim is renewed while its locks are waited for. */
export async function takeLocksUnder(
  hold: Hold,
  context: RequestContext,
  lock: LockPolicy,
  body: Uint8Array,
): ReturnType<typeof takeLocks> {
  let holds: 'yes' | 'no' = 'no';
  try {
    const taken = await takeLocks(context, lock, body);
    holds = taken.kind === 'held' ? 'yes' : 'no';
    return taken;
  } finally {
    if (holds === 'no') hold.release();
  }
}

/** The part of a lease that is kept for the way from the last look to the first byte. */
const MARGIN_SHARE = 0.2;

/** Whether there is time to send the request off under its locks. */
export function lockLasts(lock: LockPolicy | null, locks: HeldLocks | null): 'yes' | 'no' {
  if (lock === null || locks === null) return 'yes';
  return locks.leaseLeftMs() > lock.leaseMs * MARGIN_SHARE ? 'yes' : 'no';
}

/**
 * What ended without an answer of the backend itself may still be at work there, and no window for a late answer has
 * been waited for: the lease is that window.
 */
export function endLocks(
  locks: HeldLocks,
  end: ExchangeEnd,
  late: 'waited-for' | 'not-waited-for',
  { status }: Pick<RoutePolicy, 'status'>,
): void {
  if (mayBeAtWork(end, late, status) === 'maybe') locks.abandon();
  else locks.release();
}

/** Of an execution under a claim, after a time-out. */
export function lateAnswer({ timeouts }: RoutePolicy): 'waited-for' | 'not-waited-for' {
  return timeouts.lateAnswerMs > 0 ? 'waited-for' : 'not-waited-for';
}

function mayBeAtWork(
  end: ExchangeEnd,
  late: 'waited-for' | 'not-waited-for',
  table: StatusTable,
): 'maybe' | 'no' {
  switch (end.kind) {
    case 'never-dispatched':
      return 'no';
    case 'failed':
      return 'maybe';
    case 'timed-out':
      return late === 'waited-for' ? 'no' : 'maybe';
    case 'complete':
      return statusAction(table, end.status) === 'park' ? 'maybe' : 'no';
    default:
      return unreachable(end);
  }
}

/** The field for the backend: a token for each resource, in sorted order of their names. */
export function withLockTokens(headers: string[], locks: HeldLocks | null): string[] {
  if (locks !== null) headers.push('Onceward-Lock-Token', locks.tokens.join(', '));
  return headers;
}

/** Nothing was dispatched: the claim is given back, and the client hears why. */
export async function refuseUnlocked(context: RequestContext, claim: Claim, why: Unlocked): Promise<Ending> {
  return answerUnlocked(context, why, await giveBackProven(context, claim));
}

export function answerUnlocked(context: RequestContext, why: Unlocked, extras: ProblemExtras): Ending {
  switch (why.kind) {
    case 'missing':
      return answerProblem(context, 'resource-unnamed', 'rejected', { ...extras, detail: why.detail });
    case 'locked':
      return answerProblem(context, 'locked', 'locked', extras);
    case 'shut-down':
      return answerProblem(context, 'draining', 'overloaded', extras);
    case 'down':
      context.engine.log.storeUnavailable(why.error.reason, why.error.message);
      return answerStoreUnavailable(context, why.error.reason);
    default:
      return unreachable(why);
  }
}
