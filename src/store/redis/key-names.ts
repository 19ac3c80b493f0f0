import type { CellKey } from '../../core/cell.ts';
import type { RecordKey } from '../../core/record.ts';
import { slotOf, tagOf } from './slots.ts';

/** The names in Redis: the only place that builds them. The braces keep a record in one slot of a cluster. */
export type KeyNames = {
  record(recordKey: RecordKey): string;
  /** Null for a name that is no record's. */
  recordKeyOf(name: string): RecordKey | null;
  /** Glob for SCAN. */
  recordPattern(): string;
  cell(cellKey: CellKey): string;
  readonly secretId: string;
  /** The same for one slot of a cluster. */
  secretIdIn(slot: number): string;
  readonly settledChannel: string;
};

const RECORD_KEY = /^[\w-]{1,128}$/;

export function keyNames(prefix: string): KeyNames {
  const head = `${prefix}{`;
  const secretId = `${prefix}secret-id`;
  return {
    record: (recordKey) => `${head}${recordKey}}`,
    recordKeyOf(name) {
      if (!name.startsWith(head) || !name.endsWith('}')) return null;
      const recordKey = name.slice(head.length, -1);
      return RECORD_KEY.test(recordKey) ? recordKey : null;
    },
    recordPattern: () => `${head.replace(/[\\*?[\]^-]/g, '\\$&')}*}`,
    cell: (cellKey) => `${prefix}cell{${cellKey}}`,
    secretId,
    secretIdIn: (slot) => (slot === slotOf(secretId) ? secretId : `${secretId}{${tagOf(slot)}}`),
    settledChannel: `${prefix}settled`,
  };
}
