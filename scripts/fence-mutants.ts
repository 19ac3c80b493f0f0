import { spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

/**
 * The fences of the stores that are servers stand in Lua and SQL, where Stryker does not reach: each comparison with
 * the token or the owner of a claim is taken out, one at a time, and the store contract must notice.
 */

const ROOT = join(import.meta.dirname, '..');
const COPIED = ['src', 'test', 'config', 'package.json', 'vitest.config.ts', 'tsconfig.json'];
const TEST_MS_MAX = 180_000;

type Language = {
  readonly files: string;
  readonly fence: RegExp;
  /** The answer of a comparison that never stops anybody. */
  readonly open: string;
  readonly test: string;
};

const LANGUAGES: readonly Language[] = [
  {
    files: 'src/store/redis/lua/*.lua',
    fence: /record\[\d\] ~= ARGV\[[12]\](?= or| then)/g,
    open: 'false',
    test: 'test/contract/redis.test.ts',
  },
  {
    files: 'src/store/postgres/sql/*.sql',
    fence: /r\.(?:token|owner) (?:=|<>) \$\d/g,
    open: 'true',
    test: 'test/contract/postgres.test.ts',
  },
];

export type FenceScore = {
  readonly noticed: number;
  /** `FILE:LINE: COMPARISON` of each that was taken out unnoticed. */
  readonly unnoticed: readonly string[];
};

export function openFences(say: (line: string) => void): FenceScore {
  const sandbox = mkdtempSync(join(tmpdir(), 'onceward-fences-'));
  const unnoticed: string[] = [];
  let noticed = 0;
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(sandbox, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(sandbox, 'node_modules'));
    for (const { files, fence, open, test } of LANGUAGES) {
      if (testFails(sandbox, test) === 'yes') throw new Error(`${test} fails with every fence in place`);
      for (const file of globSync(files, { cwd: sandbox }).sort()) {
        const whole = readFileSync(join(sandbox, file), 'utf8');
        for (const found of whole.matchAll(fence)) {
          const [text] = found;
          writeFileSync(
            join(sandbox, file),
            `${whole.slice(0, found.index)}${open}${whole.slice(found.index + text.length)}`,
          );
          const line = whole.slice(0, found.index).split('\n').length;
          const fails = testFails(sandbox, test);
          if (fails === 'yes') noticed += 1;
          else unnoticed.push(`${file}:${line}: ${text}`);
          say(`${file}:${line}: ${text}: ${fails === 'yes' ? 'noticed' : 'NOT NOTICED'}`);
        }
        writeFileSync(join(sandbox, file), whole);
      }
    }
  } finally {
    rmSync(sandbox, { recursive: true, force: true });
  }
  return { noticed, unnoticed };
}

function testFails(sandbox: string, test: string): 'yes' | 'no' {
  const vitest = join(sandbox, 'node_modules/vitest/vitest.mjs');
  const ran = spawnSync(process.execPath, [vitest, 'run', '--bail', '1', test], {
    cwd: sandbox,
    stdio: 'ignore',
    timeout: TEST_MS_MAX,
  });
  return ran.status === 0 ? 'no' : 'yes';
}
