import type { RoutePolicy } from '../../core/policy.ts';
import { problemText } from './decision-text.ts';

type Row = readonly [string, string];

/** What a route's precondition means for a request that is not refused by it. */
export function preconditionRows({ precondition, dialect }: RoutePolicy): readonly Row[] {
  if (precondition === null) return [];
  const methods = precondition.methods.join(', ');
  return [
    [
      'condition',
      `${methods} need If-Match (or If-None-Match: *), else ${problemText('precondition-required', dialect)}; the backend judges it`,
    ],
  ];
}
