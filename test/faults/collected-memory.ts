import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a process holds right after all its garbage has been collected. */
export type Collected = {
  /** Since the process began. */
  readonly atMs: number;
  readonly heapMb: number;
  /** Buffers outside the heap. */
  readonly externalMb: number;
  /** All memory of its own, that of native code included. */
  readonly anonymousMb: number;
};

const FILE_VARIABLE = 'ONCEWARD_TEST_COLLECTED';

/** Environment of a process that is to collect and to note; `file` is written line by line. */
export function collecting(file: string): Readonly<Record<string, string>> {
  const preload = join(import.meta.dirname, 'collect-garbage.ts');
  return { NODE_OPTIONS: `--expose-gc --import=${preload}`, [FILE_VARIABLE]: file };
}

export function collectedFile(environment: Readonly<Record<string, string | undefined>>): string | null {
  return environment[FILE_VARIABLE] ?? null;
}

export function readCollected(file: string): readonly Collected[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Collected => JSON.parse(line));
}

/** MB a minute, by least squares. */
export function slopeOf(samples: readonly Collected[], megabytes: (held: Collected) => number): number {
  const meanMs = mean(samples.map(({ atMs }) => atMs));
  const meanMb = mean(samples.map(megabytes));
  let covariance = 0;
  let variance = 0;
  for (const sample of samples) {
    covariance += (sample.atMs - meanMs) * (megabytes(sample) - meanMb);
    variance += (sample.atMs - meanMs) ** 2;
  }
  return variance === 0 ? 0 : (covariance / variance) * 60_000;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
