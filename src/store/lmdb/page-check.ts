import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import {
  BRANCH,
  HEAD_BYTES,
  INTEGER_KEYS,
  LEAF,
  type Meta,
  newestMeta,
  nodeCount,
  type PageReader,
  readNode,
  readNumber,
  readPage,
  readTree,
  readValue,
  SUB_TREE,
  TREE_BYTES,
  type Tree,
} from './pages.ts';

/**
 * Walks the trees of a data file before the driver does, which follows a damaged page number wherever it points: it
 * dies by a signal, hands out a page twice, or finds nothing where a record was. A hidden key is a second execution.
 */
export type PageCheckOptions = {
  /** Called for every walk, of which a busy file may need several. */
  readonly createChecks: () => ContentChecks;
  readonly monotonicMs: () => number;
  /** Reading a large store takes its time; what is left after it is not looked at. */
  readonly msMax: number;
};

export type ContentChecks = {
  /** Returns what is wrong with an entry of a named tree, or null. `value` may be the value's beginning only. */
  entryFault(tree: string, key: Buffer, value: Buffer): string | null;
  /** The same for the names of all trees. */
  namesFault(names: readonly string[]): string | null;
};

export type PageCheck = 'whole' | 'partly';

type Walk = {
  readonly options: PageCheckOptions;
  readonly reader: PageReader;
  readonly meta: Meta;
  readonly fileBytes: number;
  /** A bit for each page of the file. */
  readonly taken: Uint8Array;
  /** One page for each level above the one that is read. */
  readonly levels: Buffer[];
  readonly endMs: number;
};

type Leaf = (key: Buffer, value: Buffer, flags: number, valueBytes: number, firstPage: number | null) => void;
/** From the first key on and below the second, where there is one. */
type Bounds = { readonly from: Buffer | null; readonly below: Buffer | null };

const DEPTH_MAX = 24;
/** Another process that writes turns pages over under the walk, which then begins again. */
const TRIES_MAX = 8;

class TimeOver extends Error {}

/** `file` has passed `checkFiles`. Throws Error with what is damaged. */
export function checkPages(file: string, options: PageCheckOptions): PageCheck {
  const fd = openSync(file, 'r');
  try {
    const endMs = options.monotonicMs() + options.msMax;
    for (let tries = 1; fstatSync(fd).size > 0; tries += 1) {
      const meta = newestMeta(fd);
      try {
        walkAll(createWalk(fd, meta, options, endMs));
        return 'whole';
      } catch (error) {
        if (error instanceof TimeOver) return 'partly';
        // Written meanwhile by another process, which looked at the file when it opened it.
        if (newestMeta(fd).transaction === meta.transaction) throw error;
        if (tries === TRIES_MAX) return 'partly';
      }
    }
    return 'whole';
  } finally {
    closeSync(fd);
  }
}

function createWalk(fd: number, meta: Meta, options: PageCheckOptions, endMs: number): Walk {
  const fileBytes = fstatSync(fd).size;
  const taken = new Uint8Array(Math.ceil(fileBytes / meta.pageBytes / 8));
  return {
    options,
    reader: { fd, transaction: meta.transaction },
    meta,
    fileBytes,
    taken,
    levels: [],
    endMs,
  };
}

function walkAll(walk: Walk): void {
  const { meta, options } = walk;
  const checks = options.createChecks();
  const names: string[] = [];
  walkTree(walk, meta.main, 'sorted', 0, (key, value, flags) => {
    if ((flags & SUB_TREE) === 0 || value.length < TREE_BYTES) throw new Error('a tree has no root');
    // As a string of C.
    const name = key.toString('latin1').replace(/\0$/, '');
    names.push(name);
    walkTree(walk, readTree(value, 0), 'sorted', meta.main.depth + 1, (entryKey, entryValue) => {
      const fault = checks.entryFault(name, entryKey, entryValue);
      if (fault !== null) throw new Error(fault);
    });
  });
  const namesFault = checks.namesFault(names);
  if (namesFault !== null) throw new Error(namesFault);
  // Its keys are integers of the machine, in an order of their own.
  walkTree(walk, meta.free, 'unsorted', 0, (_key, value, _flags, valueBytes, firstPage) =>
    checkFreeList(walk, value, valueBytes, firstPage),
  );
}

function walkTree(walk: Walk, tree: Tree, order: 'sorted' | 'unsorted', level: number, leaf: Leaf): void {
  // Another way of reading keys would find none of them.
  if (tree.flags !== (order === 'sorted' ? 0 : INTEGER_KEYS))
    throw new Error(`a tree has the flags ${tree.flags}`);
  let entries = 0;
  if (tree.root !== null) {
    if (tree.depth < 1 || tree.depth > DEPTH_MAX) throw new Error(`a tree has the depth ${tree.depth}`);
    const bounds = order === 'sorted' ? { from: null, below: null } : null;
    entries = walkPage(walk, tree.root, tree.depth, level, bounds, leaf);
  }
  if (entries !== tree.entries) throw new Error(`a tree has ${entries} entries of ${tree.entries}`);
}

/** Returns how many entries lie under the page. A `depth` of 1 is a leaf. Null bounds: in any order. */
function walkPage(
  walk: Walk,
  page: number,
  depth: number,
  level: number,
  bounds: Bounds | null,
  leaf: Leaf,
): number {
  if (walk.options.monotonicMs() > walk.endMs) throw new TimeOver();
  take(walk, page, 1);
  const bytes = levelBuffer(walk, level);
  readPage(walk.reader, page, bytes);
  if (depth === 1) return walkLeaf(walk, bytes, page, level, bounds, leaf);
  const nodes = nodeCount(bytes, page, BRANCH);
  let entries = 0;
  // The first key of a branch is no key: it stands for all that is below the second.
  let from = bounds?.from ?? null;
  for (let index = 0; index < nodes; index += 1) {
    const below = index + 1 < nodes ? readNode(bytes, page, index + 1).key : (bounds?.below ?? null);
    if (bounds !== null && from !== null && below !== null && from.compare(below) >= 0) throw disorder(page);
    const { child } = readNode(bytes, page, index);
    entries += walkPage(walk, child, depth - 1, level + 1, bounds === null ? null : { from, below }, leaf);
    from = below;
  }
  return entries;
}

function walkLeaf(
  walk: Walk,
  bytes: Buffer,
  page: number,
  level: number,
  bounds: Bounds | null,
  leaf: Leaf,
): number {
  const nodes = nodeCount(bytes, page, LEAF);
  let last: Buffer | null = null;
  for (let index = 0; index < nodes; index += 1) {
    const node = readNode(bytes, page, index);
    if (bounds !== null) {
      const { from, below } = bounds;
      if (from !== null && node.key.compare(from) < 0) throw disorder(page);
      if (below !== null && node.key.compare(below) >= 0) throw disorder(page);
      if (last !== null && node.key.compare(last) <= 0) throw disorder(page);
      last = node.key;
    }
    const value = readValue(walk.reader, bytes, page, node, levelBuffer(walk, level + 1));
    if (value.pages !== null) take(walk, value.pages.first, value.pages.count);
    leaf(node.key, value.bytes, node.flags, node.valueBytes, value.pages?.first ?? null);
  }
  return nodes;
}

function disorder(page: number): Error {
  return new Error(`page ${page} is out of order`);
}

function levelBuffer(walk: Walk, level: number): Buffer {
  let bytes = walk.levels[level];
  if (bytes === undefined) {
    bytes = Buffer.alloc(walk.meta.pageBytes);
    walk.levels[level] = bytes;
  }
  return bytes;
}

/** Every page belongs to one place only. */
function take(walk: Walk, first: number, count: number): void {
  const { meta, fileBytes, taken } = walk;
  const end = first + count;
  if (first < 2 || end > meta.lastPage + 1) throw new Error(`page ${first} is not one of the store`);
  if (end * meta.pageBytes > fileBytes) throw new Error(`page ${end - 1} is cut off`);
  for (let page = first; page < end; page += 1) {
    const byte = taken[page >> 3] ?? 0;
    const bit = 1 << (page & 7);
    if ((byte & bit) !== 0) throw new Error(`page ${page} is in two places`);
    taken[page >> 3] = byte | bit;
  }
}

/**
 * A list of free pages: its length, then page numbers, 0 for a gap; a negative number says how many pages begin at the
 * next. A page that is in use must not be in it: it would be written over.
 */
function checkFreeList(walk: Walk, beginning: Buffer, valueBytes: number, firstPage: number | null): void {
  const list = firstPage === null ? beginning : readLong(walk, firstPage, valueBytes);
  const count = readNumber(list, 0);
  if (list.length < 8 || (count + 1) * 8 > list.length) throw new Error('a list of free pages is cut off');
  let run = 1;
  for (let index = 1; index <= count; index += 1) {
    const number = Number(list.readBigInt64LE(index * 8));
    if (number < 0) {
      run = -number;
      continue;
    }
    if (number !== 0) checkFree(walk, number, run);
    run = 1;
  }
}

function checkFree({ meta, taken }: Walk, first: number, count: number): void {
  if (first < 2 || first + count > meta.lastPage + 1)
    throw new Error(`a free page ${first} is not one of the store`);
  for (let page = first; page < first + count; page += 1) {
    if (((taken[page >> 3] ?? 0) & (1 << (page & 7))) !== 0)
      throw new Error(`page ${page} is free and in use`);
  }
}

function readLong(walk: Walk, firstPage: number, valueBytes: number): Buffer {
  const bytes = Buffer.alloc(valueBytes);
  readSync(walk.reader.fd, bytes, 0, valueBytes, firstPage * walk.meta.pageBytes + HEAD_BYTES);
  return bytes;
}
