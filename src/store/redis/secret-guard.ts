import { StoreUnavailable } from '../contract.ts';
import type { SecretIdReply } from './reply.ts';

/** Keeps the store and the HMAC secret together, and notices a store that has lost its data. */
export type SecretGuard = {
  /** At the start: the current secret's id becomes the store's. */
  adopt(): Promise<void>;
  /** On a new connection; needs no write, so that replays go on where writes do not. */
  look(): Promise<void>;
  /** As `look`, and proves that the store takes writes. */
  prove(): Promise<void>;
};

type SecretIdMode = 'adopt' | 'look' | 'prove';

export type SecretGuardOptions = {
  /** The id of each secret, current first. */
  readonly secretIds: readonly string[];
  readonly write: (current: string, accepted: string, mode: SecretIdMode) => Promise<SecretIdReply>;
  readonly warn: (message: string) => void;
};

/** Version of the records' layout, kept before the id: an older program must not misread newer records. */
const FORMAT = '1';

export function createSecretGuard({ secretIds, write, warn }: SecretGuardOptions): SecretGuard {
  const values = secretIds.map((id) => `${FORMAT}:${id}`);
  const [current = ''] = values;
  if (current === '' || secretIds.some((id) => !/^[\w-]{1,64}$/.test(id))) {
    throw new TypeError('the redis store needs the id of its secret: 1 to 64 letters, digits, - or _');
  }
  const accepted = `,${values.join(',')},`;

  async function check(mode: SecretIdMode): Promise<void> {
    const reply = await write(current, accepted, mode);
    if (reply.kind === 'refused') {
      throw mode === 'adopt'
        ? new Error(refusal(reply.found))
        : new StoreUnavailable('error', refusal(reply.found));
    }
    if (reply.kind === 'written' && mode !== 'adopt') {
      warn(
        'redis has lost its records (the id of the secret was gone): requests it knew of can be executed again',
      );
    }
  }

  return { adopt: () => check('adopt'), look: () => check('look'), prove: () => check('prove') };
}

function refusal(found: string): string {
  const format = /^(\d+):/.exec(found)?.[1];
  if (format !== undefined && format !== FORMAT) {
    return `redis holds records of format ${format}, this program knows ${FORMAT}: use the version that wrote them`;
  }
  return 'redis holds records made with another HMAC secret: under this one every repeat would be executed again. Configure that secret (secrets: [new, old] to change it), or another store.keyPrefix';
}
