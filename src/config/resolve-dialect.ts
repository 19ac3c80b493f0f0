import type { DialectPolicy } from '../core/dialect.ts';
import type { Dialect } from './schema-dialect.ts';

/** Null where the section says nothing of its own: a request then pays nothing for it. */
export function resolveDialect({ errors, statuses }: Dialect): DialectPolicy | null {
  if (errors === 'problem' && Object.keys(statuses).length === 0) return null;
  return { errors, statuses };
}
