import type { Planned } from '../core/plan.ts';
import type { PreconditionPolicy } from '../core/precondition.ts';
import type { RequestContext } from './types.ts';

/** Counts what came of the demand for a condition; what is refused for another reason has not got so far. */
export function countDemand(
  { engine, policy, head }: RequestContext,
  { methods }: PreconditionPolicy,
  planned: Exclude<Planned, { kind: 'not-found' }>,
): void {
  if (planned.kind !== 'refused') {
    if (methods.includes(head.method)) engine.metrics.precondition(policy.name, 'passed');
  } else if (planned.code === 'precondition-required') engine.metrics.precondition(policy.name, 'required');
  else if (planned.code === 'precondition-invalid') engine.metrics.precondition(policy.name, 'invalid');
}
