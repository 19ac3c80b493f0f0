import { configFromFlags } from '../config/from-flags.ts';
import { type Loaded, loadConfigFile } from '../config/load.ts';
import type { Io } from './io.ts';

/** The options by which a command is told its configuration: a file, or what stands in for one. */
export const CONFIG_OPTIONS = {
  config: { type: 'string' },
  upstream: { type: 'string' },
  listen: { type: 'string' },
  admin: { type: 'string' },
  store: { type: 'string' },
  workers: { type: 'string' },
} as const;

export type ConfigFlags = {
  readonly config?: string | undefined;
  readonly upstream?: string | undefined;
  readonly listen?: string | undefined;
  readonly admin?: string | undefined;
  readonly store?: string | undefined;
  readonly workers?: string | undefined;
};

/** Where nothing is contacted, a backend need not be named. */
const PLACEHOLDER_UPSTREAM = 'http://127.0.0.1:3000';

/** The word for a pair of options that contradict each other, or null. */
export function flagConflict(flags: ConfigFlags): string | null {
  if (flags.config === undefined) return null;
  for (const name of ['upstream', 'listen', 'admin', 'store', 'workers'] as const) {
    if (flags[name] !== undefined) return `--config and --${name} exclude each other: the file says it all`;
  }
  return null;
}

/** The file, or the defaults of a run without one. */
export async function loadFrom(flags: ConfigFlags, io: Io): Promise<Loaded> {
  if (flags.config !== undefined) return await loadConfigFile(flags.config, io.env);
  return configFromFlags({
    upstream: flags.upstream ?? PLACEHOLDER_UPSTREAM,
    env: io.env,
    ...(flags.listen === undefined ? {} : { listen: flags.listen }),
    ...(flags.admin === undefined ? {} : { admin: flags.admin }),
    ...(flags.store === undefined ? {} : { store: flags.store }),
    ...(flags.workers === undefined ? {} : { workers: flags.workers }),
  });
}
