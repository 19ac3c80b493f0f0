import type { Redis } from 'ioredis';
import type { Store } from '../contract.ts';
import { type ConnectionOptions, connect, createClient, maskedUrl } from './connection.ts';
import { type KeyNames, keyNames } from './key-names.ts';
import { countRecords, type ListSource, listRecords } from './listing.ts';
import { createRecordSteps, type RunStep } from './record-steps.ts';
import { readInspectReply } from './reply.ts';
import { attempt, createScriptRunner, type ScriptRunner } from './script-runner.ts';
import { judgeServer, parseInfo, type ServerFacts } from './server-facts.ts';
import { createSettlements } from './settlements.ts';
import { createTrustedRunner, type TrustedRunner } from './trusted-runner.ts';

export type RedisStoreOptions = ConnectionOptions & {
  /** Before every name in Redis; stores with different prefixes know nothing of each other. */
  readonly keyPrefix: string;
  /** accept: eviction and a missing append-only file are warnings instead of refusals. */
  readonly acceptLoss: 'accept' | 'refuse';
  /** A short public digest of each HMAC secret, current first. */
  readonly secretIds: readonly string[];
  /** Hears what is found out after the start, such as a server that has lost its records. */
  readonly warn: (message: string) => void;
};

export type OpenedRedisStore = { readonly store: Store; readonly warnings: readonly string[] };

/**
 * Records in a standalone Redis, one hash each; every step is one script, judged by the server's clock. Many processes
 * may share it.
 * @throws StoreUnavailable when the server cannot be reached, Error when it must not be used; one line each.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<OpenedRedisStore> {
  const client = createClient(options);
  const where = `redis at ${maskedUrl(options.url)}`;
  await connect(client, options.url);
  try {
    const { faults, warnings } = judgeServer(await serverFacts(client), options.acceptLoss);
    if (faults.length > 0) throw new Error(`${where} is refused: ${faults.join('; ')}`);
    const runner = createScriptRunner(client);
    await runner.load();
    const names = keyNames(options.keyPrefix);
    const trusted = createTrustedRunner({ ...options, client, runner, secretIdKey: names.secretId });
    await trusted.adopt();
    const store = createStore({ client, runner, trusted, names, options });
    return { store, warnings: warnings.map((warning) => `${where}: ${warning}`) };
  } catch (error) {
    client.disconnect();
    throw error;
  }
}

async function serverFacts(client: Redis): Promise<ServerFacts> {
  const info = parseInfo(await attempt(() => client.info()));
  // Not every hosted server lets it be asked.
  const config = await client.config('GET', 'appendfsync').catch(() => null);
  const appendfsync = Array.isArray(config) && typeof config[1] === 'string' ? config[1] : null;
  return { info, appendfsync };
}

type Parts = {
  readonly client: Redis;
  readonly runner: ScriptRunner;
  readonly trusted: TrustedRunner;
  readonly names: KeyNames;
  readonly options: RedisStoreOptions;
};

function createStore({ client, runner, trusted, names, options }: Parts): Store {
  const settlements = createSettlements(() => createClient(options), names.settledChannel);
  const run: RunStep = (name, recordKey, ...arguments_) =>
    trusted.run(name, names.record(recordKey), ...arguments_);
  const source: ListSource = {
    names,
    scan: (cursor, pattern, countHint) =>
      attempt(() => client.scan(cursor, 'MATCH', pattern, 'COUNT', countHint)),
    inspect: async (recordKey) =>
      readInspectReply(recordKey, await run('inspect', recordKey, 'without-response')),
  };
  return {
    kind: 'redis',
    ...createRecordSteps(run, names.settledChannel),
    async inspect(recordKey) {
      return readInspectReply(recordKey, await run('inspect', recordKey, 'with-response'));
    },
    list: (cursor, filter) => listRecords(source, cursor, filter),
    settled: (recordKey, signal) => settlements.wait(recordKey, signal),
    // Redis removes what has expired by itself.
    sweep: async () => 0,
    async stats() {
      const [memory, keys] = await attempt(() => Promise.all([client.info('memory'), client.dbsize()]));
      const bytes = Number(parseInfo(memory).get('used_memory'));
      return { records: await countRecords(source, keys), bytes: Number.isSafeInteger(bytes) ? bytes : null };
    },
    ping: () => trusted.prove(),
    async close() {
      settlements.close();
      await runner.close();
    },
  };
}
