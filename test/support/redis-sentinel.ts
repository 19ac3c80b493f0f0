import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { launchRedis, type RedisServer, type RedisServerOptions, startRedisServer } from './redis-server.ts';

/** A real primary, its replicas, and three real sentinels that watch them under the name `main`. */
export type RedisSentinels = {
  readonly servers: readonly RedisServer[];
  /** Of the first sentinel, for a store. */
  readonly url: string;
  /** `host:port` of the others. */
  readonly nodes: readonly string[];
  /** Whom the sentinels call the primary. */
  primary(): Promise<RedisServer>;
  /** Asks for a failover and waits until the sentinels agree on another primary. */
  failOver(): Promise<RedisServer>;
  /** After the primary was killed or stopped: waits until the sentinels agree on another one. */
  untilOther(than: RedisServer): Promise<RedisServer>;
  /** Until every server but the primary follows it. */
  untilReplicated(): Promise<void>;
  /** Signal to one of the sentinels. */
  signalSentinel(index: number, signal: NodeJS.Signals): void;
  remove(): Promise<void>;
};

export type RedisSentinelOptions = {
  /** Default 1. */
  readonly replicas?: number;
  /** How long a server may be silent before it counts as down. Default 60 s: never in a test. */
  readonly downAfterMs?: number;
  readonly server?: RedisServerOptions;
};

export const SENTINEL_NAME = 'main';
const SENTINELS = 3;

export async function startRedisSentinels(options: RedisSentinelOptions = {}): Promise<RedisSentinels> {
  const replicas = options.replicas ?? 1;
  const closers: (() => Promise<void>)[] = [];
  try {
    const servers: RedisServer[] = [];
    for (let i = 0; i <= replicas; i += 1) {
      const server = await startRedisServer({
        ...options.server,
        config: [...['repl-diskless-sync-delay', '0'], ...(options.server?.config ?? [])],
      });
      closers.push(server.remove);
      servers.push(server);
      if (i > 0) await server.command('REPLICAOF', '127.0.0.1', String(servers[0]?.port));
    }
    const sentinels = await Promise.all(
      Array.from({ length: SENTINELS }, () => startSentinel(servers[0]?.port ?? 0, options)),
    );
    closers.push(...sentinels.map(({ remove }) => remove));
    const made = createSentinels(servers, sentinels, async () => {
      for (const close of closers.reverse()) await close();
    });
    await made.untilReplicated();
    await knowEachOther(sentinels, replicas);
    return made;
  } catch (error) {
    for (const close of closers.reverse()) await close();
    throw error;
  }
}

type Sentinel = {
  readonly port: number;
  readonly child: ChildProcess;
  ask(...words: readonly string[]): Promise<unknown>;
  remove(): Promise<void>;
};

async function startSentinel(primaryPort: number, options: RedisSentinelOptions): Promise<Sentinel> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'onceward-sentinel-'));
  const file = join(folder, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${SENTINEL_NAME} 127.0.0.1 ${primaryPort} 2`,
    `sentinel down-after-milliseconds ${SENTINEL_NAME} ${options.downAfterMs ?? 60_000}`,
    `sentinel failover-timeout ${SENTINEL_NAME} 3000`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const child = await launchRedis(port, null, [file, '--sentinel'], 'loaded');
  const client = new Redis({ port, host: '127.0.0.1', enableReadyCheck: false, protocol: 2 });
  client.on('error', () => undefined);
  return {
    port,
    child,
    ask: (...words) => client.call('SENTINEL', ...words),
    async remove() {
      client.disconnect();
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function createSentinels(
  servers: readonly RedisServer[],
  sentinels: readonly Sentinel[],
  remove: () => Promise<void>,
): RedisSentinels {
  async function primaryPort(): Promise<number | null> {
    const answers = await Promise.all(
      sentinels.map(({ ask }) => ask('GET-MASTER-ADDR-BY-NAME', SENTINEL_NAME)),
    );
    const ports = answers.map((answer) => (Array.isArray(answer) ? Number(answer[1]) : 0));
    return ports.every((port) => port === ports[0]) ? (ports[0] ?? null) : null;
  }

  function untilPrimary(fits: (server: RedisServer) => boolean): Promise<RedisServer> {
    return settled('the sentinels agree on a primary', async () => {
      const port = await primaryPort();
      const server = servers.find((each) => each.port === port);
      if (server === undefined || !fits(server)) return null;
      return String(await server.command('INFO', 'replication')).includes('role:master') ? server : null;
    });
  }

  const primary = (): Promise<RedisServer> => untilPrimary(() => true);
  const untilOther = (than: RedisServer): Promise<RedisServer> =>
    untilPrimary((server) => server.port !== than.port);

  return {
    servers,
    url: `redis://127.0.0.1:${sentinels[0]?.port}`,
    nodes: sentinels.slice(1).map(({ port }) => `127.0.0.1:${port}`),
    primary,
    async failOver() {
      const before = await primary();
      await settled('a failover begins', async () => {
        const answer = await sentinels[0]?.ask('FAILOVER', SENTINEL_NAME).catch(() => null);
        return answer === 'OK' ? 'OK' : null;
      });
      return untilOther(before);
    },
    untilOther,
    async untilReplicated() {
      await settled('every replica follows', async () => {
        const infos = await Promise.all(servers.map((server) => server.command('INFO', 'replication')));
        const roles = infos.map(String);
        const primaries = roles.filter((info) => info.includes('role:master'));
        const linked = roles.filter((info) => info.includes('master_link_status:up'));
        const online = primaries[0]?.match(/state=online/g)?.length ?? 0;
        const all = servers.length - 1;
        return primaries.length === 1 && linked.length === all && online === all ? 'all' : null;
      });
    },
    signalSentinel: (index, signal) => sentinels[index]?.child.kill(signal),
    remove,
  };
}

async function knowEachOther(sentinels: readonly Sentinel[], replicas: number): Promise<void> {
  await settled('the sentinels know each other', async () => {
    const states = await Promise.all(sentinels.map(({ ask }) => ask('MASTER', SENTINEL_NAME)));
    const known = states.map((state) => {
      const words: readonly unknown[] = Array.isArray(state) ? state : [];
      const at = (name: string): number => Number(words[words.indexOf(name) + 1]);
      return at('num-other-sentinels') === SENTINELS - 1 && at('num-slaves') >= replicas;
    });
    return known.every(Boolean) ? 'all' : null;
  });
}

async function settled<T>(what: string, look: () => Promise<T | null>): Promise<T> {
  const endMs = performance.now() + 40_000;
  for (;;) {
    const found = await look().catch(() => null);
    if (found !== null) return found;
    if (performance.now() > endMs) throw new Error(`${what}: not within 40 s`);
    await wait(30);
  }
}
