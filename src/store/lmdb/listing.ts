import type { RecordView } from '../../core/record.ts';
import { type StoreTime, viewOf } from '../../core/standing.ts';
import type { ListFilter, ListPage } from '../contract.ts';
import { StoreUnavailable } from '../contract.ts';
import { decodeRecord } from '../record-codec.ts';
import type { Environment } from './environment.ts';

/**
 * What one page looks at, whatever it finds: the reads hold up everything else in the process, for a few
 * milliseconds. Bytes too, since a record is read with its response.
 */
const LOOKED_AT_MAX = 500;
const LOOKED_AT_BYTES_MAX = 4 * 1024 * 1024;
/** A cursor may be typed text, and the driver throws at what is longer than any key. */
const CURSOR_CHARS_MAX = 255;

/** A page of records in the order of their keys. What cannot be read is left out: it must not hide the others. */
export function listRecords(
  environment: Environment,
  cursor: string | null,
  filter: ListFilter,
  time: StoreTime,
): ListPage {
  const records: RecordView[] = [];
  let last = cursor;
  let looked = 0;
  let lookedBytes = 0;
  if (cursor !== null && cursor.length > CURSOR_CHARS_MAX) return { records, cursor: null };
  const from = cursor === null ? {} : { start: cursor, exclusiveStart: true };
  for (const { key, value } of environment.records.getRange(from)) {
    if (records.length >= filter.limit || looked >= LOOKED_AT_MAX || lookedBytes >= LOOKED_AT_BYTES_MAX)
      return { records, cursor: last };
    looked += 1;
    lookedBytes += value.byteLength;
    last = key;
    const view = readView(key, value, time);
    if (view !== null && (filter.state === null || view.state === filter.state)) records.push(view);
  }
  return { records, cursor: null };
}

function readView(key: string, value: Buffer, time: StoreTime): RecordView | null {
  try {
    return viewOf(key, decodeRecord(value).head, null, time);
  } catch (error) {
    if (error instanceof StoreUnavailable) return null;
    throw error;
  }
}
