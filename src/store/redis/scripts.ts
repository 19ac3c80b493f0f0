import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Each `lua/<name>.lua` says in its header what it does, what it takes and what it returns. */
export const SCRIPT_NAMES = [
  'claim',
  'dispatch',
  'renew',
  'complete',
  'release',
  'release-owner',
  'park',
  'resolve',
  'reseal',
  'inspect',
  'forget',
  'cell-read',
  'cell-write',
  'secret-id',
] as const;
export type ScriptName = (typeof SCRIPT_NAMES)[number];

export type Script = {
  readonly name: ScriptName;
  readonly text: string;
  /** SHA-1 in hexadecimal: the name under which Redis keeps the script. */
  readonly sha1: string;
};

export const LUA_FOLDER = join(import.meta.dirname, 'lua');

export function loadScript(name: ScriptName): Script {
  const text = readFileSync(join(LUA_FOLDER, `${name}.lua`), 'utf8');
  return { name, text, sha1: createHash('sha1').update(text).digest('hex') };
}
