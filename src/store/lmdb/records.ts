import type { RecordKey, StoredResponse } from '../../core/record.ts';
import type { RecordHead, StoreTime } from '../../core/standing.ts';
import { StoreUnavailable } from '../contract.ts';
import { type DecodedRecord, decodeRecord, decodeRecordResponse, encodeRecord } from '../record-codec.ts';
import { type Environment, treeBytes } from './environment.ts';

/** A record as it stands, with the bytes it was read from. */
export type ReadRecord = DecodedRecord & {
  /** A view of the driver's buffer: good until the next read. */
  readonly bytes: Buffer;
};

const NOTHING = Buffer.from([0]);
/** Behind every record key: they are ASCII. */
const LAST_KEY = '\u00ff';
/** How many grants may pass between two looks at the size of the trees. */
const GRANTS_PER_MEASURE = 32;
const SWEPT_BEFORE_FULL_MAX = 64;
/** When the sweep looks again at a record that cannot be read. */
const DAMAGED_AGAIN_MS = 3_600_000;

/** The records and their index. All but `readNewest` and `bytes` belongs inside a transaction. */
export class LmdbRecords {
  readonly #environment: Environment;
  readonly #bytesMax: number;
  #grantsUntilMeasure = 0;

  constructor(environment: Environment, bytesMax: number) {
    this.#environment = environment;
    this.#bytesMax = bytesMax;
  }

  /** Throws StoreUnavailable `corrupt`: what does not verify is neither served nor absent. */
  read(recordKey: RecordKey): ReadRecord | null {
    const shared = this.#environment.records.getBinaryFast(recordKey);
    if (shared === undefined) return null;
    // Its byteLength is the driver's buffer, only `length` is the value's.
    const bytes = Buffer.from(shared.buffer, shared.byteOffset, shared.length);
    return { ...decodeRecord(bytes), bytes };
  }

  /**
   * Outside a transaction: the newest version there is. The driver keeps its view of the files for a millisecond or
   * more, and another process may have had its write acknowledged since.
   */
  readNewest(recordKey: RecordKey): ReadRecord | null {
    this.#environment.records.resetReadTxn();
    return this.read(recordKey);
  }

  readable(recordKey: RecordKey): 'readable' | 'damaged' {
    try {
      this.read(recordKey);
      return 'readable';
    } catch {
      return 'damaged';
    }
  }

  /** Its entry in the index, of which it can no longer tell, is left to the sweep. */
  removeDamaged(recordKey: RecordKey): void {
    void this.#environment.records.remove(recordKey);
  }

  /** `before`: the record as it stands, with its place in the index. */
  put(
    recordKey: RecordKey,
    before: DecodedRecord | null,
    head: RecordHead,
    response: Uint8Array | null,
    indexedAtMs: number,
  ): void {
    const { records, expiries } = this.#environment;
    const value = encodeRecord(head, indexedAtMs, response);
    if (before?.indexedAtMs !== indexedAtMs) {
      if (before !== null) void expiries.remove([before.indexedAtMs, recordKey]);
      void expiries.put([indexedAtMs, recordKey], NOTHING);
    }
    void records.put(recordKey, value);
  }

  remove(recordKey: RecordKey, indexedAtMs: number): void {
    void this.#environment.expiries.remove([indexedAtMs, recordKey]);
    void this.#environment.records.remove(recordKey);
  }

  /** Returns how many records went. Looks at no more than recordsMax. */
  sweep(recordsMax: number, time: StoreTime): number {
    const { expiries } = this.#environment;
    const due = [...expiries.getKeys({ end: [time.nowMs, LAST_KEY], limit: recordsMax })];
    let removed = 0;
    for (const [indexedAtMs, recordKey] of due) {
      if (this.readable(recordKey) === 'damaged') {
        // Never absent, so it stays; and it must not stop the sweep of all that come after it.
        void expiries.remove([indexedAtMs, recordKey]);
        void expiries.put([time.nowMs + DAMAGED_AGAIN_MS, recordKey], NOTHING);
        continue;
      }
      const record = this.read(recordKey);
      if (record === null || record.indexedAtMs !== indexedAtMs) {
        // The record has another entry, or is gone: this is only an entry.
        void expiries.remove([indexedAtMs, recordKey]);
      } else if (record.head.expiresAtMs <= time.nowMs) {
        this.remove(recordKey, indexedAtMs);
        removed += 1;
      } else {
        // It lived longer than was expected of it: its next look is at its end.
        const response =
          record.responseBytes === 0 ? null : Buffer.from(record.bytes.subarray(record.responseAt));
        this.put(recordKey, record, record.head, response, record.head.expiresAtMs);
      }
    }
    return removed;
  }

  /** Throws StoreUnavailable `full`. Nothing that lives is ever evicted: a lost record is a second execution. */
  refuseWhenFull(time: StoreTime): void {
    if (this.#grantsUntilMeasure > 0) {
      this.#grantsUntilMeasure -= 1;
      return;
    }
    if (this.bytes() >= this.#bytesMax) {
      this.sweep(SWEPT_BEFORE_FULL_MAX, time);
      if (this.bytes() >= this.#bytesMax) {
        throw new StoreUnavailable('full', `the store holds ${this.bytes()} of ${this.#bytesMax} bytes`);
      }
    }
    this.#grantsUntilMeasure = GRANTS_PER_MEASURE;
  }

  /** The next grant measures anew. */
  measureNext(): void {
    this.#grantsUntilMeasure = 0;
  }

  /** Pages in use, in bytes. */
  bytes(): number {
    const { records, expiries, cells } = this.#environment;
    return treeBytes(records) + treeBytes(expiries) + treeBytes(cells);
  }
}

/** Copied out of the driver's buffer, which the next read overwrites. Throws StoreUnavailable `corrupt`. */
export function responseOf(record: ReadRecord): StoredResponse {
  return decodeRecordResponse(Buffer.from(record.bytes), record);
}
