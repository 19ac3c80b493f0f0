import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const SOURCE = 'client/onceward-client.ts';
/** Of the browsers and runtimes that have fetch, AbortController and crypto.randomUUID. */
const TARGET = 'es2022';

let built: ReadonlyMap<string, string> | null = null;

/** The client for those who take no TypeScript: what the compiler makes of the one source. */
export const CLIENT_FILES: readonly { readonly file: string; readonly render: () => string }[] = [
  { file: 'client/onceward-client.js', render: () => build().get('js') ?? '' },
  { file: 'client/onceward-client.d.ts', render: () => build().get('d.ts') ?? '' },
];

function build(): ReadonlyMap<string, string> {
  if (built !== null) return built;
  const folder = mkdtempSync(join(tmpdir(), 'onceward-client-'));
  try {
    const flags = [
      '--ignoreConfig',
      '--declaration',
      '--strict',
      '--exactOptionalPropertyTypes',
      '--skipLibCheck',
    ];
    const options = ['--target', TARGET, '--lib', TARGET, '--module', 'nodenext', '--types', 'node'];
    const compiler = join(ROOT, 'node_modules/.bin/tsc');
    const ran = spawnSync(compiler, [SOURCE, '--outDir', folder, ...flags, ...options], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    if (ran.status !== 0) throw new Error(`tsc: ${ran.stdout}${ran.stderr}`);
    const read = (end: string): string =>
      `// Made by scripts/generate-client.ts from ${SOURCE}.\n${readFileSync(join(folder, `onceward-client.${end}`), 'utf8')}`;
    built = new Map(['js', 'd.ts'].map((end) => [end, read(end)]));
    return built;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
