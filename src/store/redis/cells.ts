import type { CellKey } from '../../core/cell.ts';
import { checkCellWrite, decodeCellValue, encodeCellValue } from '../cell-codec.ts';
import type { Cells } from '../contract.ts';
import { readCellReply, readCellWriteReply } from './reply.ts';
import type { ScriptArgument } from './script-runner.ts';
import type { ScriptName } from './scripts.ts';

export type RunCellStep = (
  name: Extract<ScriptName, 'cell-read' | 'cell-write'>,
  cellKey: CellKey,
  ...arguments_: readonly ScriptArgument[]
) => Promise<unknown>;

const NO_CHANNEL = '';

/** `wait`: hears the channel on which settled records are told of too; no cell key is a record key. */
export function createRedisCells(run: RunCellStep, channel: string, wait: Cells['changed']): Cells {
  return {
    async read(cellKey) {
      return readCellReply(await run('cell-read', cellKey), (bytes) => decodeCellValue(cellKey, bytes));
    },
    async write(cellKey, write) {
      checkCellWrite(write);
      const { expectedVersion, value, lifeMs, wakes } = write;
      const bytes = encodeCellValue(cellKey, value);
      const told = wakes === 'waiters' ? channel : NO_CHANNEL;
      return readCellWriteReply(
        await run('cell-write', cellKey, expectedVersion, bytes, Math.ceil(lifeMs), told, cellKey),
        (changed) => decodeCellValue(cellKey, changed),
      );
    },
    changed: wait,
  };
}
