import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

/** A real PgBouncer before a server of the tests, whose user it logs in as. */
export type PgBouncer = {
  readonly url: string;
  stop(): Promise<void>;
};

export type PoolMode = 'session' | 'transaction' | 'statement';

/** `lines`: more of pgbouncer.ini. */
export async function startPgBouncer(serverPort: number, mode: PoolMode, lines = ''): Promise<PgBouncer> {
  const folder = mkdtempSync(join(tmpdir(), 'onceward-pgbouncer-'));
  const port = await freePort();
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(
    file,
    `[databases]
postgres = host=127.0.0.1 port=${serverPort} user=onceward
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = 40
max_client_conn = 200
${lines}
`,
  );
  const account = unprivilegedAccount();
  if (account !== null) {
    chownSync(folder, account.uid, account.gid);
    chownSync(file, account.uid, account.gid);
  }
  const child: ChildProcess = spawn('/usr/sbin/pgbouncer', ['-q', file], {
    ...account,
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-2000);
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const url = `postgres://onceward@127.0.0.1:${port}/postgres`;
  await until('pgbouncer answers', async () => {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended: ${said}`);
    return await answers(url);
  });
  return {
    url,
    async stop() {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function answers(url: string): Promise<'yes' | null> {
  const client = new Client(url);
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return 'yes';
  } catch {
    return null;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** It refuses to run as root, as the server does. */
function unprivilegedAccount(): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const [, , uid, gid] =
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((line) => line.startsWith('postgres:'))
      ?.split(':') ?? [];
  if (uid === undefined || gid === undefined)
    throw new Error('there is no user postgres to run pgbouncer as');
  return { uid: Number(uid), gid: Number(gid) };
}
