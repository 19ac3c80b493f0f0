/**
 * Entries in the order in which they came, to be read a page at a time from any place. Nothing here looks at more
 * than it is asked for; the places of what has gone are given back when they are the most of them.
 */
export type Arrivals<Entry> = {
  /** The number of the entry: higher than any before, never given twice. */
  add(entry: Entry): number;
  remove(arrival: number): void;
  /** What came after this number, oldest first; places that are empty by now count among `placesMax`. */
  after(arrival: number, placesMax: number): ArrivalsPage<Entry>;
};

export type ArrivalsPage<Entry> = {
  readonly entries: readonly (readonly [arrival: number, entry: Entry])[];
  /** The number to go on after; null when nothing came later. */
  readonly next: number | null;
};

/** Below it, empty places are not worth the copy. */
const PLACES_MIN = 1024;

export function createArrivals<Entry>(): Arrivals<Entry> {
  let numbers: number[] = [];
  let entries: (Entry | null)[] = [];
  let empty = 0;
  let last = 0;

  /** The first place whose number is above this one. */
  function placeAfter(arrival: number): number {
    let low = 0;
    let high = numbers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((numbers[middle] ?? 0) > arrival) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  function close(): void {
    numbers = numbers.filter((_, at) => entries[at] !== null);
    entries = entries.filter((entry) => entry !== null);
    empty = 0;
  }

  return {
    add(entry) {
      last += 1;
      numbers.push(last);
      entries.push(entry);
      return last;
    },
    remove(arrival) {
      const at = placeAfter(arrival) - 1;
      if (numbers[at] !== arrival || entries[at] === null) return;
      entries[at] = null;
      empty += 1;
      if (numbers.length >= PLACES_MIN && empty * 2 > numbers.length) close();
    },
    after(arrival, placesMax) {
      const from = placeAfter(arrival);
      const end = Math.min(numbers.length, from + placesMax);
      const page: (readonly [number, Entry])[] = [];
      for (let at = from; at < end; at += 1) {
        const entry = entries[at];
        if (entry !== undefined && entry !== null) page.push([numbers[at] ?? last, entry]);
      }
      return { entries: page, next: end < numbers.length ? (numbers[end - 1] ?? null) : null };
    },
  };
}
