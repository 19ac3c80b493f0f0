import { type RepeatabilityResult, withDialectFields } from '../core/dialect.ts';
import { type KeyedStatus, markKeyed } from '../core/headers.ts';
import type { RoutePolicy } from '../core/policy.ts';
import { statusAction } from '../core/settle.ts';
import { unreachable } from '../core/unreachable.ts';
import type { ResponseHead } from '../core/wire.ts';
import type { RequestContext } from './types.ts';

/** The field lines with which the first client gets an answer: what its head tells of the key, before its end is known. */
export function markAnswer(
  { policy, key }: RequestContext,
  { status, rawHeaders }: ResponseHead,
  size: 'within-limit' | 'over-limit',
  end: 'proven' | 'unproven',
): string[] {
  const fields =
    policy.dialect === null
      ? rawHeaders
      : withDialectFields(rawHeaders, policy.dialect, key, resultOf(policy, status, end));
  return markKeyed(fields, keyedStatus(policy, status, size, end));
}

function keyedStatus(
  policy: RoutePolicy,
  status: number,
  size: 'within-limit' | 'over-limit',
  end: 'proven' | 'unproven',
): KeyedStatus {
  if (size === 'over-limit' || statusAction(policy.status, status) !== 'complete') return 'unstored';
  return end === 'unproven' && policy.unprovenEnd === 'park' ? 'unstored' : 'executed';
}

/** Of what a status parks nothing is known, and nothing is said. */
function resultOf(policy: RoutePolicy, status: number, end: 'proven' | 'unproven'): RepeatabilityResult {
  if (end === 'unproven' && policy.unprovenEnd === 'park') return null;
  const action = statusAction(policy.status, status);
  switch (action) {
    case 'complete':
      return 'accepted';
    case 'release':
      return 'rejected';
    case 'park':
      return null;
    default:
      return unreachable(action);
  }
}
