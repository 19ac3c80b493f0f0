import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedisServer } from './redis-server.ts';

/** A store whose files a test can search. */
export type Place = {
  readonly store: string;
  /** Everything that the store has in its files by now. */
  files(): Buffer;
  remove(): Promise<void>;
};

export async function lmdbPlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'onceward-sealed-'));
  return {
    store: `{ url: "lmdb:${folder}/data" }`,
    files: () => contentBelow(folder),
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

export async function redisPlace(): Promise<Place> {
  const server = await startRedisServer();
  const folder = String(((await server.command('CONFIG', 'GET', 'dir')) as readonly string[])[1]);
  return {
    store: `{ url: "${server.url}" }`,
    files: () => contentBelow(folder),
    remove: () => server.remove(),
  };
}

function contentBelow(folder: string): Buffer {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  return Buffer.concat(files.map((file) => readFileSync(join(file.parentPath, file.name))));
}
