import type { PathSegment } from '../core/policy.ts';
import { namesIn } from '../core/template.ts';
import { type Finding, fault, warning } from './check-top.ts';
import { nearestName } from './near.ts';
import { pathValues, type WholeLock } from './resolve-lock.ts';
import type { ConfigPath } from './tree.ts';

/** What one field of `lock` alone cannot tell. `path` null: any path, as in `defaults`. */
export function checkLock(
  lock: WholeLock,
  path: readonly PathSegment[] | null,
  at: (...path: ConfigPath) => ConfigPath,
): readonly Finding[] {
  const inPath = pathValues(path ?? []).map(({ name }) => name);
  const captured = Object.keys(lock.capture);
  const used = new Set(lock.resources.flatMap(namesIn));
  const found: Finding[] = [];
  // The name is not repeated: it may be part of a secret that came from a variable.
  for (const name of used) {
    if (inPath.includes(name) || captured.includes(name)) continue;
    const near = nearestName(name, [...inPath, ...captured]);
    const hint = near === null ? '' : `; did you mean {${near}}?`;
    const behind = (path ?? []).some((segment) => segment.kind === 'one' && segment.name === name);
    found.push(
      fault(
        behind
          ? 'has a placeholder that stands behind "**" in match.path, where no segment has a number; capture it otherwise'
          : `has a placeholder that is neither a segment of match.path nor a name in capture${hint}`,
        at('resources'),
        at(),
      ),
    );
  }
  for (const name of captured) {
    if (inPath.includes(name))
      found.push(fault('is also the name of a segment of match.path; take another', at('capture', name)));
    else if (!used.has(name)) found.push(warning('is captured and used nowhere', at('capture', name)));
  }
  return found;
}
