import type { RoutePolicy } from '../core/policy.ts';

/** The part of a lease that is kept for the way from the last look to the first byte. */
export function leaseMarginMs({ leaseMs }: RoutePolicy): number {
  return leaseMs * 0.2;
}
