import { type Preferences, readPreferences } from './prefer.ts';
import type { RecordView } from './record.ts';
import { unreachable } from './unreachable.ts';
import type { RawHeaders } from './wire.ts';

/** A task: an execution that its client does not wait for. It has no state of its own: what it is, its record says. */

export type TaskPolicy = {
  /** prefer: where the request has `Prefer: respond-async`. always: every keyed request. */
  readonly respond: 'prefer' | 'always';
  /** What a start gets whose task is running already. */
  readonly onRepeat: 'attach' | 'state' | 'reject';
  /** What a start gets whose task has ended: its response, or, where that is a failure, another execution. */
  readonly afterCompletion: 'replay' | 'restart-failed';
  /** The longest anybody waits: `Prefer: wait=N` is cut to it. */
  readonly waitMs: number;
  /** Waiting for one task at once, in this process. */
  readonly waitersMax: number;
  /** Counted from dispatch, in place of the route's time-outs; after it the outcome is unknown. */
  readonly timeoutMs: number;
  readonly retryAfterMs: number;
};

/** What a start asks for. */
export type TaskWish = {
  /** How long the answer may take before it is 202; null: nothing was said. */
  readonly waitMs: number | null;
  /** Of `Preference-Applied` (RFC 7240 section 3), should it be 202; null: nothing was preferred, or nothing kept. */
  readonly applied: string | null;
};

/** Null: an ordinary request, whose client waits for the answer. */
export function taskWish(task: TaskPolicy, rawHeaders: RawHeaders): TaskWish | null {
  const preferences = readPreferences(rawHeaders);
  if (task.respond === 'prefer' && preferences.respondAsync === 'no') return null;
  const waitMs = preferredWaitMs(preferences, task.waitMs);
  const applied = preferences.respondAsync === 'yes' ? ['respond-async'] : [];
  // A wait that was cut short was not applied as asked.
  if (preferences.waitSeconds !== null && preferences.waitSeconds * 1000 === waitMs)
    applied.push(`wait=${preferences.waitSeconds}`);
  return { waitMs, applied: applied.length === 0 ? null : applied.join(', ') };
}

/** Null: the request does not say how long it would wait. */
export function preferredWaitMs({ waitSeconds }: Preferences, waitMsMax: number): number | null {
  return waitSeconds === null ? null : Math.min(waitSeconds * 1000, waitMsMax);
}

export type RepeatedStart = { readonly kind: 'wait'; readonly waitMs: number } | { readonly kind: 'reject' };

/** A start whose task is running already. */
export function repeatedStart(task: TaskPolicy, wish: TaskWish): RepeatedStart {
  switch (task.onRepeat) {
    case 'attach':
      return { kind: 'wait', waitMs: wish.waitMs ?? task.waitMs };
    case 'state':
      return { kind: 'wait', waitMs: wish.waitMs ?? 0 };
    case 'reject':
      return { kind: 'reject' };
    default:
      return unreachable(task.onRepeat);
  }
}

/** What has become of a task; completed: its response says whether it succeeded. */
export type TaskStanding = 'pending' | 'completed' | 'unknown' | 'released' | 'expired';

/** `view`: the record of a task id that was made here once; null: it is gone. */
export function taskStanding(view: Pick<RecordView, 'state' | 'leaseLeftMs'> | null): TaskStanding {
  if (view === null) return 'expired';
  switch (view.state) {
    case 'claimed':
      // Never dispatched, and after its lease nobody can any more: the key is free for the next start.
      return view.leaseLeftMs > 0 ? 'pending' : 'released';
    case 'dispatched':
      return 'pending';
    case 'completed':
    case 'unknown':
    case 'released':
      return view.state;
    default:
      return unreachable(view.state);
  }
}

export function taskSuccess(status: number): 'succeeded' | 'failed' {
  return status < 400 ? 'succeeded' : 'failed';
}
