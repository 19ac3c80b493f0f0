import { formatDuration } from '../../config/units.ts';
import type { RoutePolicy } from '../../core/policy.ts';
import { repeatedStart, type TaskPolicy, type TaskWish } from '../../core/task.ts';
import { unreachable } from '../../core/unreachable.ts';
import { problemText } from './decision-text.ts';

type Section = { readonly title: string; readonly rows: readonly (readonly [string, string])[] };

/** What a task changes; nothing where the route has none. */
export function taskSections({ task, mode }: RoutePolicy, wish: TaskWish | null): readonly Section[] {
  if (task === null || mode === 'observe') return [];
  if (wish === null)
    return [{ title: 'as a task', rows: [['task', 'none: it does not say Prefer: respond-async']] }];
  return [
    {
      title: 'as a task',
      rows: [
        ['first request', `${waitText(wish.waitMs ?? 0)}202 with the Location of the task`],
        ['repeat while in flight', repeatText(task, wish)],
        ['repeat after a failure', failureText(task)],
        [
          'backend',
          `at most ${formatDuration(task.timeoutMs)} in the background; after it the outcome is unknown`,
        ],
        ['Prefer: wait=N', `cut to ${formatDuration(task.waitMs)}`],
      ],
    },
  ];
}

function repeatText(task: TaskPolicy, wish: TaskWish): string {
  const repeat = repeatedStart(task, wish);
  switch (repeat.kind) {
    case 'wait':
      return `${waitText(repeat.waitMs)}202 with the same Location`;
    case 'reject':
      return problemText('in-flight');
    default:
      return unreachable(repeat);
  }
}

function failureText({ afterCompletion }: TaskPolicy): string {
  switch (afterCompletion) {
    case 'replay':
      return 'the failure again';
    case 'restart-failed':
      return 'executed anew, where the response kept has a status of 400 or more';
    default:
      return unreachable(afterCompletion);
  }
}

function waitText(waitMs: number): string {
  return waitMs === 0 ? '' : `the answer itself if it is there within ${formatDuration(waitMs)}, else `;
}
