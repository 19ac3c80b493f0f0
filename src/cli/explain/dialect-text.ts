import type { DialectPolicy } from '../../core/dialect.ts';
import type { RoutePolicy } from '../../core/policy.ts';
import { type ProblemCode, problemType } from '../../problems/registry.ts';

/** What a dialect changes of an explanation: the status of a problem, and in whose words it is told. */

export function statusOf(code: ProblemCode, dialect: DialectPolicy | null): number {
  return dialect?.statuses[code] ?? problemType(code).status;
}

export function profileRows({ profile, dialect }: RoutePolicy): readonly (readonly [string, string])[] {
  const rows: (readonly [string, string])[] = [];
  if (profile !== 'none') rows.push(['profile', `${profile}, as far as the route says nothing else`]);
  if (dialect !== null && dialect.errors !== 'problem')
    rows.push(['refusals', `in the words of ${dialect.errors}, with Onceward-Problem`]);
  return rows;
}
