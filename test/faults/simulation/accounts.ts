import type { RecordKey } from '../../../src/core/record.ts';
import type { Dispatched } from './backend.ts';

/** What the oracle keeps of requests and keys. */

export type Asked = {
  readonly id: string;
  readonly keyed: 'keyed' | 'unkeyed';
  readonly principal: string;
  readonly key: string;
  readonly recordKey: RecordKey;
  readonly payload: string;
  readonly startedMs: number;
  endedMs: number | null;
};

/** What time and operators do not change: how far this history can be held to account. */
export type Accountable = {
  /** The store's clock jumped: leases may end early or late, which may park or delay. */
  storeClock: 'steady' | 'jumped';
  /** The store loses writes that it has acknowledged: at most once is not promised. */
  storeWrites: 'kept' | 'lost';
};

export type KeyState = {
  readonly name: string;
  /** Counts the times the key was legally opened anew. */
  epoch: number;
  /** Dispatches of this epoch that no proof has undone. */
  dispatches: Dispatched[];
  readonly acts: { readonly sent: Dispatched; readonly epoch: number; readonly atMs: number }[];
  /** The exchange whose response this epoch hands out. */
  readonly kept: Map<number, number>;
  /** When each epoch but the present one was over. */
  readonly overMs: Map<number, number>;
  readonly freedBy: Set<string>;
  /**
   * none: `onStoreDown: forward` let a request of it out, or the key was re-opened after the store's clock had jumped
   * and ended a lease that its holder counts on. Both are named in docs/guarantees.md.
   */
  protection: 'whole' | 'none';
  lastActivityMs: number;
};

export function freshKey(recordKey: RecordKey): KeyState {
  return {
    name: recordKey.slice(0, 6),
    epoch: 0,
    dispatches: [],
    acts: [],
    kept: new Map(),
    overMs: new Map(),
    freedBy: new Set(),
    protection: 'whole',
    lastActivityMs: 0,
  };
}
