import { StoreUnavailable } from '../contract.ts';
import type { Ask } from './reply.ts';
import { Refused } from './unavailable.ts';

/** Keeps the store and the HMAC secret together. */
export type SecretGuard = {
  /** At the start: the current secret's id becomes the store's. Throws Refused for another one's store. */
  adopt(ask: Ask): Promise<void>;
  /** On a new connection; needs no write, so that replays go on where writes do not. Throws StoreUnavailable. */
  look(ask: Ask): Promise<void>;
  /** As `look`, and proves that the store takes writes. */
  prove(ask: Ask): Promise<void>;
};

/** `secretIds`: the id of each secret, current first. */
export function createSecretGuard(secretIds: readonly string[]): SecretGuard {
  const [current] = secretIds;
  if (current === undefined || secretIds.some((id) => !/^[\w-]{1,64}$/.test(id))) {
    throw new TypeError('the postgres store needs the id of its secret: 1 to 64 letters, digits, - or _');
  }

  async function fault(ask: Ask): Promise<string | null> {
    const [row] = await ask('look', []);
    if (row === undefined) {
      return 'it has lost the row that says whose its records are: restore the database, or start anew with another store.schema';
    }
    const found = row[0];
    return typeof found === 'string' && secretIds.includes(found) ? null : ANOTHER;
  }

  async function look(ask: Ask): Promise<void> {
    const found = await fault(ask);
    if (found !== null) throw new StoreUnavailable('error', `postgres is refused: ${found}`);
  }

  return {
    async adopt(ask) {
      if ((await ask('adopt', [current, secretIds])).length > 0) return;
      throw new Refused((await fault(ask)) ?? ANOTHER);
    },
    look,
    async prove(ask) {
      if ((await ask('prove', [secretIds])).length === 0) await look(ask);
    },
  };
}

const ANOTHER =
  'it holds records made with another HMAC secret: under this one every repeat would be executed again. Configure that secret (secrets: [new, old] to change it), or another store.schema';
