import { StoreUnavailable } from '../contract.ts';
import { readSecretIdReply } from './reply.ts';
import type { ScriptArgument } from './script-runner.ts';

/**
 * Keeps the store and the HMAC secret together, and notices a server that has lost its data: it holds a key with the
 * id of the secret, the witness, which goes when the data go. A standalone server has one; in a cluster every 64th slot
 * has one.
 */
export type SecretGuard = {
  /**
   * adopt: at the start, the current secret's id becomes the store's. look: on a new connection; needs no write, so
   * that replays go on where writes do not. prove: as look, and proves that the server takes writes.
   * lost: this process has seen the witness before, and it was gone.
   * @throws StoreUnavailable; Error where `adopt` finds another secret.
   */
  check(mode: SecretIdMode, witness: string, server: WitnessedServer): Promise<'kept' | 'lost'>;
};

export type SecretIdMode = 'adopt' | 'look' | 'prove';

export type WitnessedServer = {
  /** For messages, such as `redis at 10.0.0.1:6379`. */
  readonly where: string;
  readonly run: (witness: string, arguments_: readonly ScriptArgument[]) => Promise<unknown>;
};

export type SecretGuardOptions = {
  /** The id of each secret, current first. */
  readonly secretIds: readonly string[];
  readonly warn: (message: string) => void;
};

/** Version of the records' layout, kept before the id: an older program must not misread newer records. */
const FORMAT = '1';

export function createSecretGuard({ secretIds, warn }: SecretGuardOptions): SecretGuard {
  const values = secretIds.map((id) => `${FORMAT}:${id}`);
  const [current = ''] = values;
  if (current === '' || secretIds.some((id) => !/^[\w-]{1,64}$/.test(id))) {
    throw new TypeError('the redis store needs the id of its secret: 1 to 64 letters, digits, - or _');
  }
  const accepted = `,${values.join(',')},`;
  // One for each slot at most.
  const seen = new Set<string>();

  return {
    async check(mode, witness, { where, run }) {
      const reply = readSecretIdReply(await run(witness, [current, accepted, mode]));
      if (reply.kind === 'refused') {
        throw mode === 'adopt'
          ? new Error(refusal(reply.found))
          : new StoreUnavailable('error', refusal(reply.found));
      }
      const lost = reply.kind === 'written' && mode !== 'adopt' && seen.has(witness);
      seen.add(witness);
      if (lost) {
        warn(
          `${where} has lost its records (the id of the secret was gone): requests it knew of can be executed again`,
        );
      }
      return lost ? 'lost' : 'kept';
    },
  };
}

function refusal(found: string): string {
  const format = /^(\d+):/.exec(found)?.[1];
  if (format !== undefined && format !== FORMAT) {
    return `redis holds records of format ${format}, this program knows ${FORMAT}: use the version that wrote them`;
  }
  return 'redis holds records made with another HMAC secret: under this one every repeat would be executed again. Configure that secret (secrets: [new, old] to change it), or another store.keyPrefix';
}
