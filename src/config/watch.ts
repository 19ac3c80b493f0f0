import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Env } from './env.ts';
import { faultAt } from './fault.ts';
import { type Loaded, loadConfigText, type ReadFile, readConfigFile } from './load.ts';
import type { ResolvedConfig } from './resolved.ts';
import { type ContentWatch, watchContent } from './watch-content.ts';

export type WatchOptions = {
  readonly file: string;
  readonly env: Env;
  readonly intervalMs: number;
  /** Gets every changed content, faulty or not; the caller keeps what it has when it is faulty. */
  readonly onChange: (loaded: Loaded) => void;
  /** Of the content the caller runs on; without it, what the first look finds counts as that. */
  readonly contentHash?: string;
};

/** Every change of the content, as it was read and understood. */
export function watchConfig(options: WatchOptions): ContentWatch {
  return watchContent<ReadFile>({
    read: () => readConfigFile(options.file),
    digest: (read) =>
      read.kind === 'text' ? hash('sha256', read.text, 'base64url') : `unreadable: ${read.message}`,
    intervalMs: options.intervalMs,
    onChange: (read) => options.onChange(loadedOf(read, options)),
    known: options.contentHash ?? null,
  });
}

function loadedOf(read: ReadFile, { file, env }: WatchOptions): Loaded {
  if (read.kind === 'text') return loadConfigText(read.text, file, env);
  return { kind: 'faults', faults: [faultAt(file, null, null, '', read.message)], contentHash: '' };
}

/** What is fixed when the process starts; all else, routes before all, is taken over by a reload. */
const FIXED: Readonly<Record<string, (config: ResolvedConfig) => unknown>> = {
  listen: (config) => config.listen,
  tls: (config) => config.tls,
  http2: (config) => config.http2,
  observe: (config) => config.observe,
  admin: (config) => config.admin,
  workers: (config) => config.workers,
  upstream: ({ upstream }) => upstream,
  store: ({ store, storePolicy }) => [store, storePolicy],
  secrets: (config) => config.secrets,
  limits: (config) => config.limits,
  log: (config) => config.log,
};

/** The sections that differ and take effect only at the next start. */
export function restartNeeded(before: ResolvedConfig, after: ResolvedConfig): readonly string[] {
  return Object.entries(FIXED)
    .filter(([, part]) => !isDeepStrictEqual(part(before), part(after)))
    .map(([name]) => name);
}
