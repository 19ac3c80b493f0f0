import type { ResolvedConfig } from './config/resolved.ts';
import { WATCH_MS } from './config/watch-content.ts';
import { claimsAsked } from './core/plan.ts';
import type { Snapshot } from './engine/types.ts';
import type { Base } from './parts.ts';
import { wallMs } from './parts.ts';
import { createKeySets, type KeySets } from './tokens/key-sets.ts';
import { createTokenDesk } from './tokens/token-desk.ts';

/** Who is believed: the key sets of the issuers, and what verifies tokens with them. */

export type Identity = {
  readonly keySets: KeySets;
  /** Of a configuration; its key sets are read meanwhile, and requests that need them wait for that. */
  desk(config: ResolvedConfig): Snapshot['tokens'];
};

/** Rejects with one line when a key set cannot be read at the start; later the old one stays in force. */
export async function openIdentity(config: ResolvedConfig, { log, metrics }: Base): Promise<Identity> {
  const keySets = createKeySets({
    intervalMs: WATCH_MS,
    onRead(read, file) {
      if (read.kind === 'keys') log.event('info', 'key set in use', { file, keys: read.keys.count });
      else log.event('warn', 'key set refused, the old one stays in force', { why: read.message });
    },
  });
  for (const read of await keySets.use(filesOf(config))) {
    if (read.kind === 'keys') continue;
    keySets.stop();
    throw new Error(`jwt: ${read.message}`);
  }
  return {
    keySets,
    desk(of) {
      void keySets.use(filesOf(of));
      if (of.jwt === null) return null;
      const onRead = metrics.tokenRead;
      return createTokenDesk({ config: of.jwt, claims: claimsAsked(of), keySets, wallMs, onRead });
    },
  };
}

function filesOf({ jwt }: ResolvedConfig): readonly string[] {
  return [...new Set(jwt?.issuers.map(({ jwksFile }) => jwksFile) ?? [])];
}
