import type { Redis } from 'ioredis';
import { StoreUnavailable } from '../contract.ts';
import { type Address, addressText } from './address.ts';
import { type ClientOptions, connectOnce, createClient } from './client.ts';
import { attempt } from './script-runner.ts';
import { SLOTS } from './slots.ts';

/** Which servers are primaries, and of which slots. */
export type Layout = {
  readonly primaries: readonly Address[];
  /** By slot, the index of its primary plus one; 0 where nobody serves it. Null: one primary has all. */
  readonly owners: Uint16Array | null;
};

export type Discovery = {
  /** `connected`: clients of servers that are in use now. @throws StoreUnavailable with one line. */
  find(connected: readonly Redis[]): Promise<Layout>;
  /** Hears that the layout may be another one now. */
  onChange(listener: () => void): void;
  close(): void;
};

/** A standalone server stands where it stands; what moves is behind its name in the DNS. */
export function fixedDiscovery(address: Address): Discovery {
  return {
    find: async () => ({ primaries: [address], owners: null }),
    onChange: () => undefined,
    close: () => undefined,
  };
}

export type SentinelSettings = {
  /** Of the primary, as the sentinels know it. */
  readonly name: string;
  readonly username: string | null;
  readonly password: string | null;
};

/** A sentinel that is slower does not count: with one of three stopped, a failover must still be noticed. */
const SENTINEL_TIMEOUT_MS_MAX = 500;

/**
 * Asks all sentinels at once and believes the highest configuration epoch, which every failover raises: one that is cut
 * off from the others still names the old primary.
 */
export function sentinelDiscovery(
  sentinels: readonly Address[],
  { name, username, password }: SentinelSettings,
  options: ClientOptions,
): Discovery {
  const timeoutMs = Math.min(SENTINEL_TIMEOUT_MS_MAX, options.commandTimeoutMs);
  const limits = { commandTimeoutMs: timeoutMs, connectTimeoutMs: timeoutMs };
  const own: ClientOptions = { ...limits, tls: options.tls, username, password, db: 0 };
  const clients = sentinels.map((sentinel) => createClient(own, sentinel, 'end'));
  const hearers = sentinels.map((sentinel) => createClient(own, sentinel, 'end'));
  let changed: () => void = () => undefined;
  for (const hearer of hearers) hearer.on('message', () => changed());

  /** A sentinel leaves a living old primary as it is for seconds: what is claimed there until then will be lost. */
  async function hear(hearer: Redis): Promise<void> {
    if (hearer.status !== 'wait' && hearer.status !== 'end') return;
    await hearer.connect();
    await hearer.subscribe('+switch-master');
    changed();
  }

  async function ask(client: Redis): Promise<{ readonly primary: Address; readonly epoch: number } | null> {
    if (client.status !== 'ready') {
      client.disconnect();
      await connectOnce(client);
    }
    const [address, state] = await Promise.all([
      client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name),
      client.call('SENTINEL', 'MASTER', name).catch(() => null),
    ]);
    if (!Array.isArray(address)) return null;
    const words: readonly unknown[] = Array.isArray(state) ? state : [];
    const epoch = Number(words[words.indexOf('config-epoch') + 1]);
    return {
      primary: { host: String(address[0]), port: Number(address[1]) },
      epoch: Number.isFinite(epoch) ? epoch : 0,
    };
  }

  return {
    async find() {
      for (const hearer of hearers) hear(hearer).catch(() => hearer.disconnect());
      let why: unknown = null;
      const answers = await Promise.all(
        clients.map((client) =>
          ask(client).catch((error: unknown) => {
            why ??= error;
            return null;
          }),
        ),
      );
      const known = answers.filter((answer) => answer !== null).sort((a, b) => b.epoch - a.epoch);
      const best = known[0];
      if (best !== undefined) return { primaries: [best.primary], owners: null };
      const asked = sentinels.map(addressText).join(', ');
      throw new StoreUnavailable(
        'connection',
        why === null
          ? `no sentinel (${asked}) knows a primary named ${name}: check store.sentinel.name`
          : `no sentinel (${asked}) could be asked for the primary ${name} (${String(why instanceof Error ? why.message : why)}): check that they run and that store.url and store.nodes are right`,
      );
    },
    onChange(listener) {
      changed = listener;
    },
    close() {
      for (const client of [...clients, ...hearers]) client.disconnect();
    },
  };
}

/** Asks a node that is in use, or else one of the configured ones. */
export function clusterDiscovery(seeds: readonly Address[], options: ClientOptions): Discovery {
  let turn = 0;
  return {
    async find(connected) {
      let why: unknown = null;
      // Not always the same one first: it may be the one that is cut off.
      turn += 1;
      for (let i = 0; i < connected.length; i += 1) {
        const client = connected[(turn + i) % connected.length];
        if (client?.status !== 'ready') continue;
        try {
          return await slotsOf(client);
        } catch (error) {
          why = error;
        }
      }
      for (const seed of seeds) {
        const client = createClient(options, seed, 'end');
        try {
          await attempt(() => connectOnce(client));
          return await slotsOf(client);
        } catch (error) {
          why = clusterFault(seed, error);
        } finally {
          client.disconnect();
        }
      }
      throw why;
    },
    // MOVED tells of a change, and a connection that ends.
    onChange: () => undefined,
    close: () => undefined,
  };
}

function clusterFault(seed: Address, error: unknown): unknown {
  const where = `redis at ${addressText(seed)}`;
  if (!(error instanceof StoreUnavailable)) return error;
  if (error.message.includes('cluster support disabled'))
    return new Error(
      `${where} is refused: it is not part of a cluster: remove store.cluster, or start the server with cluster-enabled yes`,
    );
  return new StoreUnavailable(
    error.reason,
    `${where} cannot be used (${error.message}): check that it runs and that store.url and store.nodes are right`,
  );
}

async function slotsOf(client: Redis): Promise<Layout> {
  const reply = await attempt(() => client.call('CLUSTER', 'SLOTS'));
  const primaries: Address[] = [];
  const owners = new Uint16Array(SLOTS);
  for (const range of Array.isArray(reply) ? reply : []) {
    const [first, last, primary] = Array.isArray(range) ? range : [];
    const [host, port] = Array.isArray(primary) ? primary : [];
    if (!Number.isInteger(first) || !Number.isInteger(last) || !Number.isInteger(port)) continue;
    // A node that does not know its own host is the one that was asked.
    const named = typeof host === 'string' && host !== '' && host !== '?' ? host : client.options.host;
    const address: Address = { host: named ?? '127.0.0.1', port: Number(port) };
    let index = primaries.findIndex((known) => addressText(known) === addressText(address));
    if (index === -1) index = primaries.push(address) - 1;
    owners.fill(index + 1, Number(first), Number(last) + 1);
  }
  if (primaries.length === 0)
    throw new StoreUnavailable('connection', 'redis: the cluster has assigned no slots');
  return { primaries, owners };
}
