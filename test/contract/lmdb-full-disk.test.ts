import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';

const WORKER = new URL('./lmdb-full-disk-worker.ts', import.meta.url).pathname;
/** A file system of its own, seen by this process and its children only. */
const IN_SMALL_TMPFS = 'mount -t tmpfs -o size=3m tmpfs "$0" && exec "$@"';

function mayMount(): boolean {
  return spawnSync('unshare', ['-Urm', 'true']).status === 0;
}

describe('an lmdb store on a full disk (fault 31)', () => {
  test('refuses new claims, answers replays, settles what is in flight, and recovers without a restart', async ({
    skip,
  }) => {
    if (!mayMount()) return skip('this machine lets nobody mount a small file system (unshare -Urm)');
    const root = mkdtempSync(join(tmpdir(), 'onceward-full-disk-'));
    // What the driver prints of its failed commits is not the test's.
    const child = spawn(
      'unshare',
      ['-Urm', 'sh', '-c', IN_SMALL_TMPFS, root, process.execPath, WORKER, root],
      {
        stdio: ['pipe', 'pipe', 'ignore'],
      },
    );
    const reports = createInterface({ input: child.stdout });
    try {
      const [full] = await once(reports, 'line');
      expect(full).toBe('completed disk_full disk_full ok');

      child.stdin.write('go\n');
      const [recovered] = await once(reports, 'line');

      expect(recovered).toBe('completed executed well ok');
    } finally {
      child.kill('SIGKILL');
      rmSync(root, { recursive: true, force: true });
    }
  });
});
