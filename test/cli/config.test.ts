import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, runBinary, temporaryFolder } from '../support/child-proxy.ts';

/** `onceward config print`. */

const GOLDEN = join(import.meta.dirname, 'golden');
let folder: Folder;

beforeAll(() => {
  folder = temporaryFolder();
});

afterAll(() => folder.remove());

describe('onceward config print', () => {
  it('prints what is in force without a file, and that it is the default or a flag', async () => {
    const ran = await runBinary([
      'config',
      'print',
      '--upstream',
      'http://127.0.0.1:3000',
      '--listen',
      '127.0.0.1:9000',
    ]);

    expect(ran.code).toBe(0);
    expect(ran.stderr).toBe('');
    await expect(ran.stdout).toMatchFileSnapshot(join(GOLDEN, 'config-print.txt'));
  });

  it('names the line, the variable or the default behind every value, and masks secrets', async () => {
    folder.file(
      'onceward.yaml',
      [
        'upstream: { url: http://127.0.0.1:3000 }',
        `store: 'redis://user:\${PASSWORD}@127.0.0.1:6379/0'`,
        `secrets: ["\${SECRET}"]`,
        '',
      ].join('\n'),
    );
    const env = { PASSWORD: 'pass-word', SECRET: 'a secret of forty characters for testing' };

    const ran = await runBinary(['config', 'print', '--config', 'onceward.yaml'], { cwd: folder.path, env });

    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('# onceward.yaml:1:18');
    expect(ran.stdout).toContain('# env SECRET');
    expect(ran.stdout).toContain('# default');
    expect(ran.stdout).not.toContain('pass-word');
    expect(ran.stdout).not.toContain('forty characters');
  });

  it('prints a configuration that loads again', async () => {
    const printed = await runBinary([
      'config',
      'print',
      '--upstream',
      'http://127.0.0.1:3000',
      '--store',
      'memory:',
    ]);
    folder.file('printed.yaml', printed.stdout);

    const checked = await runBinary(['check', 'printed.yaml'], { cwd: folder.path });

    expect(checked.stdout.trimEnd().split('\n').at(-1)).toBe('ok');
    expect(checked.code).toBe(0);
  });

  it.each([[[]], [['show']], [['print', 'more']]])(
    'with %j says what it can do, and exits 2',
    async (args) => {
      const ran = await runBinary(['config', ...args]);

      expect(ran.code).toBe(2);
      expect(ran.stderr).toContain('onceward config print');
    },
  );

  it('prints the faults of a file and exits 1', async () => {
    folder.file('bad.yaml', 'upstream: { url: nonsense }\n');

    const ran = await runBinary(['config', 'print', '--config', 'bad.yaml'], { cwd: folder.path });

    expect(ran.code).toBe(1);
    expect(ran.stdout).toBe('');
    expect(ran.stderr).toContain('bad.yaml:1:18: upstream.url:');
  });
});
