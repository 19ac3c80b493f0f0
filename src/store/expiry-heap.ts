/** What expires, soonest first. An entry knows its place, so that a change of its time moves it in O(log n). */
export type Expiring = { expiresAtMs: number; heapAt: number };

export type ExpiryHeap<Entry extends Expiring> = {
  soonest(): Entry | undefined;
  /** Adds an entry, or moves it after its expiresAtMs changed. */
  put(entry: Entry): void;
  remove(entry: Entry): void;
};

/** `heapAt` of an entry that is in no heap. */
export const NOT_IN_HEAP = -1;

export function createExpiryHeap<Entry extends Expiring>(): ExpiryHeap<Entry> {
  const entries: Entry[] = [];

  function place(entry: Entry, at: number): void {
    entries[at] = entry;
    entry.heapAt = at;
  }

  function up(entry: Entry, from: number): number {
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = entries[above];
      if (parent === undefined || parent.expiresAtMs <= entry.expiresAtMs) break;
      place(parent, at);
      at = above;
    }
    place(entry, at);
    return at;
  }

  function down(entry: Entry, from: number): void {
    let at = from;
    for (;;) {
      const left = entries[2 * at + 1];
      const right = entries[2 * at + 2];
      const sooner =
        right !== undefined && left !== undefined && right.expiresAtMs < left.expiresAtMs ? right : left;
      if (sooner === undefined || sooner.expiresAtMs >= entry.expiresAtMs) break;
      const below = sooner.heapAt;
      place(sooner, at);
      at = below;
    }
    place(entry, at);
  }

  return {
    soonest: () => entries[0],
    put(entry) {
      const from = entry.heapAt === NOT_IN_HEAP ? entries.length : entry.heapAt;
      const at = up(entry, from);
      if (at === from) down(entry, at);
    },
    remove(entry) {
      const at = entry.heapAt;
      if (at === NOT_IN_HEAP) return;
      entry.heapAt = NOT_IN_HEAP;
      const last = entries.pop();
      if (last === undefined || last === entry) return;
      if (up(last, at) === at) down(last, at);
    },
  };
}
