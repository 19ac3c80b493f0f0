import type { RoutePolicy, StatusAction } from './policy.ts';
import { unreachable } from './unreachable.ts';

/** Why no byte of a request was handed to an upstream socket. */
export type NeverDispatchedCause =
  | 'dns'
  | 'refused'
  | 'tls'
  | 'connect-timeout'
  | 'queue-timeout'
  /** Its bytes had left, and the backend says that it did not begin with it (RFC 9113 section 8.7). */
  | 'refused-stream'
  | 'lease-too-short'
  | 'stopped'
  | 'connect';
/** What went wrong after the first byte. */
export type FailureCause = 'reset' | 'bad-framing' | 'truncated' | 'aborted';

/** What an exchange proves when it is over (design section 4). */
export type ExchangeEnd =
  | { readonly kind: 'never-dispatched'; readonly cause: NeverDispatchedCause; readonly message: string }
  | { readonly kind: 'failed'; readonly cause: FailureCause; readonly message: string }
  /** The late-answer window is over and the connection destroyed. */
  | { readonly kind: 'timed-out' }
  /** unproven: no length, not chunked, closed by the peer (RFC 9112 section 8). */
  | { readonly kind: 'complete'; readonly status: number; readonly end: 'proven' | 'unproven' };

export type ParkReason = FailureCause | 'timed-out' | 'unproven-end' | 'status' | 'shutdown';

export type Settlement =
  | { readonly kind: 'complete'; readonly keep: 'full' | 'unstored' }
  | { readonly kind: 'release' }
  | { readonly kind: 'park'; readonly reason: ParkReason };

/** How the claim ends, from what the exchange proved and the route's status table. Pure. */
export function settle(
  end: ExchangeEnd,
  body: 'captured' | 'over-limit',
  policy: Pick<RoutePolicy, 'status' | 'unprovenEnd'>,
): Settlement {
  switch (end.kind) {
    case 'never-dispatched':
      return { kind: 'release' };
    case 'failed':
      return { kind: 'park', reason: end.cause };
    case 'timed-out':
      return { kind: 'park', reason: 'timed-out' };
    case 'complete': {
      if (end.end === 'unproven' && policy.unprovenEnd === 'park')
        return { kind: 'park', reason: 'unproven-end' };
      const action = statusAction(policy.status, end.status);
      switch (action) {
        case 'complete':
          return { kind: 'complete', keep: body === 'captured' ? 'full' : 'unstored' };
        case 'release':
          return { kind: 'release' };
        case 'park':
          return { kind: 'park', reason: 'status' };
        default:
          return unreachable(action);
      }
    }
    default:
      return unreachable(end);
  }
}

/** A status outside the table completes: never executed again is the safe side. */
export function statusAction(table: RoutePolicy['status'], status: number): StatusAction {
  return table.actions[status] ?? 'complete';
}
