import type { Redis } from 'ioredis';
import { readSecretIdReply } from './reply.ts';
import type { ScriptArgument, ScriptRunner } from './script-runner.ts';
import type { ScriptName } from './scripts.ts';
import { createSecretGuard } from './secret-guard.ts';

export type TrustedRunnerOptions = {
  readonly client: Redis;
  readonly runner: ScriptRunner;
  readonly secretIdKey: string;
  readonly secretIds: readonly string[];
  readonly warn: (message: string) => void;
};

/** Runs scripts only against a store that belongs to the secret, and looks again after every reconnect. */
export type TrustedRunner = {
  /** @throws StoreUnavailable */
  run(name: ScriptName, key: string, ...arguments_: readonly ScriptArgument[]): Promise<unknown>;
  /** Once, at the start. */
  adopt(): Promise<void>;
  /** @throws StoreUnavailable where writes would fail. */
  prove(): Promise<void>;
};

export function createTrustedRunner(options: TrustedRunnerOptions): TrustedRunner {
  const { client, runner, secretIdKey, secretIds, warn } = options;
  let trust: 'trusted' | 'unverified' = 'unverified';
  let looking: Promise<void> | null = null;
  const guard = createSecretGuard({
    secretIds,
    warn,
    write: async (...arguments_) => readSecretIdReply(await runner.run('secret-id', secretIdKey, arguments_)),
  });
  // Behind the same address may be another server from now on, or the same one without its data.
  client.on('close', () => {
    trust = 'unverified';
  });

  /** One look for all that wait for it. */
  function look(): Promise<void> {
    looking ??= guard
      .look()
      .then(() => {
        trust = 'trusted';
      })
      .finally(() => {
        looking = null;
      });
    return looking;
  }

  return {
    async run(name, key, ...arguments_) {
      if (trust === 'unverified') await look();
      return runner.run(name, key, arguments_);
    },
    async adopt() {
      await guard.adopt();
      trust = 'trusted';
    },
    async prove() {
      try {
        await guard.prove();
      } catch (error) {
        trust = 'unverified';
        throw error;
      }
    },
  };
}
