import { afterEach, describe, expect, it } from 'vitest';
import { baseConfig, runBinary, startChildProxy, temporaryFolder } from '../support/child-proxy.ts';
import { startCountingBackend } from '../support/counting-backend.ts';
import { type PrivateDisk, startPrivateDisk } from '../support/private-disk.ts';
import { keyed, sendRequest } from '../support/send-request.ts';

/** A start on a disk that takes no writes: one line that says so, or service of what is there. */

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function stage(options: string): Promise<{ readonly disk: PrivateDisk; readonly config: string }> {
  const backend = await startCountingBackend();
  closers.push(() => backend.close());
  const folder = temporaryFolder();
  closers.push(() => folder.remove());
  const disk = await startPrivateDisk(options);
  closers.push(() => disk.remove());
  const store = { url: `lmdb:${disk.path}/data` };
  return { disk, config: folder.config(baseConfig(backend.origin, store)) };
}

/** One charge by a proxy that is then gone. */
async function charged(disk: PrivateDisk, config: string): Promise<void> {
  const proxy = await startChildProxy(['--config', config], { enter: disk.enter });
  const answer = await sendRequest(proxy.port, { headers: keyed('k-1') });
  expect(answer.status).toBe(201);
  await proxy.kill();
}

describe('a start on an lmdb store', () => {
  it('of an empty read-only volume is refused with what to do', async () => {
    const { disk, config } = await stage('size=8m');
    disk.remount('ro');

    const ran = await runBinary(['run', '--config', config], { enter: disk.enter });

    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(
      /cannot create the secret .*; make the directory, and the volume it is on, writable/,
    );
    expect(ran.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('of a volume that was remounted read only is refused with what to do', async () => {
    const { disk, config } = await stage('size=8m');
    await charged(disk, config);
    disk.remount('ro');

    const ran = await runBinary(['run', '--config', config], { enter: disk.enter });

    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(
      /store path .* cannot be used: EROFS.*give the process a directory it may write to/,
    );
    expect(ran.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('of a volume without a free inode is refused with what to do', async () => {
    const { disk, config } = await stage('size=8m,nr_inodes=3');

    const ran = await runBinary(['run', '--config', config], { enter: disk.enter });

    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(
      /cannot (create the secret|open the store) .*(ENOSPC|No space left|no space left)/,
    );
    expect(ran.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('of a full volume replays what is there, and says why it claims nothing', async () => {
    const { disk, config } = await stage('size=8m');
    await charged(disk, config);
    disk.fill();

    const proxy = await startChildProxy(['--config', config], { enter: disk.enter });
    closers.push(() => proxy.kill());
    const replay = await sendRequest(proxy.port, { headers: keyed('k-1') });
    const fresh = await sendRequest(proxy.port, { headers: keyed('k-2') });

    expect(replay.headers['idempotent-replayed']).toBe('true');
    expect(fresh.status).toBe(503);
    expect(fresh.body.toString()).toContain('(disk_full)');
  });
});
