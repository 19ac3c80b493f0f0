import type { RecordKey, RecordView } from '../../core/record.ts';
import type { ListFilter, ListPage } from '../contract.ts';
import type { KeyNames } from './key-names.ts';

/** What listing asks of a connection. */
export type ListSource = {
  readonly names: KeyNames;
  scan(
    cursor: string,
    pattern: string,
    countHint: number,
  ): Promise<readonly [cursor: string, names: readonly string[]]>;
  /** Without the response. */
  inspect(recordKey: RecordKey): Promise<RecordView | null>;
};

/** Steps of SCAN for one page; a page that ends early has a cursor to go on with. */
const STEPS_MAX = 50;
const STEP_COUNT = 200;
const STEP_COUNT_MIN = 10;
/** Records read at once. */
const INSPECTED_MAX = 200;
/** After so many records read no more are asked for: each is a script, and a page must be there within the deadline. */
const LOOKED_MAX = 1000;
const END = '0';

/**
 * Where a listing goes on: SCAN's own cursor, then record keys that it gave beyond the limit of the page, since it
 * would not give them again.
 */
type Cursor = { readonly scan: string; readonly left: readonly RecordKey[] };

/** A page of records in no order; one that changes meanwhile may be missing or come twice, as with SCAN itself. */
export async function listRecords(
  source: ListSource,
  cursor: string | null,
  filter: ListFilter,
): Promise<ListPage> {
  const { scan, left } = readCursor(cursor, source.names);
  const pattern = source.names.recordPattern();
  const records: RecordView[] = [];
  const seen = new Set<RecordKey>();
  let next = scan;
  let waiting = [...left];
  let looked = 0;
  for (let step = 0; ; step += 1) {
    while (waiting.length > 0 && records.length < filter.limit) {
      const asked = waiting.slice(0, INSPECTED_MAX);
      looked += asked.length;
      const views = await Promise.all(asked.map((recordKey) => source.inspect(recordKey)));
      const fitting = views
        .filter((view) => view !== null)
        .filter(({ state }) => filter.state === null || state === filter.state);
      const beyond = fitting.splice(filter.limit - records.length);
      records.push(...fitting);
      waiting = [...beyond.map(({ recordKey }) => recordKey), ...waiting.slice(asked.length)];
    }
    const started = cursor !== null || step > 0;
    const full = records.length >= filter.limit || looked >= LOOKED_MAX;
    if (full || step >= STEPS_MAX || (started && next === END)) break;
    const [after, names] = await source.scan(next, pattern, stepCount(filter.limit - records.length));
    next = after;
    for (const name of names) {
      const recordKey = source.names.recordKeyOf(name);
      if (recordKey === null || seen.has(recordKey)) continue;
      seen.add(recordKey);
      waiting.push(recordKey);
    }
  }
  return { records, cursor: next === END && waiting.length === 0 ? null : [next, ...waiting].join(',') };
}

/** Counts records up to a bound, or null above it: a number nobody could vouch for is not given. */
export async function countRecords(source: ListSource, keysInDatabase: number): Promise<number | null> {
  if (keysInDatabase > STEPS_MAX * STEP_COUNT) return null;
  const counted = new Set<RecordKey>();
  let cursor = END;
  for (let step = 0; step < STEPS_MAX * 2; step += 1) {
    const [after, names] = await source.scan(cursor, source.names.recordPattern(), STEP_COUNT);
    for (const name of names) {
      const recordKey = source.names.recordKeyOf(name);
      if (recordKey !== null) counted.add(recordKey);
    }
    cursor = after;
    if (cursor === END) return counted.size;
  }
  return null;
}

/** Little more than the page has room for: what is beyond it must go into the cursor. */
function stepCount(room: number): number {
  return Math.min(STEP_COUNT, Math.max(STEP_COUNT_MIN, room));
}

/** A cursor may be typed text: what no page gave ends the listing. */
function readCursor(cursor: string | null, names: KeyNames): Cursor {
  const [scan = END, ...left] = (cursor ?? END).split(',');
  return {
    scan: /^\d{1,24}$/.test(scan) ? scan : END,
    left: left.filter((recordKey) => names.recordKeyOf(names.record(recordKey)) !== null),
  };
}
