import type { Caller } from '../core/caller.ts';
import { policiesOf } from '../core/plan.ts';
import type { RoutePolicy } from '../core/policy.ts';
import { readScope } from '../core/scope.ts';
import type { TaskPolicy } from '../core/task.ts';
import { belongsTo, isOfRoute, type TaskId } from '../core/task-id.ts';
import type { RequestHead } from '../core/wire.ts';
import type { Snapshot } from './types.ts';

/** Whose task it is. A route is not named in the path of its tasks: whoever asks is looked at as each of them would. */

export type FoundTask = {
  readonly policy: RoutePolicy;
  readonly task: TaskPolicy;
  readonly scope: Uint8Array;
};

/**
 * Null: not a task of who asks. Every scope that a route has is tried, so that the time taken does not tell what an id
 * belongs to; there are as many as the file has different ones.
 */
export function findTask(
  { config, secrets }: Snapshot,
  head: RequestHead,
  caller: Caller,
  id: TaskId,
): FoundTask | null {
  const scopes = new Map<string, Uint8Array | null>();
  const owned: FoundTask[] = [];
  for (const policy of policiesOf(config)) {
    const { task } = policy;
    if (task === null) continue;
    const name = JSON.stringify(policy.scope);
    let scope = scopes.get(name);
    if (scope === undefined) {
      scope = ownScope(policy, secrets, head, caller, id);
      scopes.set(name, scope);
    }
    if (scope !== null) owned.push({ policy, task, scope });
  }
  return owned.find(({ policy }) => isOfRoute(id, policy.name) === 'yes') ?? owned[0] ?? null;
}

/** Null: who asks is not known, or the task is not theirs. */
function ownScope(
  policy: RoutePolicy,
  secrets: readonly Uint8Array[],
  head: RequestHead,
  caller: Caller,
  id: TaskId,
): Uint8Array | null {
  const read = readScope(policy.scope, head, caller);
  if (read.kind !== 'scope') return null;
  const fits = secrets.filter((secret) => belongsTo(id, secret, read.scope) === 'yes');
  return fits.length > 0 ? read.scope : null;
}
