import type { RoutePolicy } from '../core/policy.ts';
import type { TicketPolicy } from '../core/ticket.ts';
import { createPrincipals, type Principals } from './principals.ts';

/** Who has taken how many tickets of a route from this process. */
export type TicketDesk = {
  newId(): Uint8Array;
  /** `who`: the digest of a scope, or what stands for a caller without one. */
  take(
    route: RoutePolicy,
    ticket: TicketPolicy,
    who: Uint8Array,
  ): { readonly kind: 'taken' } | { readonly kind: 'none-left'; readonly retryAfterMs: number };
};

export function createTicketDesk(newId: () => Uint8Array, monotonicMs: () => number): TicketDesk {
  // A reload makes other policies, and begins to count anew.
  const takers = new WeakMap<RoutePolicy, Principals>();
  return {
    newId,
    take(route, { rate }, who) {
      const known = takers.get(route) ?? createPrincipals({ inFlightMax: null, newKeys: rate }, monotonicMs);
      takers.set(route, known);
      const taker = known.of(who);
      taker.enter();
      const taken = taker.takeNewKey();
      taker.leave();
      return taken;
    },
  };
}
