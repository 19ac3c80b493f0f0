import { chmodSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The wall clock of a process in the hands of a test, through libfaketime; its monotonic clock stays true. */
export type FalseClock = {
  /** For the process to start with. */
  readonly env: Readonly<Record<string, string>>;
  /** From the next look at the clock on it differs from the true one by so much. */
  set(offsetMs: number): void;
  remove(): void;
};

const FAKETIME = '/usr/lib/*/faketime/libfaketime.so.1';
/** jemalloc asks for the time before libfaketime is ready and ends the process: glibc's allocator comes before it. */
const MALLOC = '/lib/*/libc_malloc_debug.so.0';

export function createFalseClock(): FalseClock {
  const libraries = [MALLOC, FAKETIME].map((pattern) => {
    const [library] = globSync(pattern);
    if (library === undefined)
      throw new Error(`${pattern} is not there and these tests need it: apt-get install libfaketime`);
    return library;
  });
  const folder = mkdtempSync(join(tmpdir(), 'onceward-clock-'));
  // PostgreSQL runs as a user of its own.
  chmodSync(folder, 0o755);
  const file = join(folder, 'offset');
  const set = (offsetMs: number): void =>
    writeFileSync(file, `${offsetMs < 0 ? '-' : '+'}${Math.abs(offsetMs) / 1000}\n`);
  set(0);
  return {
    env: {
      LD_PRELOAD: libraries.join(':'),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    set,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
