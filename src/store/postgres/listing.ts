import type { ListFilter, ListPage } from '../contract.ts';
import { type Ask, readCount, readView } from './reply.ts';

/**
 * Rows looked at for one page; a page that ends early has a cursor to go on with. Where nothing is cached each row is a
 * read of its own, and all of them must fit the deadline of a statement.
 */
const ROWS_MAX = 1000;
const RECORD_KEY = /^[\w-]{1,128}$/;

/** A page of records in the order of their keys. One that is made meanwhile may be missing; none comes twice. */
export async function listRecords(
  run: Ask,
  cursor: string | null,
  { state, limit }: ListFilter,
): Promise<ListPage> {
  // A cursor may be typed text: what no page gave ends the listing.
  if (cursor !== null && !RECORD_KEY.test(cursor)) return { records: [], cursor: null };
  const rows = await run('list', [cursor ?? '', state, limit, ROWS_MAX]);
  const records = rows.filter((row) => row[2] !== null).map((row) => readView([...row.slice(2), null]));
  const [lastKey, rowsSeen] = rows[0] ?? [null, 0];
  const whole = records.length < limit && readCount(rowsSeen) < ROWS_MAX;
  const last = records.length < limit ? lastKey : records.at(-1)?.recordKey;
  return { records, cursor: whole || typeof last !== 'string' ? null : last };
}
