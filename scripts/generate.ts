import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { CLIENT_FILES } from './generate-client.ts';
import { GENERATED_FILES } from './generate-config-docs.ts';
import { renderDialectDocs } from './generate-dialect-docs.ts';
import { renderMetricsDocs } from './generate-metrics-docs.ts';
import { renderProblemDocs } from './generate-problem-docs.ts';
import { renderReliabilityDocs } from './generate-reliability-docs.ts';

const ROOT = join(import.meta.dirname, '..');

/** Every file that is made from a table of the sources, from reports, or by the compiler. */
export const GENERATED: readonly { readonly file: string; readonly render: () => string }[] = [
  { file: 'docs/dialects.md', render: renderDialectDocs },
  { file: 'docs/metrics.md', render: renderMetricsDocs },
  { file: 'docs/problems.md', render: renderProblemDocs },
  { file: 'docs/reliability.md', render: renderReliabilityDocs },
  ...CLIENT_FILES,
  ...GENERATED_FILES.map(({ path, render }) => ({ file: path, render })),
];

/** Files whose content is not what their table gives. */
export function staleFiles(): readonly string[] {
  return GENERATED.filter(({ file, render }) => read(file) !== render()).map(({ file }) => file);
}

function read(file: string): string | null {
  try {
    return readFileSync(join(ROOT, file), 'utf8');
  } catch {
    return null;
  }
}

/** `--write` writes them all; else 1 when one is stale. */
function main(args: readonly string[]): number {
  if (args.includes('--write')) {
    for (const { file, render } of GENERATED) writeFileSync(join(ROOT, file), render());
    return 0;
  }
  const stale = staleFiles();
  if (stale.length === 0) return 0;
  process.stderr.write(`stale: ${stale.join(', ')}; run: node scripts/generate.ts --write\n`);
  return 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  process.exitCode = main(process.argv.slice(2));
