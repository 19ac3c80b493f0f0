import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';

export type RedisServerOptions = {
  /** Default `yes`, with `appendfsync always`. */
  readonly appendonly?: 'yes' | 'no';
  readonly appendfsync?: 'always' | 'everysec' | 'no';
  /** As redis.conf has it, such as `4mb`. */
  readonly maxmemory?: string;
  readonly maxmemoryPolicy?: string;
  readonly password?: string;
  /** A second port, with TLS. */
  readonly tlsPort?: number;
  /** More lines of redis.conf: name, value, name, value … */
  readonly config?: readonly string[];
  /** Of the server alone, besides our own. */
  readonly env?: Readonly<Record<string, string>>;
};

/** A real redis-server with a folder of its own. */
export type RedisServer = {
  readonly port: number;
  readonly url: string;
  /** One command on a connection of its own. */
  command(name: string, ...arguments_: readonly string[]): Promise<unknown>;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** SIGKILL: nothing more is written. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay, answers do not come. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /**
   * Again on the same port and folder, after stop or kill. `loaded` waits until its data are there. `config`: more
   * lines of redis.conf, as in the options.
   */
  restart(until?: 'loaded' | 'listening', config?: readonly string[]): Promise<void>;
  /** Stops it and removes its folder. */
  remove(): Promise<void>;
};

const BINARY = 'redis-server';
const START_MS_MAX = 20_000;
const running = new Set<ChildProcess>();

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'onceward-redis-'));
  const port = await freePort();
  const password = options.password === undefined ? '' : `:${options.password}@`;
  const url = `redis://${password}127.0.0.1:${port}/0`;
  let child: ChildProcess | null = null;

  async function start(until: 'loaded' | 'listening', config: readonly string[] = []): Promise<void> {
    const all = { ...options, config: [...(options.config ?? []), ...config] };
    child = await launchRedis(
      port,
      options.password ?? null,
      configuration(all, port, folder),
      until,
      options.env,
    );
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const ending = child;
    child = null;
    if (ending === null || ending.exitCode !== null || ending.signalCode !== null) return;
    const exited = once(ending, 'exit');
    ending.kill(signal);
    // A stopped process takes a SIGTERM only once it goes on.
    if (signal === 'SIGTERM') ending.kill('SIGCONT');
    await exited;
  }

  try {
    await start('loaded');
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    port,
    url,
    async command(name, ...arguments_) {
      const client = new Redis(url, { maxRetriesPerRequest: 0, enableReadyCheck: false, protocol: 2 });
      client.on('error', () => undefined);
      try {
        return await client.call(name, ...arguments_);
      } finally {
        client.disconnect();
      }
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    pause() {
      child?.kill('SIGSTOP');
    },
    resume() {
      child?.kill('SIGCONT');
    },
    restart: (until = 'loaded', config = []) => start(until, config),
    async remove() {
      await end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configuration(options: RedisServerOptions, port: number, folder: string): readonly string[] {
  const lines = [
    ...['port', String(port), 'bind', '127.0.0.1', 'dir', folder, 'save', ''],
    ...['appendonly', options.appendonly ?? 'yes', 'appendfsync', options.appendfsync ?? 'always'],
    ...(options.maxmemory === undefined ? [] : ['maxmemory', options.maxmemory]),
    ...(options.maxmemoryPolicy === undefined ? [] : ['maxmemory-policy', options.maxmemoryPolicy]),
    ...(options.password === undefined ? [] : ['requirepass', options.password]),
    ...(options.tlsPort === undefined ? [] : ['tls-port', String(options.tlsPort)]),
    ...(options.config ?? []),
  ];
  return lines.map((word, i) => (i % 2 === 0 ? `--${word}` : word));
}

/** Starts the binary and waits until it answers on the port. */
export async function launchRedis(
  port: number,
  password: string | null,
  arguments_: readonly string[],
  until: 'loaded' | 'listening',
  env: RedisServerOptions['env'] = {},
): Promise<ChildProcess> {
  const child = spawn(BINARY, arguments_, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const hear = (chunk: Buffer): void => {
    said = `${said}${chunk.toString()}`.slice(-2000);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  let failure: Error | null = null;
  child.once('error', (error: NodeJS.ErrnoException) => {
    failure =
      error.code === 'ENOENT'
        ? new Error(`${BINARY} is not installed and these tests need it: apt-get install redis-server`)
        : error;
  });
  running.add(child);
  child.once('exit', (code, signal) => {
    running.delete(child);
    failure ??= new Error(`${BINARY} ended with ${signal ?? code}: ${said}`);
  });
  const endMs = performance.now() + START_MS_MAX;
  while (performance.now() < endMs) {
    if (failure !== null) throw failure;
    const answer = await ping(port, password);
    if (answer.includes('+PONG') || (until === 'listening' && answer.includes('-LOADING'))) return child;
    await wait(10);
  }
  child.kill('SIGKILL');
  throw new Error(`${BINARY} was not ready in ${START_MS_MAX} ms: ${said}`);
}

/** The raw answer, or nothing while nobody listens. */
async function ping(port: number, password: string | null): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    socket.write(password === null ? 'PING\r\nQUIT\r\n' : `AUTH ${password}\r\nPING\r\nQUIT\r\n`);
    let answer = '';
    for await (const chunk of socket) {
      answer += String(chunk);
      // A sentinel knows no QUIT.
      if (answer.includes('+PONG')) break;
    }
    return answer;
  } catch {
    return '';
  } finally {
    socket.destroy();
  }
}
