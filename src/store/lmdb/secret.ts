import { randomBytes } from 'node:crypto';
import { access, link, mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DATA_FILE, syncDirectory } from './files.ts';

export const SECRET_FILE = 'hmac-secret';
/** The public id of the configured secret under which records are made; absent while they have the store's own. */
export const SECRET_ID_FILE = 'hmac-secret-id';
const SECRET_BYTES = 32;

/**
 * The HMAC secret of the environment in directory `path`: 32 bytes in a file beside the data, mode 0600, made by the
 * first process that comes. It belongs to the records: without it no key finds its record again.
 * Call it before the environment is opened: data without a secret is refused. Throws Error with what to do.
 */
export async function loadOrCreateSecret(path: string): Promise<Uint8Array> {
  const file = join(path, SECRET_FILE);
  if ((await readId(path)) !== null) {
    if (await hasData(path))
      throw new Error(
        `the records in ${path} are made with a secret of the configuration: without it every repeat would be executed again. Configure it (secrets), or remove the directory to start empty`,
      );
    await unlink(join(path, SECRET_ID_FILE)).catch(() => undefined);
  }
  const found = await read(file);
  if (found !== null) return found;
  await refuseOrphanedData(path, file);
  const temporary = join(path, `${SECRET_FILE}.${randomBytes(8).toString('hex')}`);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await write(temporary, randomBytes(SECRET_BYTES));
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

/**
 * The secrets for configured ones, current first, whose ids are `ids`. The store's own stands behind them where it has
 * one: what was made with it is still found. Call it before the environment is opened. Throws Error where the records
 * are of a secret that is not among them.
 */
export async function adoptSecrets(
  path: string,
  configured: readonly Uint8Array[],
  ids: readonly string[],
): Promise<readonly Uint8Array[]> {
  const before = await readId(path);
  if (before !== null && !ids.includes(before) && (await hasData(path)))
    throw new Error(
      `the records in ${path} are made with another secret: under this one every repeat would be executed again. Configure that one too (secrets: [new, old]), or remove the directory to start empty`,
    );
  const [current = ''] = ids;
  if (before !== current) await writeId(path, current);
  const own = await read(join(path, SECRET_FILE));
  return own === null ? configured : [...configured, own];
}

async function readId(path: string): Promise<string | null> {
  try {
    return (await readFile(join(path, SECRET_ID_FILE), 'utf8')).trim();
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw new Error(`cannot read ${join(path, SECRET_ID_FILE)}: ${messageOf(error)}`, { cause: error });
  }
}

/** Before any record is made with it. Replaced as a whole: several processes may start at once. */
async function writeId(path: string, id: string): Promise<void> {
  const temporary = join(path, `${SECRET_ID_FILE}.${randomBytes(8).toString('hex')}`);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await write(temporary, `${id}\n`);
    await rename(temporary, join(path, SECRET_ID_FILE));
    await syncDirectory(path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw new Error(
      `cannot write ${join(path, SECRET_ID_FILE)}: ${messageOf(error)}; make the directory, and the volume it is on, writable`,
      { cause: error },
    );
  }
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
  if (!(await hasData(path)) || (await read(file)) !== null) return;
  throw new Error(
    `${join(path, DATA_FILE)} exists, the secret of its records ${file} does not; restore it, configure it, or remove the directory to start empty`,
  );
}

function hasData(path: string): Promise<boolean> {
  return access(join(path, DATA_FILE)).then(
    () => true,
    () => false,
  );
}

async function write(file: string, content: string | Uint8Array): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(content);
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
