import { SHARED_STORES } from './defaults.ts';
import type { ResolvedConfig } from './resolved.ts';

/** What another configuration would do to responses that are sealed already, or that other replicas have to read. */
export function diffEncryption(
  before: Pick<ResolvedConfig, 'encryption'>,
  after: Pick<ResolvedConfig, 'encryption' | 'store'>,
): readonly string[] {
  const changes: string[] = [];
  const unreadable = 'repeats whose response it sealed get 409 response-unreadable, and are not executed';
  for (const { id, key } of before.encryption.keys) {
    const now = after.encryption.keys.find((other) => other.id === id);
    if (now === undefined) changes.push(`encryption key ${id} is gone; ${unreadable}`);
    else if (now.key !== key)
      changes.push(`encryption key ${id} is another key under the same id; ${unreadable}`);
  }
  const current = after.encryption.keys[0];
  const isNew = current !== undefined && !before.encryption.keys.some(({ id }) => id === current.id);
  if (isNew && after.encryption.responses !== 'plain' && SHARED_STORES.includes(after.store.kind))
    changes.push(
      `encryption key ${current.id} is new and seals at once; replicas that lack it answer 409 response-unreadable for what it seals: let every replica have it before it stands first`,
    );
  if (before.encryption.responses !== 'sealed-only' && after.encryption.responses === 'sealed-only')
    changes.push(
      'encryption.responses is sealed-only from now on; repeats whose response is stored plain, or is being stored so by another replica, get 409 response-unreadable, and are not executed',
    );
  return changes;
}
