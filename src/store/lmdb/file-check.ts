import { accessSync, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { DATA_FILE, LOCK_FILE } from './files.ts';

/**
 * Looks at the files before the driver does: at files that it cannot open it crashes the process instead of failing.
 * Two meta pages head the data file: page flags at 18, magic at 24, data version at 28, page size at 48.
 */

const META_BYTES = 64;
const META_FLAG = 0x08;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const PAGE_BYTES_MIN = 512;
const PAGE_BYTES_MAX = 65_536;

/** Throws Error with what is wrong. Files that do not exist yet are well. */
export function checkFiles(path: string): void {
  checkAccess(join(path, LOCK_FILE));
  const file = join(path, DATA_FILE);
  if (checkAccess(file) === 'absent') return;
  const fd = openSync(file, 'r');
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Error(`${file} is not a file`);
    // Another process may be about to write its first page.
    if (stat.size === 0) return;
    const pageBytes = checkMeta(fd, file, 0);
    if (pageBytes < PAGE_BYTES_MIN || pageBytes > PAGE_BYTES_MAX)
      throw new Error(`${file} has a damaged head`);
    checkMeta(fd, file, pageBytes);
  } finally {
    closeSync(fd);
  }
}

function checkAccess(file: string): 'absent' | 'present' {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return 'present';
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'absent';
    throw error;
  }
}

/** Returns the page size that the meta page names. */
function checkMeta(fd: number, file: string, at: number): number {
  const meta = Buffer.alloc(META_BYTES);
  if (readSync(fd, meta, 0, META_BYTES, at) !== META_BYTES)
    throw new Error(`${file} is too short to be a store`);
  if ((meta.readUInt16LE(18) & META_FLAG) === 0 || meta.readUInt32LE(24) !== MAGIC)
    throw new Error(`${file} is not a store`);
  const version = meta.readUInt16LE(28);
  if (version !== DATA_VERSION)
    throw new Error(`${file} was written by another LMDB (data version ${version}, not ${DATA_VERSION})`);
  return meta.readUInt32LE(48);
}
