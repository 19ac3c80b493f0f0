import { hash } from 'node:crypto';
import { type Loaded as Assembled, assemble } from './assemble.ts';
import type { Env } from './env.ts';
import { faultAt } from './fault.ts';
import { readBounded } from './read-bounded.ts';
import { FILE_BYTES_MAX, readYaml } from './read-yaml.ts';

export type Loaded = Assembled;

/** Never throws: what is wrong with the text, or with reading it, comes back as faults. `file` stands in messages. */
export function loadConfigText(text: string, file: string, env: Env): Loaded {
  const { root, faults } = readYaml(text, file, env);
  const contentHash = hash('sha256', text, 'base64url');
  if (root === null) return { kind: 'faults', faults, contentHash };
  return assemble({ root, name: file, env, faults, contentHash });
}

export async function loadConfigFile(path: string, env: Env): Promise<Loaded> {
  const read = await readConfigFile(path);
  if (read.kind === 'text') return loadConfigText(read.text, path, env);
  return { kind: 'faults', faults: [faultAt(path, null, null, '', read.message)], contentHash: '' };
}

export type ReadFile =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'unreadable'; readonly message: string };

/** Never more of it than a configuration may have. */
export async function readConfigFile(path: string): Promise<ReadFile> {
  try {
    const bytes = await readBounded(path, FILE_BYTES_MAX);
    if (bytes === null) return { kind: 'unreadable', message: 'the file is larger than 1 MiB' };
    return { kind: 'text', text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    return { kind: 'unreadable', message: whyUnreadable(error) };
  }
}

function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'the file may not be read by this user';
    case 'EISDIR':
      return 'is a folder, not a file';
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return 'the file is not UTF-8 text';
    default:
      return `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}
