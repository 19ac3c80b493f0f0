import type { TaskPolicy } from '../core/task.ts';
import type { Task } from './schema-task.ts';

export function resolveTask(task: Task): TaskPolicy | null {
  if (task === 'off') return null;
  return {
    respond: task.respond === 'async' ? 'always' : 'prefer',
    onRepeat: task.onRepeat,
    afterCompletion: task.afterCompletion,
    waitMs: task.wait,
    waitersMax: task.waiters,
    timeoutMs: task.timeout,
    retryAfterMs: task.retryAfter,
  };
}
