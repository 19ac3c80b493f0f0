import type { PreconditionPolicy } from '../core/precondition.ts';
import type { Precondition } from './schema-precondition.ts';

export function resolvePrecondition(precondition: Precondition): PreconditionPolicy | null {
  if (precondition === 'off') return null;
  return { methods: precondition.methods, require: precondition.require };
}
