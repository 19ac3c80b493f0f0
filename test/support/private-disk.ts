import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A small file system that only the processes started with `enter` see: one that can really be full. */
export type PrivateDisk = {
  /** Where it is, for those processes. */
  readonly path: string;
  /** Goes before a command. */
  readonly enter: readonly string[];
  /** The same place, seen from here. */
  outside(file: string): string;
  /** Takes all the room there is. */
  fill(): void;
  /** Gives it back. */
  empty(): void;
  /** While nothing is open for writing. */
  remount(mode: 'ro' | 'rw'): void;
  remove(): Promise<void>;
};

/** `options` of the mount, such as `size=8m` or `nr_inodes=4`. Throws where nobody may mount (unshare -Urm). */
export async function startPrivateDisk(options: string): Promise<PrivateDisk> {
  const path = mkdtempSync(join(tmpdir(), 'onceward-disk-'));
  const holder: ChildProcess = spawn(
    'unshare',
    [
      '-Urm',
      'sh',
      '-c',
      `mount -t tmpfs -o ${options} tmpfs "$0" && echo mounted && exec sleep 100000`,
      path,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const ended = once(holder, 'exit').then(() => 'ended');
  const mounted = await Promise.race([once(holder.stdout ?? holder, 'data'), ended]);
  if (mounted === 'ended')
    throw new Error('this machine lets nobody mount a small file system (unshare -Urm)');
  const outside = (file: string): string => `/proc/${holder.pid}/root${file}`;
  const ballast = outside(join(path, 'ballast'));
  const enter = ['nsenter', '--preserve-credentials', '-U', '-m', '-t', String(holder.pid), '--'];
  return {
    path,
    enter,
    outside,
    fill() {
      try {
        for (let at = 0; ; at += 1)
          writeFileSync(ballast, Buffer.alloc(4096, 1), { flag: at === 0 ? 'w' : 'a' });
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      }
    },
    empty: () => rmSync(ballast, { force: true }),
    remount(mode) {
      const [command = '', ...args] = enter;
      execFileSync(command, [...args, 'mount', '-o', `remount,${mode}`, path]);
    },
    async remove() {
      holder.kill('SIGKILL');
      await ended;
      rmSync(path, { recursive: true, force: true });
    },
  };
}
