import type { Redis } from 'ioredis';
import { StoreUnavailable } from '../contract.ts';
import { attempt, type Errand, type ScriptArgument, type ScriptRunner } from './script-runner.ts';
import type { ScriptName } from './scripts.ts';

export type ReplicaWaitSettings = {
  /** Replicas that must have a dispatch mark before its request goes out. */
  readonly replicas: number;
  /** How long they may take. */
  readonly timeoutMs: number;
};

/**
 * A second connection to a server, for writes that must be on replicas before anything follows from them. WAIT blocks
 * its connection: on the common one every replay would wait behind it.
 */
export type ReplicaWait = {
  /**
   * Runs a script that writes, and then waits until enough replicas have what it wrote. The order is that of one
   * connection: what WAIT confirms is on the server that ran the script.
   * @throws StoreUnavailable `too_few_replicas` where the write is on the primary but not on enough replicas.
   */
  run(
    name: ScriptName,
    key: string,
    arguments_: readonly ScriptArgument[],
    dueMs: number,
    errand: Errand,
  ): Promise<unknown>;
};

export function createReplicaWait(
  client: Redis,
  runner: ScriptRunner,
  { replicas, timeoutMs }: ReplicaWaitSettings,
): ReplicaWait {
  let connection = 0;
  let round: Promise<number> | null = null;
  client.on('close', () => {
    connection += 1;
    round = null;
  });

  /** One WAIT for all writes that were answered in the same turn. */
  function acknowledged(): Promise<number> {
    round ??= new Promise((resolve, reject) => {
      const during = connection;
      process.nextTick(() => {
        round = null;
        // A WAIT on a new connection would confirm nothing of what the old one wrote.
        if (during !== connection) {
          reject(
            new StoreUnavailable('connection', 'no connection to redis: lost before replicas confirmed'),
          );
          return;
        }
        attempt(() => client.call('WAIT', replicas, timeoutMs)).then(
          (count) => resolve(Number(count)),
          reject,
        );
      });
    });
    return round;
  }

  return {
    async run(name, key, arguments_, dueMs, errand) {
      const reply = await runner.run(name, key, arguments_, dueMs, errand);
      const count = await acknowledged();
      if (count >= replicas) return reply;
      throw new StoreUnavailable(
        'too_few_replicas',
        `${count} of ${replicas} replicas confirmed within ${timeoutMs} ms (store.wait): nothing is dispatched`,
      );
    },
  };
}
