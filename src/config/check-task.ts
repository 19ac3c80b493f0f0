import { type Finding, fault, warning } from './check-top.ts';
import type { Top } from './schema.ts';
import type { Policy } from './schema-policy.ts';
import type { ConfigPath } from './tree.ts';

/** What `task` does not go together with. `top` is null where it is faulty itself. */
export function checkTask(
  policy: Policy,
  top: Top | null,
  at: (...path: ConfigPath) => ConfigPath,
): readonly Finding[] {
  const { task, key, mode } = policy;
  if (task === 'off') return [];
  const found: Finding[] = [];
  if (key.sources.length === 0)
    found.push(
      fault('only a keyed request starts a task, but key.sources is empty', at('task'), at('key', 'sources')),
    );
  if (mode === 'observe')
    found.push(
      warning('mode: observe starts no tasks; every client waits for its answer', at('task'), at('mode')),
    );
  if (task.onRepeat === 'attach' && task.wait === 0)
    found.push(
      fault(
        'attach waits up to task.wait, which is 0s; use state, or set task.wait',
        at('task', 'onRepeat'),
        at('task', 'wait'),
      ),
    );
  if (top !== null && top.reserved === 'off')
    found.push(
      fault('a task is asked for below the reserved prefix; remove reserved: off', at('task'), ['reserved']),
    );
  if (top !== null && top.limits.tasks >= top.upstream.connections)
    found.push(
      warning(
        'limits.tasks is not below upstream.connections: tasks could take every connection to the backend',
        ['limits', 'tasks'],
        ['upstream', 'connections'],
        at('task'),
      ),
    );
  if (top !== null && top.encryption.keys.length > 0 && top.encryption.bind === 'client')
    found.push(
      fault(
        'encryption.bind: client needs the key of the request to open a response, and the status resource is asked without it; use bind: none, or task: off',
        at('task'),
        ['encryption', 'bind'],
      ),
    );
  return found;
}
