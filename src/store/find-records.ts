import { setImmediate } from 'node:timers/promises';
import type { RecordView } from '../core/record.ts';
import type { ListFilter, ListPage, Store } from './contract.ts';

/** What one search takes; then it ends with a cursor, with what it has. */
const SEARCH_MS_MAX = 100;

/**
 * Pages of a listing until there are as many records as wanted, or the end, or the time is over. A page is bounded by
 * what a store looks at, not by what it finds: of a large store whose records are nearly all completed, most pages are
 * empty. Between two of them the event loop turns.
 */
export async function findRecords(
  store: Pick<Store, 'list'>,
  cursor: string | null,
  { state, limit }: ListFilter,
  monotonicMs: () => number,
): Promise<ListPage> {
  const untilMs = monotonicMs() + SEARCH_MS_MAX;
  const records: RecordView[] = [];
  for (let from = cursor; ; ) {
    const page = await store.list(from, { state, limit: limit - records.length });
    records.push(...page.records);
    from = page.cursor;
    if (from === null || records.length >= limit || monotonicMs() >= untilMs)
      return { records, cursor: from };
    await setImmediate();
  }
}
