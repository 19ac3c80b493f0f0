import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** System calls of a running process on one file that fail, by strace. */
export type FailingDisk = {
  /** How many calls have failed so far. */
  failed(): number;
  /** From here on the disk is well again. */
  mend(): Promise<void>;
};

export type DiskFault = {
  readonly pid: number;
  readonly files: readonly string[];
  readonly calls: readonly (
    | 'pwrite64'
    | 'writev'
    | 'write'
    | 'fdatasync'
    | 'access'
    | 'faccessat'
    | 'faccessat2'
  )[];
  readonly error: 'ENOSPC' | 'EROFS' | 'EIO';
};

const ATTACH_MS_MAX = 20_000;

/** Resolves when every thread of the process is under it. */
export async function failDisk({ pid, files, calls, error }: DiskFault): Promise<FailingDisk> {
  const folder = mkdtempSync(join(tmpdir(), 'onceward-strace-'));
  const log = join(folder, 'calls');
  const list = calls.join(',');
  const strace = spawn(
    'strace',
    [
      '-f',
      '-p',
      String(pid),
      ...files.flatMap((file) => ['-P', file]),
      '-e',
      `trace=${list}`,
      '-e',
      `inject=${list}:error=${error}`,
      '-o',
      log,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = once(strace, 'exit');
  let said = '';
  const attached = new Promise<'attached'>((resolve) => {
    strace.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('attached')) resolve('attached');
    });
  });
  const late = new Promise<'late'>((resolve) => setTimeout(resolve, ATTACH_MS_MAX, 'late').unref());
  const first = await Promise.race([attached, ended, late]);
  if (first !== 'attached') {
    strace.kill('SIGKILL');
    throw new Error(`strace could not attach to ${pid} (root, or ptrace_scope 0, is needed): ${said}`);
  }
  return {
    failed: () => readFileSync(log, 'latin1').split('(INJECTED)').length - 1,
    async mend() {
      strace.kill('SIGINT');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
