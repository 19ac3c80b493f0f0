import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { cellKeyFits } from '../cell-codec.ts';
import type { MachineClock } from './clock.ts';
import { DATA_FILE } from './files.ts';
import { type ContentChecks, checkPages } from './page-check.ts';

/**
 * Looks through a store before it is opened: a damaged tree ends the process by a signal, a damaged key hides its
 * record, whose request would then be executed again.
 */

/** In the order in which they are made. */
const TREES = ['records', 'expiries', 'meta', 'cells'] as const;
/** A store of a gigabyte is looked through within it. */
const CHECK_MS_MAX = 5_000;

export type ContentCheckOptions = {
  readonly path: string;
  readonly clock: MachineClock;
  readonly warn?: (message: string) => void;
};

/** Throws Error with what is damaged, and whatever `checkFormat` throws of the version of the format. */
export function checkContent(
  { path, clock, warn = () => undefined }: ContentCheckOptions,
  checkFormat: (version: string) => void,
): void {
  const file = join(path, DATA_FILE);
  if (!existsSync(file)) return;
  const outcome = checkPages(file, {
    createChecks: () => createChecks(checkFormat),
    monotonicMs: () => clock.monotonicMs(),
    msMax: CHECK_MS_MAX,
  });
  if (outcome === 'partly') {
    warn(
      `the store in ${path} was not looked through to its end (${CHECK_MS_MAX} ms, or others write to it): damage in the rest is found when it is read`,
    );
  }
}

function createChecks(checkFormat: (version: string) => void): ContentChecks {
  const indexed = createSums();
  return {
    entryFault(tree, key, value) {
      switch (tree) {
        // The trees come in the order of their names: the index before the records.
        case 'expiries':
          indexed.add(key.subarray(key.lastIndexOf(0) + 1));
          return null;
        case 'meta':
          // What a newer program wrote may look like damage.
          if (key.toString('latin1') === 'format') checkFormat(value.toString('latin1'));
          return null;
        case 'records':
          // Every record is in the index under the same key, so a key that is damaged in one of them shows.
          return indexed.has(key) ? null : 'a record stands under a key that is not in the index';
        case 'cells':
          return cellKeyFits(key, value) ? null : 'a cell stands under a key that is not its own';
        default:
          return null;
      }
    },
    // A tree under a damaged name would be made anew, empty: all its keys would be absent.
    namesFault(names) {
      const made = TREES.slice(0, names.length);
      return made.length === names.length && made.every((tree) => names.includes(tree))
        ? null
        : 'a tree is missing';
    },
  };
}

/** A set of keys in four bytes each. One that is not in it passes once in 2³² / size. */
function createSums(): { add(key: Uint8Array): void; has(key: Uint8Array): boolean } {
  let sums = new Uint32Array(1024);
  let count = 0;
  let order: 'as-added' | 'sorted' = 'sorted';
  return {
    add(key) {
      if (count === sums.length) {
        const wider = new Uint32Array(count * 2);
        wider.set(sums);
        sums = wider;
      }
      sums[count] = crc32(key);
      count += 1;
      order = 'as-added';
    },
    has(key) {
      if (order === 'as-added') sums.subarray(0, count).sort();
      order = 'sorted';
      const sum = crc32(key);
      let from = 0;
      let end = count;
      while (from < end) {
        const middle = (from + end) >>> 1;
        if ((sums[middle] ?? 0) < sum) from = middle + 1;
        else end = middle;
      }
      return from < count && sums[from] === sum;
    },
  };
}
