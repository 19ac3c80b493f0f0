import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
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
  slotsOf(node: RedisClusterNode): Promise<readonly number[]>;
  /** Until another node than this one serves the slot. */
  untilOwned(slot: number, otherThan: RedisClusterNode): Promise<void>;
  /** Importing and migrating: from now on names that are not at the old owner are asked for at the new one. */
  beginMigration(slots: readonly number[], from: RedisClusterNode, to: RedisClusterNode): Promise<void>;
  /** Moves the names that are in the slots now. */
  migrateNames(slots: readonly number[], from: RedisClusterNode, to: RedisClusterNode): Promise<void>;
  /** Names that came meanwhile, and then the slots themselves; until all nodes know. */
  endMigration(slots: readonly number[], from: RedisClusterNode, to: RedisClusterNode): Promise<void>;
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
    for (const range of await slotRanges(await answering())) {
      const owner = nodes.find(({ port }) => port === range.port);
      if (range.first <= slot && slot <= range.last && owner !== undefined) return owner;
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
    async slotsOf(node) {
      const owned: number[] = [];
      for (const range of await slotRanges(node)) {
        if (range.port !== node.port) continue;
        for (let slot = range.first; slot <= range.last; slot += 1) owned.push(slot);
      }
      return owned;
    },
    untilOwned: (slot, otherThan) => settled(async () => (await ownerOf(slot)).port !== otherThan.port),
    async beginMigration(slots, from, to) {
      await setSlots(to, slots, 'IMPORTING', from.id);
      await setSlots(from, slots, 'MIGRATING', to.id);
    },
    migrateNames,
    async endMigration(slots, from, to) {
      await migrateNames(slots, from, to);
      await setSlots(to, slots, 'NODE', to.id);
      await setSlots(from, slots, 'NODE', to.id);
      // A replica takes over what it knows to be its primary's: lost before that has gone round, a slot is nobody's.
      await settled(async () => {
        const views = await Promise.all(nodes.map(slotRanges));
        return views.every((ranges) => slots.every((slot) => portOf(ranges, slot) === to.port));
      });
    },
    untilWhole: () =>
      settled(() => everyInfo(nodes, (info) => info.includes('cluster_state:ok')).catch(() => false)),
    async remove() {
      await Promise.all(nodes.map((node) => node.remove()));
    },
  };
}

type SlotRange = { readonly first: number; readonly last: number; readonly port: number };

async function slotRanges(asked: RedisClusterNode): Promise<readonly SlotRange[]> {
  const ranges = await asked.command('CLUSTER', 'SLOTS');
  return (Array.isArray(ranges) ? ranges : []).map(([first, last, [, port]]) => ({ first, last, port }));
}

function portOf(ranges: readonly SlotRange[], slot: number): number | null {
  return ranges.find(({ first, last }) => first <= slot && slot <= last)?.port ?? null;
}

async function setSlots(
  node: RedisClusterNode,
  slots: readonly number[],
  state: 'IMPORTING' | 'MIGRATING' | 'NODE',
  id: string,
): Promise<void> {
  await inOnePipeline(
    node,
    slots.map((slot) => ['CLUSTER', 'SETSLOT', String(slot), state, id]),
  );
}

const NAMES_MAX = 1000;

async function migrateNames(
  slots: readonly number[],
  from: RedisClusterNode,
  to: RedisClusterNode,
): Promise<void> {
  const found = await inOnePipeline(
    from,
    slots.map((slot) => ['CLUSTER', 'GETKEYSINSLOT', String(slot), String(NAMES_MAX)]),
  );
  const target = ['127.0.0.1', String(to.port), '', '0', String(MIGRATE_TIMEOUT_MS), 'KEYS'];
  const full = found.filter((names) => Array.isArray(names) && names.length > 0);
  await inOnePipeline(
    from,
    full.map((names) => ['MIGRATE', ...target, ...(Array.isArray(names) ? names.map(String) : [])]),
  );
}

async function inOnePipeline(
  node: RedisClusterNode,
  commands: readonly (readonly string[])[],
): Promise<readonly unknown[]> {
  const client = new Redis(node.url, { maxRetriesPerRequest: 0, enableReadyCheck: false, protocol: 2 });
  client.on('error', () => undefined);
  try {
    return await Promise.all(commands.map(([name = '', ...words]) => client.call(name, ...words)));
  } finally {
    client.disconnect();
  }
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
