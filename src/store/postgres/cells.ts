import { checkCellWrite, decodeCellValue, encodeCellValue } from '../cell-codec.ts';
import type { Cells } from '../contract.ts';
import { type Ask, readCellRow, readCellWriteRow } from './reply.ts';

/** `hear`: the channel on which settled records are told of too; no cell key is a record key. */
export function createPostgresCells(
  run: Ask,
  channel: string,
  /** Throws StoreUnavailable while what is written could be lost. */
  demandFitness: () => void,
  hear: Cells['changed'],
): Cells {
  const read: Cells['read'] = async (cellKey) =>
    readCellRow(await run('cell-read', [cellKey]), (bytes) => decodeCellValue(cellKey, bytes));
  return {
    read,
    async write(cellKey, write) {
      checkCellWrite(write);
      demandFitness();
      const { expectedVersion, value, lifeMs, wakes } = write;
      const told = wakes === 'waiters' ? channel : null;
      const values = [cellKey, expectedVersion, encodeCellValue(cellKey, value), lifeMs, told];
      const written = readCellWriteRow(await run('cell-write', values));
      // Read by a statement of its own: the one that waited for a row sees it as it was before.
      return written ?? { kind: 'changed', cell: await read(cellKey) };
    },
    changed: hear,
  };
}
