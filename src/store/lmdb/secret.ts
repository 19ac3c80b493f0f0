import { randomBytes } from 'node:crypto';
import { access, type FileHandle, link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';

export const SECRET_FILE = 'hmac-secret';
/** LMDB's own name. */
const DATA_FILE = 'data.mdb';
const SECRET_BYTES = 32;

/**
 * The HMAC secret of the environment in directory `path`: 32 bytes in a file beside the data, mode 0600, made by the
 * first process that comes. It belongs to the records: without it no key finds its record again.
 * Call it before the environment is opened: data without a secret is refused. Throws Error with what to do.
 */
export async function loadOrCreateSecret(path: string): Promise<Uint8Array> {
  const file = join(path, SECRET_FILE);
  const found = await read(file);
  if (found !== null) return found;
  await refuseOrphanedData(path, file);
  const temporary = join(path, `${SECRET_FILE}.${randomBytes(8).toString('hex')}`);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await write(temporary);
    // A link never replaces: of two processes one wins, and both read what the winner wrote.
    await link(temporary, file);
    await syncDirectory(path);
  } catch (error) {
    if (!isCode(error, 'EEXIST')) {
      throw new Error(
        `cannot create the secret ${file}: ${messageOf(error)}; make the directory, and the volume it is on, writable`,
        { cause: error },
      );
    }
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
  const created = await read(file);
  if (created === null) throw new Error(`the secret ${file} vanished while it was created`);
  return created;
}

async function read(file: string): Promise<Uint8Array | null> {
  try {
    const bytes = await readFile(file);
    if (bytes.length === SECRET_BYTES) return bytes;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw new Error(`cannot read the secret ${file}: ${messageOf(error)}`, { cause: error });
  }
  // Never replaced on its own: a new secret would make every known key unknown, and execute its request again.
  throw new Error(
    `the secret ${file} must have ${SECRET_BYTES} bytes; restore it, or remove the whole directory to start empty`,
  );
}

/** Records under a secret that is gone cannot be found again: their requests would be executed a second time. */
async function refuseOrphanedData(path: string, file: string): Promise<void> {
  const data = join(path, DATA_FILE);
  const exists = await access(data).then(
    () => 'exists',
    () => 'absent',
  );
  if (exists === 'absent' || (await read(file)) !== null) return;
  throw new Error(
    `${data} exists, the secret of its records ${file} does not; restore it, configure it, or remove the directory to start empty`,
  );
}

async function write(file: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.write(randomBytes(SECRET_BYTES));
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The name must be as durable as the bytes. */
async function syncDirectory(path: string): Promise<void> {
  const handle: FileHandle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
