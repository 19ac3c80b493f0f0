import type { Redis } from 'ioredis';
import { StoreUnavailable } from '../contract.ts';
import type { ScriptRunner } from './script-runner.ts';
import type { SecretGuard, SecretIdMode, WitnessedServer } from './secret-guard.ts';
import { Redirected } from './unavailable.ts';

/** Whether the server behind a connection has been looked at. Behind a new one may be another server. */
export type Trust = {
  state(): 'trusted' | 'unverified';
  /** One look for all that wait for it. @throws StoreUnavailable */
  verified(): Promise<void>;
  gain(): void;
  lose(): void;
};

export function createTrust(client: Redis, look: () => Promise<void>): Trust {
  let state: 'trusted' | 'unverified' = 'unverified';
  let connection = 0;
  let verifying: Promise<void> | null = null;
  client.on('close', () => {
    connection += 1;
    state = 'unverified';
  });

  async function verify(): Promise<void> {
    const during = connection;
    await look();
    if (during !== connection) throw new StoreUnavailable('connection', 'no connection to redis: lost again');
    state = 'trusted';
  }

  return {
    state: () => state,
    verified() {
      verifying ??= verify().finally(() => {
        verifying = null;
      });
      return verifying;
    },
    gain() {
      state = 'trusted';
    },
    lose() {
      state = 'unverified';
    },
  };
}

/** Slots of a cluster may be on their way: so many witnesses are asked for before the server counts as unavailable. */
const WITNESSES_MAX = 4;

export type SecretCheck = {
  readonly where: string;
  readonly through: Pick<ScriptRunner, 'run'>;
  /** Best first; none: the server holds no records. */
  readonly witnesses: readonly string[];
  readonly within: { readonly commandTimeoutMs: number };
};

/** @throws StoreUnavailable */
export async function checkSecret(
  guard: SecretGuard,
  mode: Exclude<SecretIdMode, 'adopt'>,
  { where, through, witnesses, within }: SecretCheck,
): Promise<void> {
  const server = witnessed({ where, through, within });
  let elsewhere: Redirected | null = null;
  for (const witness of witnesses.slice(0, WITNESSES_MAX)) {
    try {
      if ((await guard.check(mode, witness, server)) === 'lost')
        // The others went with it: one loss is one incident.
        await adoptSecret(guard, { where, through, witnesses, within });
      return;
    } catch (error) {
      if (!(error instanceof Redirected)) throw error;
      elsewhere = error;
    }
  }
  // Not the redirection itself: its caller would follow it with a record of another slot.
  if (elsewhere !== null)
    throw new StoreUnavailable('connection', `${where}: its slots are on their way to another server`);
}

/**
 * Makes every witness of a server that of the current secret. One that is on its way to another server is left out.
 * @throws StoreUnavailable; Error where another secret is found.
 */
export async function adoptSecret(guard: SecretGuard, { witnesses, ...rest }: SecretCheck): Promise<void> {
  const server = witnessed(rest);
  const adopted = await Promise.all(
    witnesses.map((witness) =>
      guard.check('adopt', witness, server).catch((error: unknown) => {
        if (error instanceof Redirected) return null;
        throw error;
      }),
    ),
  );
  if (adopted.length > 0 && adopted.every((each) => each === null))
    throw new StoreUnavailable('connection', `${rest.where}: its slots are on their way to another server`);
}

function witnessed({ where, through, within }: Omit<SecretCheck, 'witnesses'>): WitnessedServer {
  const dueMs = performance.now() + within.commandTimeoutMs;
  return {
    where,
    run: (key, arguments_) => through.run('secret-id', key, arguments_, dueMs, 'plain'),
  };
}
