import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe } from 'vitest';

/** Vectors of others, kept outside the repository; `ONCEWARD_VECTORS` names their folder. */

const ROOT = join(import.meta.dirname, '../..');
const NAMED = process.env.ONCEWARD_VECTORS;
const FOLDER = NAMED ?? join(ROOT, '../shared/vectors');

/**
 * A suite over vector files, relative to the folder. Without them the suite is left out, and says so on stderr; a
 * folder that was named and lacks them is an error. `read` gives the parsed JSON.
 */
export function describeWithVectors(
  title: string,
  files: readonly string[],
  define: (read: (file: string) => unknown) => void,
): void {
  const missing = files.filter((file) => !existsSync(join(FOLDER, file)));
  if (missing.length === 0) {
    describe(title, () => define((file) => JSON.parse(readFileSync(join(FOLDER, file), 'utf8'))));
    return;
  }
  const what = `${title}: needs ${missing.join(', ')} in ${FOLDER}`;
  if (NAMED !== undefined) throw new Error(`ONCEWARD_VECTORS is set, and a suite has no vectors. ${what}`);
  console.warn(`\n!! SUITE LEFT OUT, ITS VECTORS ARE ABSENT !!\n!! ${what}\n`);
  describe.skip(title, () => define(() => []));
}

export type ItemVector = {
  readonly name: string;
  /** The field lines. */
  readonly raw: readonly string[];
  /** The bare item, or undefined when parsing must fail. */
  readonly bareItem: unknown;
};

/** The Item vectors of a structured-field file (RFC 9651); those that a parser may refuse are left out. */
export function itemVectors(json: unknown): readonly ItemVector[] {
  if (!Array.isArray(json)) throw new Error('a vector file holds an array');
  return json
    .filter((vector) => vector.header_type === 'item' && vector.can_fail !== true)
    .map((vector) => ({
      name: String(vector.name),
      raw: vector.raw.map(String),
      bareItem: vector.must_fail === true ? undefined : vector.expected[0],
    }));
}

/** The strings of a file that is one array of them. */
export function stringVectors(json: unknown): readonly string[] {
  if (!Array.isArray(json)) throw new Error('a vector file holds an array');
  return json.map(String);
}
