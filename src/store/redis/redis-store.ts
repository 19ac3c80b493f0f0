import { unreachable } from '../../core/unreachable.ts';
import type { Store } from '../contract.ts';
import { addressText, maskedUrl, parseAddress, parseRedisUrl } from './address.ts';
import { createRedisCells, type RunCellStep } from './cells.ts';
import { type ClientOptions, createClient } from './client.ts';
import {
  clusterDiscovery,
  type Discovery,
  fixedDiscovery,
  type SentinelSettings,
  sentinelDiscovery,
} from './discovery.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { type KeyNames, keyNames } from './key-names.ts';
import { countRecords, type ListSource, listRecords } from './listing.ts';
import { createRecordSteps, type RunStep } from './record-steps.ts';
import type { ReplicaWaitSettings } from './replica-wait.ts';
import { createReplicatedSteps } from './replicated-steps.ts';
import { readInspectReply } from './reply.ts';
import { attempt } from './script-runner.ts';
import { createSecretGuard, type SecretGuard } from './secret-guard.ts';
import { createServer, type Server } from './server.ts';
import { parseInfo } from './server-facts.ts';
import { createSettlements } from './settlements.ts';
import { slotOf } from './slots.ts';
import { readTls, type TlsFiles } from './tls.ts';

export type RedisTopology =
  | { readonly kind: 'standalone' }
  /** The URL is that of a sentinel, `nodes` of others; its user, password and database are those of the servers. */
  | { readonly kind: 'sentinel'; readonly nodes: readonly string[]; readonly sentinel: SentinelSettings }
  /** The URL is that of a node, `nodes` of others to begin with. */
  | { readonly kind: 'cluster'; readonly nodes: readonly string[] };

export type RedisStoreOptions = {
  /** `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS. */
  readonly url: string;
  readonly topology: RedisTopology;
  readonly tls: TlsFiles;
  /** Null: no request waits for replicas. */
  readonly wait: ReplicaWaitSettings | null;
  /** Before every name in Redis; stores with different prefixes know nothing of each other. */
  readonly keyPrefix: string;
  /** accept: eviction and a missing append-only file are warnings instead of refusals. */
  readonly acceptLoss: 'accept' | 'refuse';
  /** A short public digest of each HMAC secret, current first. */
  readonly secretIds: readonly string[];
  readonly commandTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** How often running servers are looked at. Default 1 s. */
  readonly checkMs?: number;
  /** Hears what is found out after the start, such as a server that has lost its records. */
  readonly warn: (message: string) => void;
};

export type OpenedRedisStore = { readonly store: Store; readonly warnings: readonly string[] };

const CHECK_MS = 1000;

/**
 * Records in Redis, one hash each; every step is one script, judged by the server's clock. Many processes may share it.
 * @throws StoreUnavailable when a server cannot be reached, Error when it must not be used; one line each.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<OpenedRedisStore> {
  const names = keyNames(options.keyPrefix);
  const client = clientOptions(options);
  const guard = createSecretGuard(options);
  const fleet = createStoreFleet(options, client, names, guard);
  try {
    await fleet.open();
    const warnings = await judge(fleet, options);
    for (const server of fleet.servers()) await server.adopt();
    return { store: createStore(fleet, client, names, options), warnings };
  } catch (error) {
    fleet.abandon();
    throw error;
  }
}

function clientOptions({
  url,
  topology,
  tls,
  commandTimeoutMs,
  connectTimeoutMs,
}: RedisStoreOptions): ClientOptions {
  const { username, password, db, transport } = parseRedisUrl(url);
  if (topology.kind === 'cluster' && db !== 0) throw new Error('store.url: a cluster has database 0 only');
  return {
    username,
    password,
    db,
    tls: transport === 'tls' ? readTls(tls) : null,
    commandTimeoutMs,
    connectTimeoutMs,
  };
}

function createStoreFleet(
  options: RedisStoreOptions,
  client: ClientOptions,
  names: KeyNames,
  guard: SecretGuard,
): Fleet {
  const { topology, acceptLoss, wait, warn, url } = options;
  const settings = { client, topology: topology.kind, acceptLoss, wait, guard, warn };
  const fleet: Fleet = createFleet({
    discovery: discoveryOf(options, client),
    layout: topology.kind === 'standalone' ? 'fixed' : 'found',
    commandTimeoutMs: options.commandTimeoutMs,
    checkMs: options.checkMs ?? CHECK_MS,
    createServer: (address) =>
      createServer({
        settings,
        address,
        where: `redis at ${topology.kind === 'standalone' ? maskedUrl(url) : addressText(address)}`,
        witnesses: () => witnesses(fleet.slotsOf(address), names),
      }),
  });
  return fleet;
}

function discoveryOf({ url, topology }: RedisStoreOptions, client: ClientOptions): Discovery {
  switch (topology.kind) {
    case 'standalone':
      return fixedDiscovery(parseRedisUrl(url).address);
    case 'sentinel': {
      const sentinels = [parseRedisUrl(url, 'sentinel').address, ...topology.nodes.map(addressOf)];
      return sentinelDiscovery(sentinels, topology.sentinel, client);
    }
    case 'cluster':
      return clusterDiscovery([parseRedisUrl(url).address, ...topology.nodes.map(addressOf)], client);
    default:
      return unreachable(topology);
  }
}

function addressOf(node: string): { readonly host: string; readonly port: number } {
  const address = parseAddress(node);
  if (address === null) throw new Error(`store.nodes: ${node} is not host:port`);
  return address;
}

/** Every so many slots one has a witness: some hundred small keys in all. */
const SLOTS_PER_WITNESS = 64;

/**
 * The names that prove the data of a server, the common one first. The same slots for every process and for ever: a
 * slot takes its witness along to another server.
 */
function witnesses(slots: readonly number[] | null, names: KeyNames): readonly string[] {
  if (slots === null) return [names.secretId];
  const common = slotOf(names.secretId);
  const chosen = slots.filter((slot) => slot % SLOTS_PER_WITNESS === 0 && slot !== common);
  const all = slots.includes(common) ? [common, ...chosen] : chosen;
  return (all.length > 0 ? all : slots.slice(0, 1)).map((slot) => names.secretIdIn(slot));
}

/** All faults of all servers together; else what there is to warn of. */
async function judge(fleet: Fleet, options: RedisStoreOptions): Promise<readonly string[]> {
  const refused: string[] = [];
  const warned: string[] = [];
  for (const server of fleet.servers()) {
    const { faults, role, warnings } = await server.examine('returned');
    const all = role === null ? faults : [...faults, role];
    if (all.length > 0) refused.push(`${server.where} is refused: ${all.join('; ')}`);
    warned.push(...warnings.map((warning) => `${server.where}: ${warning}`));
  }
  if (refused.length > 0) throw new Error(refused.join('; '));
  if (options.topology.kind !== 'standalone' && options.wait === null) warned.push(ASYNCHRONOUS);
  return warned;
}

const ASYNCHRONOUS =
  'redis replicates asynchronously: a failover can lose the latest records, and their requests can be executed again; store.wait closes that';

function createStore(
  fleet: Fleet,
  client: ClientOptions,
  names: KeyNames,
  options: RedisStoreOptions,
): Store {
  let turn = 0;
  const settlements = createSettlements(() => {
    const servers = fleet.servers();
    turn += 1;
    const server = servers[turn % servers.length];
    return server === undefined ? null : createClient(client, server.address, 'end');
  }, names.settledChannel);
  const run: RunStep = (name, recordKey, ...arguments_) =>
    fleet.run(name, names.record(recordKey), arguments_, 'usual');
  const runDurable: RunStep = (name, recordKey, ...arguments_) =>
    fleet.run(name, names.record(recordKey), arguments_, 'durable');
  // What others may act on must be on replicas first, where store.wait asks for it: a lock that a failover forgets is
  // given twice.
  const runCell: RunCellStep = (name, cellKey, ...arguments_) =>
    fleet.run(name, names.cell(cellKey), arguments_, name === 'cell-write' ? 'durable' : 'usual');
  const source: ListSource = {
    names,
    scan: (cursor, pattern, countHint) => scan(fleet.servers(), cursor, pattern, countHint),
    inspect: async (recordKey) =>
      readInspectReply(recordKey, await run('inspect', recordKey, 'without-response')),
  };
  const steps = createRecordSteps(run, names.settledChannel);
  return {
    kind: 'redis',
    cells: createRedisCells(runCell, names.settledChannel, settlements.wait),
    ...steps,
    ...(options.wait === null ? {} : createReplicatedSteps(steps, runDurable)),
    async inspect(recordKey) {
      return readInspectReply(recordKey, await run('inspect', recordKey, 'with-response'));
    },
    list: (cursor, filter) => listRecords(source, cursor, filter),
    settled: (recordKey, signal) => settlements.wait(recordKey, signal),
    // Redis removes what has expired by itself.
    sweep: async () => 0,
    async stats() {
      const counts = await Promise.all(fleet.servers().map(countServer));
      const bytes = counts.reduce((sum, each) => sum + each.bytes, 0);
      const keys = counts.reduce((sum, each) => sum + each.keys, 0);
      return { records: await countRecords(source, keys), bytes: Number.isSafeInteger(bytes) ? bytes : null };
    },
    async ping() {
      await Promise.all(fleet.servers().map((server) => server.prove()));
    },
    async close() {
      settlements.close();
      await fleet.close();
    },
  };
}

async function countServer({ client }: Server): Promise<{ readonly keys: number; readonly bytes: number }> {
  const [memory, keys] = await attempt(() => Promise.all([client.info('memory'), client.dbsize()]));
  return { keys, bytes: Number(parseInfo(memory).get('used_memory')) };
}

/** Decimal digits of a cursor that say which server it belongs to. */
const SERVER_DIGITS = 4;

/** One server after the other: the last digits of the cursor name the server, those before are its own cursor. */
async function scan(
  servers: readonly Server[],
  cursor: string,
  pattern: string,
  countHint: number,
): Promise<readonly [cursor: string, names: readonly string[]]> {
  const digits = cursor.padStart(SERVER_DIGITS + 1, '0');
  const index = Number(digits.slice(-SERVER_DIGITS));
  const server = servers[index];
  if (server === undefined) return ['0', []];
  const own = digits.slice(0, -SERVER_DIGITS).replace(/^0+(?=\d)/, '');
  const [after, found] = await attempt(() => server.client.scan(own, 'MATCH', pattern, 'COUNT', countHint));
  const isLast = index + 1 >= servers.length;
  if (after === '0') return [isLast ? '0' : String(index + 1), found];
  return [`${after}${String(index).padStart(SERVER_DIGITS, '0')}`, found];
}
