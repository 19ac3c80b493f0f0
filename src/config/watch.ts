import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Env } from './env.ts';
import { faultAt } from './fault.ts';
import { type Loaded, loadConfigText, type ReadFile, readConfigFile } from './load.ts';
import type { ResolvedConfig } from './resolved.ts';

export type WatchOptions = {
  readonly file: string;
  readonly env: Env;
  readonly intervalMs: number;
  /** Gets every changed content, faulty or not; the caller keeps what it has when it is faulty. */
  readonly onChange: (loaded: Loaded) => void;
  /** Of the content the caller runs on; without it, what the first look finds counts as that. */
  readonly contentHash?: string;
};

export type ConfigWatch = {
  /** Loads now and reports, changed or not. */
  checkNow(): void;
  stop(): void;
};

/** How long a changed file must stay as it is: an editor may be half-way through writing it. */
const SETTLE_MS = 100;

/**
 * Looks at the content, not at events or inodes: Kubernetes swaps a symbolic link above the file, editors rename a new
 * file over it, and neither is told to a watch on the old one. The timers keep no process alive.
 */
export function watchConfig(options: WatchOptions): ConfigWatch {
  const watch = new Watch(options);
  watch.start();
  return watch;
}

class Watch implements ConfigWatch {
  readonly #options: WatchOptions;
  /** What was last reported or taken for known. */
  #known: string | null;
  #pending: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #state: 'running' | 'stopped' = 'running';
  /** Asked for while a look was under way: that one may have read the old content. */
  #asked: 'no' | 'yes' = 'no';
  #looking: 'no' | 'yes' = 'no';

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#known = options.contentHash ?? null;
  }

  start(): void {
    void this.#look();
  }

  checkNow(): void {
    this.#asked = 'yes';
    if (this.#looking === 'no') void this.#look();
  }

  stop(): void {
    this.#state = 'stopped';
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Never rejects: a file that cannot be read is a result. */
  async #look(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#looking = 'yes';
    const asked = this.#asked;
    this.#asked = 'no';
    const read = await readConfigFile(this.#options.file);
    this.#looking = 'no';
    if (this.#state === 'stopped') return;
    const waitMs = this.#judge(read, asked);
    if (this.#isAsked()) void this.#look();
    else this.#timer = setTimeout(() => void this.#look(), waitMs).unref();
  }

  /** A call, since the compiler does not see that checkNow ran in between. */
  #isAsked(): boolean {
    return this.#asked === 'yes';
  }

  /** Returns the time until the next look, in milliseconds. */
  #judge(read: ReadFile, asked: 'no' | 'yes'): number {
    const { intervalMs } = this.#options;
    const seen =
      read.kind === 'text' ? hash('sha256', read.text, 'base64url') : `unreadable: ${read.message}`;
    if (asked === 'no') {
      this.#known ??= seen;
      if (seen === this.#known) {
        this.#pending = null;
        return intervalMs;
      }
      if (seen !== this.#pending) {
        this.#pending = seen;
        return Math.min(SETTLE_MS, intervalMs);
      }
    }
    this.#known = seen;
    this.#pending = null;
    this.#options.onChange(loadedOf(read, this.#options));
    return intervalMs;
  }
}

function loadedOf(read: ReadFile, { file, env }: WatchOptions): Loaded {
  if (read.kind === 'text') return loadConfigText(read.text, file, env);
  return { kind: 'faults', faults: [faultAt(file, null, null, '', read.message)], contentHash: '' };
}

/** What is fixed when the process starts; all else, routes before all, is taken over by a reload. */
const FIXED: Readonly<Record<string, (config: ResolvedConfig) => unknown>> = {
  listen: (config) => config.listen,
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
