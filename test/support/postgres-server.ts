import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from './free-port.ts';

export type PostgresServerOptions = {
  /** Lines of postgresql.conf. */
  readonly config?: Readonly<Record<string, string>>;
  /** Of the server alone, besides our own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of the user `onceward`; without it everybody is trusted. */
  readonly password?: string;
  /** PEM; the server then speaks TLS besides. */
  readonly tls?: { readonly certificate: string; readonly key: string };
};

/** A real PostgreSQL with a folder of its own. */
export type PostgresServer = {
  readonly port: number;
  /** As the superuser `onceward`, on the database of the same name. */
  readonly url: string;
  /** Statements on a connection of their own; the rows of the last. */
  command(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Writes a setting and waits until new connections have it; those that are there follow in a moment. */
  set(name: string, value: string): Promise<void>;
  /** Ends it in order, without waiting for connections. */
  stop(): Promise<void>;
  /** SIGKILL to all of its processes: nothing more is written. */
  kill(): Promise<void>;
  /** SIGSTOP to all of its processes: connections stay, answers do not come. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Again on the same port and folder, after stop or kill. */
  restart(): Promise<void>;
  /** Ends it and removes its folder. */
  remove(): Promise<void>;
};

const VERSIONS_FOLDER = '/usr/lib/postgresql';
const START_MS_MAX = 30_000;
const USER = 'onceward';
const running = new Set<ChildProcess>();

process.once('exit', () => {
  for (const child of running) signalAll(child, 'SIGKILL');
});

export async function startPostgresServer(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const binaries = binariesFolder();
  const account = unprivilegedAccount();
  const folder = mkdtempSync(join(tmpdir(), 'onceward-postgres-'));
  const port = await freePort();
  const login = options.password === undefined ? USER : `${USER}:${options.password}`;
  const url = `postgres://${login}@127.0.0.1:${port}/postgres`;
  let child: ChildProcess | null = null;

  async function start(): Promise<void> {
    child = await launch({
      binary: join(binaries, 'postgres'),
      folder,
      port,
      account,
      url,
      env: options.env,
    });
  }

  async function end(signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
    const ending = child;
    child = null;
    if (ending === null || ending.exitCode !== null || ending.signalCode !== null) return;
    const exited = once(ending, 'exit');
    const family = signalAll(ending, signal === 'SIGKILL' ? 'SIGKILL' : 'SIGCONT');
    if (signal === 'SIGINT') ending.kill(signal);
    await exited;
    // A process that lives holds the memory that the next server must find free.
    while (family.some((pid) => existsSync(`/proc/${pid}`))) await wait(5);
  }

  async function remove(): Promise<void> {
    await end('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }

  try {
    initialise(binaries, folder, account, options);
    await start();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    port,
    url,
    command: (sql) => command(url, sql),
    async set(name, value) {
      // One by one: ALTER SYSTEM wants no transaction.
      await command(url, `ALTER SYSTEM SET ${name} = '${value}'`);
      await command(url, 'SELECT pg_reload_conf()');
      for (;;) {
        const [row] = await command(url, `SELECT current_setting('${name}') AS value`);
        if (row?.value === value) return;
        await wait(5);
      }
    },
    stop: () => end('SIGINT'),
    kill: () => end('SIGKILL'),
    pause() {
      if (child !== null) signalAll(child, 'SIGSTOP');
    },
    resume() {
      if (child !== null) signalAll(child, 'SIGCONT');
    },
    restart: start,
    remove,
  };
}

async function command(url: string, sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    const result: unknown = await client.query(sql);
    const last = Array.isArray(result) ? result.at(-1) : result;
    return last.rows;
  } finally {
    await client.end();
  }
}

type Account = { readonly uid: number; readonly gid: number } | null;

/** The newest that is installed. */
function binariesFolder(): string {
  const versions = existsSync(VERSIONS_FOLDER) ? readdirSync(VERSIONS_FOLDER) : [];
  const folders = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(VERSIONS_FOLDER, version, 'bin'))
    .filter((bin) => existsSync(join(bin, 'initdb')) && existsSync(join(bin, 'postgres')));
  const [newest] = folders;
  if (newest === undefined) {
    throw new Error('PostgreSQL is not installed and these tests need it: apt-get install postgresql');
  }
  return newest;
}

/** The server refuses to run as root: Debian's package brings a user for it. Null: as who we are. */
function unprivilegedAccount(): Account {
  if (process.getuid?.() !== 0) return null;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((each) => each.startsWith('postgres:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) {
    throw new Error('there is no user postgres to run the server as: apt-get install postgresql');
  }
  return { uid: Number(uid), gid: Number(gid) };
}

function initialise(
  binaries: string,
  folder: string,
  account: Account,
  options: PostgresServerOptions,
): void {
  const secret = join(folder, 'password');
  if (account !== null) chownSync(folder, account.uid, account.gid);
  writeFileSync(secret, options.password ?? 'unused');
  if (account !== null) chownSync(secret, account.uid, account.gid);
  const auth = options.password === undefined ? 'trust' : 'scram-sha-256';
  execFileSync(
    join(binaries, 'initdb'),
    [
      ...['-D', join(folder, 'data'), '-U', USER, '-E', 'UTF8', '--locale=C', '--no-sync'],
      ...[`--auth=${auth}`, `--pwfile=${secret}`, '--no-instructions'],
    ],
    { ...account, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  if (options.tls !== undefined) {
    for (const [name, text] of [
      ['server.crt', options.tls.certificate],
      ['server.key', options.tls.key],
    ] as const) {
      const file = join(folder, 'data', name);
      writeFileSync(file, text, { mode: 0o600 });
      if (account !== null) chownSync(file, account.uid, account.gid);
    }
  }
  const tls = options.tls === undefined ? {} : { ssl: 'on' };
  const config = { shared_buffers: '16MB', max_connections: '60', ...tls, ...options.config };
  const lines = Object.entries(config).map(([name, value]) => `${name} = '${value}'\n`);
  writeFileSync(join(folder, 'data', 'postgresql.conf'), lines.join(''), { flag: 'a' });
}

type Launch = {
  readonly binary: string;
  readonly folder: string;
  readonly port: number;
  readonly account: Account;
  readonly url: string;
  readonly env: Readonly<Record<string, string>> | undefined;
};

async function launch({ binary, folder, port, account, url, env }: Launch): Promise<ChildProcess> {
  const arguments_ = ['-D', join(folder, 'data'), '-p', String(port), '-k', folder, '-h', '127.0.0.1'];
  const child = spawn(binary, arguments_, {
    ...account,
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const hear = (chunk: Buffer): void => {
    said = `${said}${chunk.toString()}`.slice(-2000);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  running.add(child);
  let ended: string | null = null;
  child.once('error', (error) => {
    ended = error.message;
  });
  child.once('exit', (code, signal) => {
    running.delete(child);
    ended ??= String(signal ?? code);
  });
  const endMs = performance.now() + START_MS_MAX;
  while (performance.now() < endMs) {
    if (ended !== null) throw new Error(`postgres ended with ${ended}: ${said}`);
    const answered = await command(url, 'SELECT 1').then(
      () => 'yes',
      () => 'no',
    );
    if (answered === 'yes') return child;
    await wait(20);
  }
  signalAll(child, 'SIGKILL');
  throw new Error(`postgres was not ready in ${START_MS_MAX} ms: ${said}`);
}

/** To the server first, so that it starts no process behind our back, then to those it has started. */
function signalAll(server: ChildProcess, signal: NodeJS.Signals): readonly number[] {
  const { pid } = server;
  if (pid === undefined) return [];
  const family = [pid];
  if (signal === 'SIGKILL') process.kill(pid, 'SIGSTOP');
  else process.kill(pid, signal);
  for (const entry of readdirSync('/proc')) {
    if (/^\d+$/.test(entry) && parentOf(entry) === pid) family.push(Number(entry));
  }
  for (const member of family) {
    try {
      process.kill(member, signal);
    } catch {
      // It has ended by itself.
    }
  }
  return family;
}

function parentOf(pid: string): number | null {
  try {
    // The name in parentheses may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return Number(fields[1]);
  } catch {
    return null;
  }
}
