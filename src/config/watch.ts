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

/**
 * What is fixed when the process starts, by the section of the file; all else, routes before all, is taken over by a
 * reload.
 */
const FIXED = {
  listen: ['listen'],
  tls: ['tls'],
  http2: ['http2'],
  observe: ['observe'],
  admin: ['admin'],
  workers: ['workers'],
  upstream: ['upstream'],
  store: ['store', 'storePolicy'],
  secrets: ['secrets'],
  limits: ['limits'],
  log: ['log'],
} as const satisfies Readonly<Record<string, readonly (keyof ResolvedConfig)[]>>;

/** What was loaded, with what waits for the next start (docs/configuration.md) as it is in force. */
export function keptOver(before: ResolvedConfig, loaded: ResolvedConfig): ResolvedConfig {
  const kept = Object.values(FIXED).flatMap((parts) => parts.map((part) => [part, before[part]] as const));
  return { ...loaded, ...Object.fromEntries(kept) };
}

/** The sections that differ and take effect only at the next start. */
export function restartNeeded(before: ResolvedConfig, after: ResolvedConfig): readonly string[] {
  return Object.entries(FIXED)
    .filter(([, parts]) => parts.some((part) => !isDeepStrictEqual(before[part], after[part])))
    .map(([name]) => name);
}
