/** The paths under the reserved prefix: answered here, never forwarded. */

/**
 * What follows the prefix, without its leading slash: `''` for the prefix itself. Null: the path is the backend's.
 * `path` has passed the guard, so that it has no dot segment and no encoded separator.
 */
export function reservedRest(reserved: { readonly prefix: string } | null, path: string): string | null {
  if (reserved === null) return null;
  const { prefix } = reserved;
  if (!path.startsWith(prefix)) return null;
  if (path.length === prefix.length) return '';
  return path.charCodeAt(prefix.length) === 0x2f ? path.slice(prefix.length + 1) : null;
}

/** Of a task id, enough to find a record by. */
const TASK_CHARS = 12;

/** The target of a request below the prefix, as it may be logged: a whole task id opens a response. */
export function loggedTarget(reserved: { readonly prefix: string } | null, target: string): string {
  if (reserved === null) return target;
  const tasks = `${reserved.prefix}/tasks/`;
  const at = target.indexOf(tasks);
  const end = at + tasks.length + TASK_CHARS;
  return at === -1 || target.length <= end ? target : `${target.slice(0, end)}…`;
}

export type ReservedName = {
  /** The first segment, which names the resource; `''` for the prefix itself. */
  readonly name: string;
  /** What follows it, without the slash between; `''` where nothing does. */
  readonly tail: string;
};

export function reservedName(rest: string): ReservedName {
  const slash = rest.indexOf('/');
  return slash === -1
    ? { name: rest, tail: '' }
    : { name: rest.slice(0, slash), tail: rest.slice(slash + 1) };
}
