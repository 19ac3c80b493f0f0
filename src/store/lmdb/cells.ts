import {
  type CellKey,
  type CellWrite,
  type CellWriteResult,
  cellAt,
  cellStep,
  type StoredCell,
} from '../../core/cell.ts';
import type { StoreTime } from '../../core/standing.ts';
import { checkCellWrite, decodeCell, encodeCell } from '../cell-codec.ts';
import { type Cells, StoreUnavailable } from '../contract.ts';
import { createSettleSignals } from '../settle-signals.ts';
import type { Environment } from './environment.ts';
import { readToken, writeToken } from './meta-values.ts';
import { createSettlePoll } from './settle-poll.ts';
import type { Transactions } from './transactions.ts';

/** The cells of an environment: a tree of their own, shared by every process that opens it. */
export type LmdbCells = Cells & {
  /** Inside a transaction. Looks at no more than cellsMax, goes on there at the next call, and returns how many went. */
  sweep(cellsMax: number): number;
  stop(): void;
};

export type LmdbCellsOptions = {
  readonly environment: Environment;
  readonly transactions: Transactions;
  /** Throws once the store is closed. */
  readonly time: () => StoreTime;
  /** Inside a transaction; throws StoreUnavailable when there is no room for one more. */
  readonly refuseWhenFull: (time: StoreTime) => void;
  readonly waitersMax: number;
};

export function createLmdbCells(options: LmdbCellsOptions): LmdbCells {
  const { environment, transactions, time, waitersMax } = options;
  const tree = createTree(options);
  const signals = createSettleSignals(waitersMax);
  /** What a waiter's cell was when it came: any other version wakes it. */
  const seen = new Map<CellKey, number>();
  const poll = createSettlePoll(signals, (cellKey) => {
    if (tree.version(cellKey) === seen.get(cellKey)) return 'open';
    seen.delete(cellKey);
    return 'settled';
  });
  return {
    async read(cellKey) {
      checkCellKey(cellKey);
      const { nowMs } = time();
      return cellAt(tree.newest(cellKey), nowMs);
    },
    async write(cellKey, asked) {
      checkCellKey(cellKey);
      checkCellWrite(asked);
      time();
      const what = asked.expectedVersion === 0 ? 'claim' : 'settle';
      const result = await transactions.run(what, asked.value.byteLength, () => tree.write(cellKey, asked));
      if (result.kind === 'written' && asked.wakes === 'waiters') signals.wake(cellKey);
      return result;
    },
    async changed(cellKey, signal) {
      time();
      if (!seen.has(cellKey)) seen.set(cellKey, tree.version(cellKey));
      const woken = signals.wait(cellKey, signal);
      poll.watch();
      await woken.finally(() => {
        if (signals.waitsFor(cellKey) === 'nobody') seen.delete(cellKey);
      });
    },
    sweep: createSweep(environment, time),
    stop() {
      poll.stop();
      signals.wakeAll();
    },
  };
}

type Tree = {
  /** Outside a transaction: the newest there is, as `readNewest` of the records. */
  newest(cellKey: CellKey): StoredCell | null;
  /** 0 for none. Whoever waits for one that cannot be read has to read it, and fails with the reason. */
  version(cellKey: CellKey): number;
  /** Inside a transaction. */
  write(cellKey: CellKey, asked: CellWrite): CellWriteResult;
};

function createTree({ environment, time, refuseWhenFull }: LmdbCellsOptions): Tree {
  const { cells, meta, base } = environment;

  function stored(cellKey: CellKey): StoredCell | null {
    const shared = cells.getBinaryFast(cellKey);
    if (shared === undefined) return null;
    // Copied: the driver's buffer is good until the next read only.
    return decodeCell(cellKey, Buffer.from(Buffer.from(shared.buffer, shared.byteOffset, shared.length)));
  }

  function newest(cellKey: CellKey): StoredCell | null {
    cells.resetReadTxn();
    return stored(cellKey);
  }

  return {
    newest,
    version(cellKey) {
      try {
        return newest(cellKey)?.version ?? 0;
      } catch {
        return Number.NaN;
      }
    },
    write(cellKey, asked) {
      const now = time();
      const { lastToken, epoch } = readToken(meta);
      if (epoch > base.epoch)
        throw new StoreUnavailable('error', 'the store was opened after another boot; restart this process');
      const before = stored(cellKey);
      const step = cellStep(before, asked, now.nowMs, lastToken);
      if (step.kind === 'changed') return step.result;
      if (before === null) refuseWhenFull(now);
      // Kept with the tokens: a version that a sweep has removed, or a boot made older, is never given again.
      writeToken(meta, step.stored.version, base.epoch);
      void cells.put(cellKey, encodeCell(cellKey, step.stored));
      return step.result;
    },
  };
}

/** Every call goes on where the last one ended: no index has to be kept with every write. */
function createSweep({ cells }: Environment, time: () => StoreTime): LmdbCells['sweep'] {
  let sweptTo: CellKey = '';
  return (cellsMax) => {
    const { nowMs } = time();
    const due: CellKey[] = [];
    let looked = 0;
    for (const { key, value } of cells.getRange({ start: sweptTo, exclusiveStart: true, limit: cellsMax })) {
      looked += 1;
      sweptTo = key;
      if (expired(key, value, nowMs) === 'expired') due.push(key);
    }
    if (looked < cellsMax) sweptTo = '';
    for (const key of due) void cells.remove(key);
    return due.length;
  };
}

/** What cannot be read stays: it is not absent. */
function expired(cellKey: CellKey, value: Buffer, nowMs: number): 'expired' | 'lives' {
  try {
    return decodeCell(cellKey, value).expiresAtMs <= nowMs ? 'expired' : 'lives';
  } catch {
    return 'lives';
  }
}

const KEY_CHARS_MAX = 255;

function checkCellKey(cellKey: CellKey): void {
  if (cellKey.length > 0 && cellKey.length <= KEY_CHARS_MAX) return;
  throw new StoreUnavailable('error', `a cell key must have 1 to ${KEY_CHARS_MAX} characters`);
}
