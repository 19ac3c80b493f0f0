import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { ensureTools } from './ensure-tools.ts';

/** `npm test`: installs what the tests need, runs them all, closes with one line that counts them. */

const tools = ensureTools();
if (tools !== 0) process.exit(tools);
const folder = mkdtempSync(join(tmpdir(), 'onceward-test-'));
const report = join(folder, 'report.json');
const vitest = join(import.meta.dirname, '../node_modules/vitest/vitest.mjs');
const ran = spawnSync(
  process.execPath,
  [
    vitest,
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ],
  { stdio: ['ignore', 'inherit', 'inherit'] },
);
const { passed, failed, skipped, suitesFailed } = counts(report);
rmSync(folder, { recursive: true, force: true });
// A test that says it cannot run here is counted aloud; its name says why.
process.stdout.write(
  `${passed} passed, ${failed + suitesFailed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`,
);
process.exit(ran.status === 0 && failed + suitesFailed === 0 && passed > 0 ? 0 : 1);

function counts(file: string): { passed: number; failed: number; skipped: number; suitesFailed: number } {
  try {
    const json: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return {
      passed: member(json, 'numPassedTests'),
      failed: member(json, 'numFailedTests'),
      skipped: member(json, 'numPendingTests'),
      suitesFailed: emptySuitesFailed(json),
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0, suitesFailed: 0 };
  }
}

/** A file that could not be loaded holds no failed test, and yet failed. */
function emptySuitesFailed(json: unknown): number {
  if (
    typeof json !== 'object' ||
    json === null ||
    !('testResults' in json) ||
    !Array.isArray(json.testResults)
  )
    return 0;
  return json.testResults.filter(
    (file: { status?: string; assertionResults?: unknown[] }) =>
      file.status === 'failed' && (file.assertionResults ?? []).length === 0,
  ).length;
}

function member(json: unknown, name: string): number {
  if (typeof json !== 'object' || json === null) return 0;
  const value = new Map(Object.entries(json)).get(name);
  return typeof value === 'number' ? value : 0;
}
