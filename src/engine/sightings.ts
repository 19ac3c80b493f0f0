import type { CellKey } from '../core/cell.ts';
import type { Pending } from '../core/resource-version.ts';

/**
 * How long this process has seen a pending write as it is. The clock of a server may leap, and a quiet time that has
 * passed by it alone may not have passed at all; a holder that lives shows itself meanwhile by renewing.
 */
export type Sightings = { watchedMs(cellKey: CellKey, pending: Pending | null): number };

type Sighting = { readonly owner: string; readonly untilMs: number; readonly sinceMs: number };

/** The oldest goes first, and is then watched anew: later, never sooner. */
const SIGHTINGS_MAX = 10_000;

export function createSightings(monotonicMs: () => number, sightingsMax = SIGHTINGS_MAX): Sightings {
  const seen = new Map<CellKey, Sighting>();
  return {
    watchedMs(cellKey, pending) {
      if (pending === null) {
        seen.delete(cellKey);
        return 0;
      }
      const nowMs = monotonicMs();
      const sighting = seen.get(cellKey);
      if (sighting?.owner === pending.owner && sighting.untilMs === pending.untilMs)
        return nowMs - sighting.sinceMs;
      seen.delete(cellKey);
      seen.set(cellKey, { owner: pending.owner, untilMs: pending.untilMs, sinceMs: nowMs });
      const [oldest] = seen.keys();
      if (seen.size > sightingsMax && oldest !== undefined) seen.delete(oldest);
      return 0;
    },
  };
}

/** A clock that cannot leap needs no second one. */
export const TRUSTED_CLOCK: Sightings = { watchedMs: () => Number.POSITIVE_INFINITY };
