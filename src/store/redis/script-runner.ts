import type { Socket } from 'node:net';
import type { Redis } from 'ioredis';
import { StoreUnavailable } from '../contract.ts';
import { loadScript, SCRIPT_NAMES, type Script, type ScriptName } from './scripts.ts';
import { replyCode, toUnavailable } from './unavailable.ts';

export type ScriptArgument = string | number | Buffer;

/** asked: the server is told that it was named by ASK, so that it serves a slot which is still on its way to it. */
export type Errand = 'plain' | 'asked';

export type ScriptRunner = {
  /**
   * Runs a script on one key; bulk strings come as bytes. Nothing is sent after `dueMs` of the monotonic clock.
   * @throws StoreUnavailable; Redirected where another server of the cluster has the key.
   */
  run(
    name: ScriptName,
    key: string,
    arguments_: readonly ScriptArgument[],
    dueMs: number,
    errand: Errand,
  ): Promise<unknown>;
  /** Makes the server know all scripts, so that the first use of each is one round trip. */
  load(): Promise<void>;
  close(): Promise<void>;
};

export function createScriptRunner(client: Redis): ScriptRunner {
  const scripts = new Map<ScriptName, Script>(SCRIPT_NAMES.map((name) => [name, loadScript(name)]));
  let life: 'open' | 'closed' = 'open';
  return {
    async run(name, key, arguments_, dueMs, errand) {
      if (life === 'closed') throw new StoreUnavailable('closed', 'the redis store is closed');
      const script = scripts.get(name);
      if (script === undefined) throw new TypeError(`no script ${name}`);
      gatherWrites(client.stream);
      try {
        if (errand === 'asked') askLeave(client);
        return await client.callBuffer('evalsha', script.sha1, 1, key, ...arguments_);
      } catch (error) {
        if (replyCode(error) !== 'NOSCRIPT') throw toUnavailable(error);
      }
      throwIfOver(dueMs);
      // Nothing was executed (restart, SCRIPT FLUSH, failover): the same arguments once more, and the text with them.
      return await attempt(() => {
        if (errand === 'asked') askLeave(client);
        return client.callBuffer('eval', script.text, 1, key, ...arguments_);
      });
    },
    async load() {
      await attempt(() => Promise.all([...scripts.values()].map(({ text }) => client.script('LOAD', text))));
    },
    async close() {
      if (life === 'closed') return;
      life = 'closed';
      // QUIT waits its turn: writes on their way are answered first.
      await client.quit().catch(() => client.disconnect());
    },
  };
}

/** Holds for the next command of the connection: both are sent in one turn, so that nothing comes between them. */
function askLeave(client: Redis): void {
  client.call('asking').catch(() => undefined);
}

/** What is sent after its caller was told that nothing is known would only make work for others. */
export function throwIfOver(dueMs: number): void {
  if (performance.now() >= dueMs) throw new StoreUnavailable('timeout', 'redis gave no answer in time');
}

/** Commands of one turn of the event loop leave in one write: a fifth of the client's CPU with 64 in flight. */
function gatherWrites(stream: Socket | undefined): void {
  if (stream === undefined || stream.writableCorked > 0) return;
  stream.cork();
  process.nextTick(letGo, stream);
}

function letGo(stream: Socket): void {
  stream.uncork();
}

/** @throws StoreUnavailable for whatever the command fails with. */
export async function attempt<T>(command: () => Promise<T>): Promise<T> {
  try {
    return await command();
  } catch (error) {
    throw toUnavailable(error);
  }
}
