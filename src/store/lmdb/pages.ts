import { readSync } from 'node:fs';

/**
 * Pages of a data file as bytes, in the format of LMDB's master3 line. A page has a head of 24 bytes (number,
 * transaction, pad, flags, bounds of its free space), then the offsets of its nodes, counted from the end of the head.
 * Nothing here trusts a number it reads: each throws Error with what is damaged.
 */

export const HEAD_BYTES = 24;
export const BRANCH = 0x01;
export const LEAF = 0x02;
const OVERFLOW = 0x04;
const NODE_BYTES = 8;
const BIG_DATA = 0x01;
export const SUB_TREE = 0x02;
export const TREE_BYTES = 48;
const META_END = 168;
const FREE_TREE_AT = 48;
const MAIN_TREE_AT = 96;
const LAST_PAGE_AT = 144;
const TRANSACTION_AT = 152;
/** An empty tree has all ones for its root. */
const NO_PAGE = 2 ** 64 - 1;

export type Tree = {
  /** How its keys and values are to be read. */
  readonly flags: number;
  readonly depth: number;
  readonly entries: number;
  readonly root: number | null;
};

/** Of the tree of free pages, whose keys are integers. Those of ours have none. */
export const INTEGER_KEYS = 0x08;

export type Meta = {
  readonly pageBytes: number;
  readonly lastPage: number;
  readonly transaction: number;
  readonly free: Tree;
  readonly main: Tree;
};

/** The head that the driver will choose. Throws Error where the two cannot both be whole. */
export function newestMeta(fd: number): Meta {
  let [first, second] = readMetas(fd);
  // Every transaction writes one of the two in turn: heads further apart have lost one, and with it the last records.
  while (!inTurn(first, second)) {
    const [again, other] = readMetas(fd);
    // Read between the writes of another process, they may be apart; nobody writes when they stay as they are.
    if (again.transaction === first.transaction && other.transaction === second.transaction)
      throw new Error('its two heads do not follow one another');
    [first, second] = [again, other];
  }
  return second.transaction > first.transaction ? second : first;
}

function inTurn(first: Meta, second: Meta): boolean {
  if (first.transaction === 0 && second.transaction === 0) return true;
  return first.transaction % 2 === 0 && Math.abs(first.transaction - second.transaction) === 1;
}

function readMetas(fd: number): readonly [Meta, Meta] {
  const first = readMeta(fd, 0);
  return [first, readMeta(fd, first.pageBytes)];
}

function readMeta(fd: number, at: number): Meta {
  const head = Buffer.alloc(META_END);
  if (readSync(fd, head, 0, META_END, at) !== META_END) throw new Error('it is too short');
  return {
    pageBytes: head.readUInt32LE(FREE_TREE_AT),
    lastPage: readNumber(head, LAST_PAGE_AT),
    transaction: readNumber(head, TRANSACTION_AT),
    free: readTree(head, FREE_TREE_AT),
    main: readTree(head, MAIN_TREE_AT),
  };
}

export function readTree(bytes: Buffer, at: number): Tree {
  const root = readNumber(bytes, at + 40);
  return {
    flags: bytes.readUInt16LE(at + 4),
    depth: bytes.readUInt16LE(at + 6),
    entries: readNumber(bytes, at + 32),
    root: root >= NO_PAGE ? null : root,
  };
}

export function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

/** Of the newest transaction that a page may be from: the driver dies of one from the future when it writes over it. */
export type PageReader = { readonly fd: number; readonly transaction: number };

const PAGE_TRANSACTION_AT = 8;

/** Whole, the page it says it is, and not from the future. */
export function readPage({ fd, transaction }: PageReader, page: number, into: Buffer): void {
  if (readSync(fd, into, 0, into.length, page * into.length) !== into.length)
    throw new Error(`page ${page} is cut off`);
  if (readNumber(into, 0) !== page) throw new Error(`page ${page} says it is another`);
  if (readNumber(into, PAGE_TRANSACTION_AT) > transaction)
    throw new Error(`page ${page} is from a transaction that has not been`);
}

/** How many nodes a branch or leaf has. */
export function nodeCount(bytes: Buffer, page: number, kind: typeof BRANCH | typeof LEAF): number {
  if (bytes.readUInt16LE(18) !== kind) throw new Error(`page ${page} is of another kind`);
  const lower = bytes.readUInt16LE(20);
  const upper = bytes.readUInt16LE(22);
  if (lower === 0 || lower % 2 !== 0 || lower > upper || upper > bytes.length - HEAD_BYTES)
    throw new Error(`page ${page} has wrong bounds`);
  return lower / 2;
}

export type Node = {
  readonly flags: number;
  readonly key: Buffer;
  /** Where the value begins in the page, or the number of its first page. */
  readonly valueAt: number;
  readonly valueBytes: number;
  /** Of a branch. */
  readonly child: number;
};

/** A view of the page: good until the page is read over. */
export function readNode(bytes: Buffer, page: number, index: number): Node {
  const offset = bytes.readUInt16LE(HEAD_BYTES + index * 2);
  const at = HEAD_BYTES + offset;
  if (offset < bytes.readUInt16LE(22) || at + NODE_BYTES > bytes.length) throw nodeFault(page, index);
  const keyBytes = bytes.readUInt16LE(at + 6);
  const valueAt = at + NODE_BYTES + keyBytes;
  if (valueAt > bytes.length) throw nodeFault(page, index);
  const low = bytes.readUInt32LE(at);
  const flags = bytes.readUInt16LE(at + 4);
  return {
    flags,
    key: bytes.subarray(at + NODE_BYTES, valueAt),
    valueAt,
    valueBytes: low,
    child: low + flags * 2 ** 32,
  };
}

function nodeFault(page: number, index: number): Error {
  return new Error(`page ${page} has a damaged entry ${index}`);
}

export type Value = {
  /** All of it, or its beginning. */
  readonly bytes: Buffer;
  readonly pages: { readonly first: number; readonly count: number } | null;
};

/** The value of a leaf's node. `into` takes the first of the pages of one that has its own. */
export function readValue(reader: PageReader, bytes: Buffer, page: number, node: Node, into: Buffer): Value {
  const { flags, valueAt, valueBytes } = node;
  if ((flags & ~(BIG_DATA | SUB_TREE)) !== 0) throw new Error(`page ${page} has an entry of a strange kind`);
  if ((flags & BIG_DATA) === 0) {
    if (valueAt + valueBytes > bytes.length) throw new Error(`page ${page} has an entry that is too long`);
    return { bytes: bytes.subarray(valueAt, valueAt + valueBytes), pages: null };
  }
  if (valueAt + 8 > bytes.length) throw new Error(`page ${page} has an entry without its pages`);
  const first = readNumber(bytes, valueAt);
  const count = Math.ceil((HEAD_BYTES + valueBytes) / bytes.length);
  readPage(reader, first, into);
  if (into.readUInt16LE(18) !== OVERFLOW || into.readUInt32LE(20) !== count)
    throw new Error(`page ${first} does not hold the value it should`);
  return {
    bytes: into.subarray(HEAD_BYTES, Math.min(into.length, HEAD_BYTES + valueBytes)),
    pages: { first, count },
  };
}
