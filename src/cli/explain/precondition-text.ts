import { formatDuration } from '../../config/units.ts';
import type { RoutePolicy } from '../../core/policy.ts';
import type { KeptVersions } from '../../core/precondition.ts';
import { problemText } from './decision-text.ts';

type Row = readonly [string, string];

/** What a route's precondition means for a request that is not refused by it. */
export function preconditionRows({ precondition, quietMs, dialect }: RoutePolicy): readonly Row[] {
  if (precondition === null) return [];
  const { methods, require, versions } = precondition;
  const names = methods.join(', ');
  const demand: readonly Row[] =
    require === 'none'
      ? []
      : [
          [
            'condition',
            `${names} need If-Match (or If-None-Match: *), else ${problemText('precondition-required', dialect)}; ${versions.kind === 'backend' ? 'the backend judges it' : 'judged here'}`,
          ],
        ];
  return versions.kind === 'backend'
    ? demand
    : [...demand, ...keptRows(names, versions, { quietMs, dialect })];
}

function keptRows(
  names: string,
  { resource, waitMs, retainMs }: KeptVersions,
  { quietMs, dialect }: Pick<RoutePolicy, 'quietMs' | 'dialect'>,
): readonly Row[] {
  const what = resource === null ? 'the path' : `of ${resource.text}`;
  return [
    [
      'version',
      `kept here, ${what}, for ${formatDuration(retainMs)} after the last write; ETag of GET and HEAD, moved by ${names}`,
    ],
    ['stale version', problemText('precondition-failed', dialect)],
    [
      'write in flight',
      `waits up to ${formatDuration(waitMs)}, else ${problemText('version-busy', dialect)}`,
    ],
    [
      'write lost',
      `${problemText('version-unknown', dialect)}, until its key is resolved or it has been quiet for ${formatDuration(quietMs)}`,
    ],
  ];
}
