import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from './child-proxy.ts';
import { type RedisServer, type RedisServerOptions, startRedisServer } from './redis-server.ts';

export type RedisClusterNode = RedisServer & { readonly id: string };

/** Real nodes with all slots assigned; no redis-cli is needed. */
export type RedisCluster = {
  readonly primaries: readonly RedisClusterNode[];
  /** The replica of primary i at place i; empty without replicas. */
  readonly replicas: readonly RedisClusterNode[];
  readonly nodes: readonly RedisClusterNode[];
  /** Of the first node, for a store. */
  readonly url: string;
  /** `host:port` of all nodes. */
  readonly addresses: readonly string[];
  slotOf(name: string): Promise<number>;
  /** The node that serves a slot now, as the nodes that answer say. */
  ownerOf(slot: number): Promise<RedisClusterNode>;
  /** Importing and migrating: from now on names that are not at the old owner are asked for at the new one. */
  beginMigration(slot: number, to: RedisClusterNode): Promise<void>;
  /** Moves up to `names` of the slot's names; returns how many there were. */
  migrateNames(slot: number, to: RedisClusterNode, namesMax: number): Promise<number>;
  endMigration(slot: number, to: RedisClusterNode): Promise<void>;
  /** All nodes that answer say that the cluster is whole. */
  untilWhole(): Promise<void>;
  remove(): Promise<void>;
};

export type RedisClusterOptions = {
  readonly replicas?: 'none' | 'one-each';
  readonly server?: RedisServerOptions;
  /** After this long without an answer a node counts as failed. Default 1 s. */
  readonly nodeTimeoutMs?: number;
};

const PRIMARIES = 3;
const SLOTS = 16_384;
const MIGRATE_TIMEOUT_MS = 5000;

export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const replicated = options.replicas === 'one-each';
  const nodes = await Promise.all(
    Array.from({ length: replicated ? PRIMARIES * 2 : PRIMARIES }, () => startNode(options)),
  );
  const primaries = nodes.slice(0, PRIMARIES);
  const replicas = nodes.slice(PRIMARIES);
  const cluster = createCluster(primaries, replicas);
  try {
    await join(nodes, primaries);
    await settled(() => everyInfo(nodes, (info) => info.includes(`cluster_known_nodes:${nodes.length}`)));
    for (const [i, replica] of replicas.entries())
      await settled(async () => {
        await replica.command('CLUSTER', 'REPLICATE', primaries[i]?.id ?? '');
        return true;
      });
    await cluster.untilWhole();
    await settled(async () => {
      const links = await Promise.all(replicas.map((replica) => replica.command('INFO', 'replication')));
      return links.every((link) => String(link).includes('master_link_status:up'));
    });
  } catch (error) {
    await cluster.remove();
    throw error;
  }
  return cluster;
}

async function startNode({ server, nodeTimeoutMs }: RedisClusterOptions): Promise<RedisClusterNode> {
  const busPort = await freePort();
  const started = await startRedisServer({
    ...server,
    config: [
      ...['cluster-enabled', 'yes', 'cluster-port', String(busPort)],
      ...['cluster-node-timeout', String(nodeTimeoutMs ?? 1000), 'cluster-replica-validity-factor', '0'],
      ...['repl-diskless-sync-delay', '0', 'cluster-announce-bus-port', String(busPort)],
      ...(server?.config ?? []),
    ],
  });
  return { ...started, id: String(await started.command('CLUSTER', 'MYID')) };
}

async function join(
  nodes: readonly RedisClusterNode[],
  primaries: readonly RedisClusterNode[],
): Promise<void> {
  for (const [i, primary] of primaries.entries()) {
    const first = Math.floor((i * SLOTS) / primaries.length);
    const last = Math.floor(((i + 1) * SLOTS) / primaries.length) - 1;
    await primary.command('CLUSTER', 'ADDSLOTSRANGE', String(first), String(last));
  }
  for (const [i, node] of nodes.entries()) await node.command('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
  const hub = nodes[0];
  for (const node of nodes.slice(1)) {
    const busPort = await node.command('CONFIG', 'GET', 'cluster-port');
    const port = Array.isArray(busPort) ? String(busPort[1]) : '';
    await hub?.command('CLUSTER', 'MEET', '127.0.0.1', String(node.port), port);
  }
}

function createCluster(
  primaries: readonly RedisClusterNode[],
  replicas: readonly RedisClusterNode[],
): RedisCluster {
  const nodes = [...primaries, ...replicas];

  async function answering(): Promise<RedisClusterNode> {
    for (const node of nodes) {
      const answer = await node.command('PING').catch(() => null);
      if (answer === 'PONG') return node;
    }
    throw new Error('no node of the cluster answers');
  }

  async function ownerOf(slot: number): Promise<RedisClusterNode> {
    const ranges = await (await answering()).command('CLUSTER', 'SLOTS');
    for (const range of Array.isArray(ranges) ? ranges : []) {
      const owner = nodes.find(({ port }) => port === range[2][1]);
      if (range[0] <= slot && slot <= range[1] && owner !== undefined) return owner;
    }
    throw new Error(`nobody owns slot ${slot}`);
  }

  return {
    primaries,
    replicas,
    nodes,
    url: `redis://127.0.0.1:${primaries[0]?.port}`,
    addresses: nodes.map(({ port }) => `127.0.0.1:${port}`),
    slotOf: async (name) => Number(await (await answering()).command('CLUSTER', 'KEYSLOT', name)),
    ownerOf,
    async beginMigration(slot, to) {
      const from = await ownerOf(slot);
      await to.command('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', from.id);
      await from.command('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', to.id);
    },
    async migrateNames(slot, to, namesMax) {
      const from = await ownerOf(slot);
      const found = await from.command('CLUSTER', 'GETKEYSINSLOT', String(slot), String(namesMax));
      const names = Array.isArray(found) ? found.map(String) : [];
      const target = ['127.0.0.1', String(to.port), '', '0', String(MIGRATE_TIMEOUT_MS), 'KEYS'];
      if (names.length > 0) await from.command('MIGRATE', ...target, ...names);
      return names.length;
    },
    async endMigration(slot, to) {
      const from = await ownerOf(slot);
      await to.command('CLUSTER', 'SETSLOT', String(slot), 'NODE', to.id);
      await from.command('CLUSTER', 'SETSLOT', String(slot), 'NODE', to.id);
    },
    untilWhole: () =>
      settled(() => everyInfo(nodes, (info) => info.includes('cluster_state:ok')).catch(() => false)),
    async remove() {
      await Promise.all(nodes.map((node) => node.remove()));
    },
  };
}

async function everyInfo(
  nodes: readonly RedisClusterNode[],
  fits: (info: string) => boolean,
): Promise<boolean> {
  const infos = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'INFO')));
  return infos.every((info) => fits(String(info)));
}

/** Gossip has no event that could be waited for. */
async function settled(look: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 30_000;
  for (;;) {
    if (await look().catch(() => false)) return;
    if (performance.now() > endMs) throw new Error('the cluster did not settle within 30 s');
    await wait(30);
  }
}
