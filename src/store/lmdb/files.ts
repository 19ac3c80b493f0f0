import { type FileHandle, open } from 'node:fs/promises';

/** LMDB's own names in the directory of an environment. */
export const DATA_FILE = 'data.mdb';
export const LOCK_FILE = 'lock.mdb';

/** The name of a new file must be as durable as its bytes. */
export async function syncDirectory(path: string): Promise<void> {
  const handle: FileHandle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
