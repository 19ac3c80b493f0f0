import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A real nginx or HAProxy with a configuration of the test's own, in one process and in the foreground. */

export type OtherProxy = {
  readonly port: number;
  /** SIGKILL, and wait for the end: connections break. */
  kill(): Promise<void>;
};

export type OtherKind = 'nginx' | 'haproxy';

const START_MS_MAX = 20_000;
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** `text`: for nginx what stands in `http`, for HAProxy all but `global`; it listens on `port`. */
export async function startOther(kind: OtherKind, text: string, port: number): Promise<OtherProxy> {
  const folder = mkdtempSync(join(tmpdir(), `onceward-${kind}-`));
  const file = join(folder, 'config');
  writeFileSync(file, kind === 'nginx' ? nginxConfig(text, folder) : `global\n    maxconn 1000\n${text}`);
  const [binary, args] =
    kind === 'nginx'
      ? ['/usr/sbin/nginx', ['-p', folder, '-e', 'stderr', '-c', file]]
      : ['/usr/sbin/haproxy', ['-db', '-q', '-f', file]];
  const child = spawn(binary, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  running.add(child);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-3000);
  });
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      said += error.message;
      resolve();
    });
    child.once('close', () => resolve());
  }).then(() => {
    running.delete(child);
    rmSync(folder, { recursive: true, force: true });
  });
  const endMs = performance.now() + START_MS_MAX;
  while (!(await listens(port))) {
    if (!running.has(child)) throw new Error(`${kind} ended (Debian package ${kind}): ${said}`);
    if (performance.now() > endMs) throw new Error(`${kind} does not listen: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return {
    port,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function nginxConfig(text: string, folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  mkdirSync(join(folder, 'static'));
  writeFileSync(join(folder, 'static', 'page.txt'), 'a static page\n');
  return `daemon off;
master_process off;
pid ${join(folder, 'pid')};
error_log stderr warn;
events { worker_connections 512; }
http {
access_log off;
${temporary.join('\n')}
${text}
}
`;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
