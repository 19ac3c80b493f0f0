/** A look at content again and again, whatever it is read from: the configuration, certificates, key sets. */

export type ContentWatchOptions<Read> = {
  /** Never rejects: what cannot be read is a result. */
  readonly read: () => Promise<Read>;
  /** The same text for the same content. */
  readonly digest: (read: Read) => string;
  readonly intervalMs: number;
  /** Gets every changed content, faulty or not; the caller keeps what it has when it is faulty. */
  readonly onChange: (read: Read) => void;
  /** Digest of the content the caller runs on; null: what the first look finds counts as that. */
  readonly known: string | null;
};

export type ContentWatch = {
  /** Looks now and reports, changed or not. */
  checkNow(): void;
  stop(): void;
};

/** How often files are looked at. */
export const WATCH_MS = 5_000;
/** How long a changed content must stay as it is: an editor may be half-way through writing it. */
const SETTLE_MS = 100;

/**
 * Looks at the content, not at events or inodes: Kubernetes swaps a symbolic link above the file, editors rename a new
 * file over it, and neither is told to a watch on the old one. The timers keep no process alive.
 */
export function watchContent<Read>(options: ContentWatchOptions<Read>): ContentWatch {
  const watch = new Watch(options);
  watch.start();
  return watch;
}

class Watch<Read> implements ContentWatch {
  readonly #options: ContentWatchOptions<Read>;
  /** What was last reported or taken for known. */
  #known: string | null;
  #pending: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #state: 'running' | 'stopped' = 'running';
  /** Asked for while a look was under way: that one may have read the old content. */
  #asked: 'no' | 'yes' = 'no';
  #looking: 'no' | 'yes' = 'no';

  constructor(options: ContentWatchOptions<Read>) {
    this.#options = options;
    this.#known = options.known;
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

  async #look(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#looking = 'yes';
    const asked = this.#asked;
    this.#asked = 'no';
    const read = await this.#options.read();
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
  #judge(read: Read, asked: 'no' | 'yes'): number {
    const { intervalMs } = this.#options;
    const seen = this.#options.digest(read);
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
    this.#options.onChange(read);
    return intervalMs;
  }
}
