import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { baseForBoot, type ClockBase, type MachineClock } from './clock.ts';
import { type CommitCount, openCommitCount } from './commit-count.ts';
import { checkContent } from './content-check.ts';
import { checkFiles } from './file-check.ts';
import { DATA_FILE, syncDirectory } from './files.ts';
import { decodeBase, encodeBase, readToken } from './meta-values.ts';

/** What the environment holds; every process of the machine that opens it shares it. */
export type Environment = {
  readonly root: RootDatabase<Buffer, string>;
  /** Record key → record, as `record-codec.ts` lays it out. */
  readonly records: Database<Buffer, string>;
  /** [time of the next look, record key] → nothing: what a sweep goes through (`expiry-index.ts`). */
  readonly expiries: Database<Buffer, ExpiryKey>;
  readonly meta: Database<Buffer, string>;
  /** Cell key → cell, as `cell-codec.ts` lays it out. */
  readonly cells: Database<Buffer, string>;
  readonly commitCount: CommitCount;
  readonly base: ClockBase;
};

export type ExpiryKey = [indexedAtMs: number, recordKey: string];

export type EnvironmentOptions = {
  readonly path: string;
  readonly durability: 'fsync' | 'commit';
  readonly bytesMax: number;
  readonly clock: MachineClock;
  /** Address space to begin with; as much as the store may fill where absent. */
  readonly mapBytes?: number;
  /** What is worth saying at start. */
  readonly warn?: (message: string) => void;
};

const FORMAT_VERSION = 1;
const FORMAT_KEY = 'format';
const CLOCK_KEY = 'clock';
/** Address space, not memory or disk; the driver enlarges it when the pages outgrow it. */
const MAP_BYTES_MIN = 64 * 1024 * 1024;
const PROCESSES_MAX = 512;

/** Opens or creates the environment. Throws Error that says what is wrong and what to do. */
export async function openEnvironment(options: EnvironmentOptions): Promise<Environment> {
  prepareDirectory(options.path);
  try {
    checkFiles(options.path);
    checkContent(options, (version) => checkFormat(version, options.path));
    if (!existsSync(join(options.path, DATA_FILE))) await createFiles(options);
    const root = openRoot(options, options.path);
    const commitCount = openCommitCount(root, options.path);
    // In a transaction, for a process that writes meanwhile makes the file larger too.
    await root.transaction(() => coverPages(root, options.path));
    const environment = { root, commitCount, ...openTrees(root) };
    const base = await inNewest(environment, () => prepare(environment.meta, options));
    return { ...environment, base };
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new Error(
      `cannot open the store in ${options.path}: ${error instanceof Error ? error.message : String(error)}; ` +
        'if its files are damaged, restore a copy, or move the directory away to start empty (known keys are then executed again)',
      { cause: error },
    );
  }
}

/** One atomic step, begun at the newest commit of all processes (`commit-count.ts`). */
export async function inNewest<Result>(
  { records, commitCount }: Pick<Environment, 'records' | 'commitCount'>,
  step: () => Result,
): Promise<Result> {
  for (let tries = 0; tries < BEGINNINGS_MAX; tries += 1) {
    const result = await records.transaction(() => (commitCount.look() === 'newest' ? step() : BEHIND));
    if (result !== BEHIND) return result;
  }
  throw new Error('the transactions of the store begin before its newest commit');
}

const BEHIND = Symbol('behind');
/** Each needs another process that opens the store at that moment. */
const BEGINNINGS_MAX = 100;

function openRoot(options: EnvironmentOptions, path: string): RootDatabase<Buffer, string> {
  return open<Buffer, string>({
    path,
    noSubdir: false,
    encoding: 'binary',
    maxDbs: 8,
    maxReaders: PROCESSES_MAX,
    mapSize: options.mapBytes ?? Math.max(MAP_BYTES_MIN, Math.ceil((options.bytesMax * 3) / 2 / 4096) * 4096),
    // The plain commit of LMDB, synced before it is acknowledged. Not the driver's overlapping one: it was no faster
    // here, and rests on a recovery of its own.
    overlappingSync: false,
    // With it, a commit that fails rejects a promise that nobody holds, which ends the process.
    eventTurnBatching: false,
    noSync: options.durability === 'commit',
  });
}

function openTrees(
  root: RootDatabase<Buffer, string>,
): Pick<Environment, 'records' | 'expiries' | 'meta' | 'cells'> {
  return {
    records: root.openDB<Buffer, string>('records', { encoding: 'binary' }),
    expiries: root.openDB<Buffer, ExpiryKey>('expiries', { encoding: 'binary' }),
    meta: root.openDB<Buffer, string>('meta', { encoding: 'binary' }),
    cells: root.openDB<Buffer, string>('cells', { encoding: 'binary' }),
  };
}

/**
 * The first files, with their trees, made aside and put in place in one step: the driver makes trees in transactions of
 * its own, which ask no commit count, and of processes that start together one would lose what the other has made.
 */
async function createFiles(options: EnvironmentOptions): Promise<void> {
  const aside = mkdtempSync(join(options.path, '.new-'));
  try {
    const root = openRoot(options, aside);
    openTrees(root);
    await root.close();
    linkSync(join(aside, DATA_FILE), join(options.path, DATA_FILE));
    await syncDirectory(options.path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && GOES_ON.has(error.code))) throw error;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/** Another process was first; or the file system has no links, and the driver makes the files as it opens. */
const GOES_ON: ReadonlySet<unknown> = new Set(['EEXIST', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** Waits for what is under way. An orderly end leaves synced files, whatever the durability. */
export async function closeEnvironment(
  environment: Environment,
  options: Pick<EnvironmentOptions, 'path' | 'durability'>,
): Promise<void> {
  await environment.root.close();
  environment.commitCount.close();
  if (options.durability === 'fsync') return;
  const handle = await openFile(join(options.path, DATA_FILE), 'r+');
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

class FormatError extends Error {}

function prepareDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (!statSync(path).isDirectory()) throw new Error('it is not a directory');
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Error(
      `the store path ${path} cannot be used: ${error instanceof Error ? error.message : String(error)}; ` +
        'give the process a directory it may write to',
      { cause: error },
    );
  }
}

/**
 * A file cut short would end the process at the first touch of a missing page (SIGBUS). Enlarged with zeros, the same
 * page is an error that can be reported. A file may also be short with nothing missing: its last pages were never used.
 */
function coverPages(root: RootDatabase<Buffer, string>, path: string): void {
  const { lastPageNumber, pageSize } = environmentStats(root);
  const file = join(path, DATA_FILE);
  const neededBytes = (lastPageNumber + 1) * pageSize;
  if (statSync(file).size < neededBytes) truncateSync(file, neededBytes);
}

function checkFormat(version: string, path: string): void {
  if (version === String(FORMAT_VERSION)) return;
  throw new FormatError(
    `the store in ${path} has format ${version}, this program writes ${FORMAT_VERSION}; ` +
      'run the version that wrote it, or use another directory',
  );
}

/** Format and clock, in one transaction: two processes that start together agree. */
function prepare(meta: Database<Buffer, string>, options: EnvironmentOptions): ClockBase {
  const format = meta.get(FORMAT_KEY);
  if (format !== undefined) checkFormat(format.toString('latin1'), options.path);
  if (format === undefined) void meta.put(FORMAT_KEY, Buffer.from(String(FORMAT_VERSION)));
  const stored = decodeBase(meta.get(CLOCK_KEY));
  const base = baseForBoot(stored, readToken(meta).lastToken, options.clock);
  if (base !== stored) void meta.put(CLOCK_KEY, encodeBase(base));
  return base;
}

/** Pages that one tree holds, in bytes. */
export function treeBytes(database: Database<Buffer, string> | Database<Buffer, ExpiryKey>): number {
  const stats: Record<string, unknown> = database.getStats();
  const pages =
    numberOf(stats, 'treeBranchPageCount') +
    numberOf(stats, 'treeLeafPageCount') +
    numberOf(stats, 'overflowPages');
  return pages * numberOf(stats, 'pageSize');
}

export function entryCount(database: Database<Buffer, string>): number {
  return numberOf(database.getStats(), 'entryCount');
}

function environmentStats(root: RootDatabase<Buffer, string>): {
  readonly lastPageNumber: number;
  readonly pageSize: number;
} {
  const stats: Record<string, unknown> = root.getStats();
  return { lastPageNumber: numberOf(stats, 'lastPageNumber'), pageSize: numberOf(stats, 'pageSize') };
}

function numberOf(stats: Record<string, unknown>, name: string): number {
  const value = stats[name];
  if (typeof value !== 'number') throw new Error(`the driver gives no ${name}`);
  return value;
}
