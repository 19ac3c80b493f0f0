import { SHARED_STORES } from './defaults.ts';
import type { ResolvedConfig } from './resolved.ts';

/** What other secrets would do to keys that are in use. Names none of them. */
export function diffSecrets(
  before: Pick<ResolvedConfig, 'secrets'>,
  after: Pick<ResolvedConfig, 'secrets' | 'store'>,
): readonly string[] {
  const changes: string[] = [];
  const [current] = after.secrets;
  const isNew = current !== undefined && !before.secrets.includes(current);
  if (isNew && before.secrets.length > 0 && SHARED_STORES.includes(after.store.kind))
    changes.push(
      'the first of secrets is new; a replica that lacks it finds nothing of what is claimed under it, and executes it again: let every replica have it behind the old one before it stands first',
    );
  if (before.secrets.some((secret) => !after.secrets.includes(secret)))
    changes.push(
      'one of secrets is gone; keys that were claimed under it are not recognised, and their repeats executed again, until unknownRetain is over',
    );
  return changes;
}
