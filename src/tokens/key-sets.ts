import { type ContentWatch, watchContent } from '../config/watch-content.ts';
import { type KeySet, type KeySetRead, readKeySet } from './jwks.ts';

/** The key sets in use, by their files: read once, and again whenever the content changes. */

export type KeySets = {
  /** Reads what is new and lets go of what is not named any more. Faults are told by `onRead`. */
  use(files: readonly string[]): Promise<readonly KeySetRead[]>;
  /** Null: the file has never been read without a fault. Waits for the first look at it. */
  of(file: string): Promise<KeySet | null>;
  /** The one in force now, without a wait. */
  now(file: string): KeySet | null;
  checkNow(): void;
  stop(): void;
};

type Entry = {
  keys: KeySet | null;
  readonly first: Promise<KeySetRead>;
  watch: ContentWatch | null;
};

export function createKeySets(options: {
  readonly intervalMs: number;
  readonly onRead: (read: KeySetRead, file: string) => void;
}): KeySets {
  const entries = new Map<string, Entry>();

  const adopt = (file: string, entry: Entry, read: KeySetRead): void => {
    // A bad file leaves what was there in force.
    if (read.kind === 'keys') entry.keys = read.keys;
    options.onRead(read, file);
  };

  const openFile = (file: string): Entry => {
    const first = readKeySet(file);
    const entry: Entry = { keys: null, first, watch: null };
    entries.set(file, entry);
    void first.then((read) => {
      if (entries.get(file) !== entry) return;
      adopt(file, entry, read);
      entry.watch = watchContent<KeySetRead>({
        read: () => readKeySet(file),
        digest: ({ digest }) => digest,
        intervalMs: options.intervalMs,
        onChange: (changed) => adopt(file, entry, changed),
        known: read.digest,
      });
    });
    return entry;
  };

  const close = (file: string): void => {
    entries.get(file)?.watch?.stop();
    entries.delete(file);
  };

  return {
    async use(files) {
      for (const file of [...entries.keys()]) if (!files.includes(file)) close(file);
      return await Promise.all(files.map((file) => (entries.get(file) ?? openFile(file)).first));
    },
    async of(file) {
      const entry = entries.get(file);
      await entry?.first;
      return entry?.keys ?? null;
    },
    now: (file) => entries.get(file)?.keys ?? null,
    checkNow() {
      for (const { watch } of entries.values()) watch?.checkNow();
    },
    stop() {
      for (const file of [...entries.keys()]) close(file);
    },
  };
}
