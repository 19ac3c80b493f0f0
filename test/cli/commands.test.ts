import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { COMMANDS } from '../../src/cli/commands.ts';
import { BINARY, PINNED_NODE, runBinary } from '../support/child-proxy.ts';

/** The binary as a process: what it prints, and how it ends. */

const ROOT = join(import.meta.dirname, '../..');
const GOLDEN = join(import.meta.dirname, 'golden');

describe('onceward', () => {
  it('--help prints the commands and exits 0', async () => {
    const ran = await runBinary(['--help']);

    expect(ran.code).toBe(0);
    expect(ran.stderr).toBe('');
    await expect(ran.stdout).toMatchFileSnapshot(join(GOLDEN, 'help.txt'));
  });

  it.each(['-h', 'help'])('%s is the same as --help', async (flag) => {
    const [one, other] = [await runBinary([flag]), await runBinary(['--help'])];

    expect(one).toEqual(other);
  });

  it('without a command prints the help and exits 2', async () => {
    const ran = await runBinary([]);

    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain('Usage: onceward COMMAND');
  });

  it.each(['--version', '-V'])('%s prints its version and that of Node', async (flag) => {
    const ran = await runBinary([flag]);

    expect(ran).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^onceward \d+\.\d+\.\d+ \(node \d+\.\d+\.\d+\)\n$/),
      stderr: '',
    });
    expect(ran.stdout).toContain(packageJson.version);
  });

  it('names the commands there are when one is not known, and exits 2', async () => {
    const ran = await runBinary(['serve']);

    expect(ran.code).toBe(2);
    expect(ran.stdout).toBe('');
    expect(ran.stderr).toBe(
      'onceward: there is no command "serve". Commands: run, check, explain, config, keys, audit, report, demo. See onceward --help.\n',
    );
  });
});

describe.each(COMMANDS)('onceward $name', ({ name, summary, usage }) => {
  it('--help prints how it is used and exits 0', async () => {
    const ran = await runBinary([name, '--help']);

    expect(ran).toEqual({ code: 0, stdout: `${usage}\n`, stderr: '' });
    await expect(ran.stdout).toMatchFileSnapshot(join(GOLDEN, `${name}-help.txt`));
  });

  it('refuses a flag it does not know with one line and exit 2', async () => {
    const ran = await runBinary([name, '--no-such-flag']);

    expect(ran.code).toBe(2);
    expect(ran.stdout).toBe('');
    expect(ran.stderr).toMatch(/^onceward [a-z]+: .*--no-such-flag.*\n$/);
  });

  it('has a line of its own in the help, and a usage that begins with its name', async () => {
    const { stdout } = await runBinary(['--help']);

    expect(
      stdout.split('\n').filter((line) => line.trim() === `${name.padEnd(WIDTH)}  ${summary}`),
    ).toHaveLength(1);
    expect(usage.startsWith(`onceward ${name}`)).toBe(true);
  });
});

const WIDTH = Math.max(...COMMANDS.map(({ name }) => name.length));

describe('the table of commands', () => {
  it('has every command that the help lists, and no other', async () => {
    const { stdout } = await runBinary(['--help']);

    const listed = [...stdout.matchAll(/^ {2}(?!onceward)([a-z]+) {2,}\S/gm)].map((match) => match[1]);

    expect(listed).toEqual(COMMANDS.map(({ name }) => name));
  });

  it('is the list of commands in the README', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');

    const list = /lists them: ([^.]+)\./.exec(readme)?.[1] ?? '';

    expect([...list.matchAll(/`([a-z]+)`/g)].map((match) => match[1])).toEqual(
      COMMANDS.map(({ name }) => name),
    );
  });

  it('has every command that the documentation tells people to type', () => {
    const docs = join(ROOT, 'docs');
    const files = [
      join(ROOT, 'README.md'),
      ...readdirSync(docs)
        .filter((file) => file.endsWith('.md'))
        .map((file) => join(docs, file)),
    ].filter((file) => existsSync(file));
    const names = COMMANDS.map(({ name }) => name);

    const typed = files.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/(?:npm start --|`onceward|^onceward) ([a-z]+)\b/gm)].map(
        (match) => match[1] ?? '',
      ),
    );

    expect(files.length).toBeGreaterThan(0);
    expect(typed.filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('output that nobody reads to its end', () => {
  it.each(['--help', 'config print'])('of %s is no fault', async (args) => {
    const child = spawn(PINNED_NODE, [BINARY, ...args.split(' ')], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout.destroy();
    const [code] = await once(child, 'close');

    expect(stderr).toBe('');
    expect(code).toBe(0);
  });
});

describe('on a Node that is too old', () => {
  it('says which one it needs and how to get it, and exits 2', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'onceward-old-'));
    const old = oldNode();
    // Without an old one at hand the script is told that it runs on one.
    const binary = join(folder, 'onceward.mjs');
    writeFileSync(binary, readFileSync(BINARY, 'utf8').replaceAll('process.versions.node', "'20.11.0'"));
    try {
      const ran =
        old === null
          ? await runBinary(['--version'], { binary })
          : await runBinary(['--version'], { node: old });

      expect(ran.code).toBe(2);
      expect(ran.stdout).toBe('');
      expect(ran.stderr).toMatch(
        /^onceward: needs Node 22\.19 or newer, this is (?:1\d|20|21|22)\.\d+\.\d+\.\n/,
      );
      expect(ran.stderr).toContain('npm start');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is never met through npm: the pinned one is new enough', () => {
    const ran = spawnSync(PINNED_NODE, ['--version'], { encoding: 'utf8' });

    expect(Number(/^v(\d+)\./.exec(ran.stdout)?.[1])).toBeGreaterThanOrEqual(26);
  });
});

/** A system's own Node below the required one, or null. */
function oldNode(): string | null {
  const file = '/usr/bin/node';
  if (!existsSync(file)) return null;
  const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' });
  const major = Number(/^v(\d+)\./.exec(stdout)?.[1] ?? 99);
  return major >= 12 && major < 22 ? file : null;
}
