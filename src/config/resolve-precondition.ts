import type { PreconditionPolicy } from '../core/precondition.ts';
import type { Precondition } from './schema-precondition.ts';

export function resolvePrecondition(precondition: Precondition): PreconditionPolicy | null {
  if (precondition === 'off') return null;
  const { methods, require, versions, resource, wait, retain, issue } = precondition;
  return {
    methods,
    require,
    versions:
      versions === 'backend'
        ? { kind: 'backend' }
        : { kind: 'store', resource: resource ?? null, waitMs: wait, retainMs: retain, issue },
  };
}
