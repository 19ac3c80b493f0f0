import type { StatusAction, StatusTable } from './policy.ts';

/** The default status table (design section 4), and how a route's own entries change it. */

export type StatusRule = { readonly match: string; readonly action: StatusAction; readonly why: string };

/** Later rows win; `2xx` names a class, `429` one status. */
export const DEFAULT_STATUS_RULES: readonly StatusRule[] = [
  { match: '1xx', action: 'park', why: 'an informational response ends nothing' },
  { match: '2xx', action: 'complete', why: 'executed' },
  { match: '3xx', action: 'complete', why: 'executed' },
  {
    match: '4xx',
    action: 'complete',
    why: 'judged by the backend; the same request would be judged the same',
  },
  { match: '5xx', action: 'complete', why: 'the backend may have acted before it failed' },
  { match: '401', action: 'release', why: 'refused before execution for want of credentials' },
  { match: '408', action: 'park', why: 'the backend gave up on the request at a point that is not known' },
  { match: '425', action: 'release', why: 'RFC 8470 section 5.2: not executed' },
  { match: '429', action: 'release', why: 'RFC 6585 section 4: not executed' },
  { match: '502', action: 'park', why: 'a gateway behind lost sight of the request' },
  { match: '503', action: 'release', why: 'not executed; set park where a mesh or balancer stands between' },
  { match: '504', action: 'park', why: 'a gateway behind lost sight of the request' },
];

/** Single statuses once more after the classes, so that the order of a mapping in a file does not count. */
export function resolveStatusTable(overrides: Readonly<Record<string, StatusAction>>): StatusTable {
  const actions = new Array<StatusAction>(1000).fill('complete');
  for (const { match, action } of DEFAULT_STATUS_RULES) apply(actions, match, action);
  const own = Object.entries(overrides);
  for (const [match, action] of own) apply(actions, match, action);
  for (const [match, action] of own) if (!match.endsWith('xx')) apply(actions, match, action);
  return { actions };
}

function apply(actions: StatusAction[], match: string, action: StatusAction): void {
  if (match.endsWith('xx')) actions.fill(action, Number(match[0]) * 100, Number(match[0]) * 100 + 100);
  else actions[Number(match)] = action;
}
