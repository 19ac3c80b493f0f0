import { hash } from 'node:crypto';

/**
 * Which caller made a request under a key last, as far as this process has seen it: the same request under the same key
 * from another caller is mostly a retry whose credential was renewed, and executes again.
 */
export type Rotations = {
  note(keyspace: string, key: string, digest: string, scope: Uint8Array): 'rotated' | 'as-before';
};

/** The oldest goes first. */
const NOTED_MAX = 10_000;
/** Of a longer key its digest is kept, so that clients cannot choose how much is. */
const KEY_CHARS_MAX = 128;

export function createRotations(notedMax = NOTED_MAX): Rotations {
  const callers = new Map<string, Uint8Array>();
  return {
    note(keyspace, key, digest, scope) {
      const named = key.length > KEY_CHARS_MAX ? hash('sha256', key, 'base64url') : key;
      const request = `${digest} ${keyspace} ${named}`;
      const before = callers.get(request);
      if (before !== undefined && Buffer.compare(before, scope) === 0) return 'as-before';
      callers.set(request, scope);
      if (before !== undefined) return 'rotated';
      if (callers.size > notedMax) for (const oldest of callers.keys()) return forget(callers, oldest);
      return 'as-before';
    },
  };
}

function forget(callers: Map<string, Uint8Array>, request: string): 'as-before' {
  callers.delete(request);
  return 'as-before';
}
