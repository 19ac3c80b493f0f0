import { readFile, stat } from 'node:fs/promises';
import { readPlainYaml } from '../../config/read-plain-yaml.ts';
import type { Io } from '../io.ts';
import { readApi } from './openapi-document.ts';
import { proposeRoutes } from './openapi-routes.ts';
import { proposalYaml } from './openapi-yaml.ts';

/** Proposes the routes that an OpenAPI document asks for; nothing is sent. */

const FILE_BYTES_MAX = 32 * 1024 * 1024;
/** Of a configuration file. */
const ROUTES_MAX = 1_000;
const UPSTREAM = 'http://127.0.0.1:3000';

export async function auditOpenapi(file: string, upstream: string | undefined, io: Io): Promise<number> {
  const { size } = await stat(file);
  if (size > FILE_BYTES_MAX) throw new Error(`${file} is larger than ${FILE_BYTES_MAX / 1024 / 1024} MiB`);
  const yaml = proposedConfig(await readFile(file, 'utf8'), file, upstream ?? UPSTREAM);
  if (yaml.kind === 'fault') throw new Error(`${file}: ${yaml.message}`);
  io.out(yaml.text);
  return 0;
}

export function proposedConfig(
  text: string,
  file: string,
  upstream: string,
): { readonly kind: 'yaml'; readonly text: string } | { readonly kind: 'fault'; readonly message: string } {
  const read = readPlainYaml(text);
  if (read.kind === 'fault') return read;
  const api = readApi(read.value);
  if (typeof api === 'string') return { kind: 'fault', message: api };
  const proposal = proposeRoutes(api);
  if (proposal.routes.length > ROUTES_MAX)
    return {
      kind: 'fault',
      message: `it asks for ${proposal.routes.length} routes, and ${ROUTES_MAX} are the most in one file; split it`,
    };
  const { version, title } = api;
  return { kind: 'yaml', text: proposalYaml({ file, version, title, upstream, proposal }) };
}
