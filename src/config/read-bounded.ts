import { open } from 'node:fs/promises';

const PIECE_BYTES = 64 * 1024;

/** At most one byte more than is allowed is ever read, whatever the file is. Null: it is larger. Rejects as node does. */
export async function readBounded(path: string, bytesMax: number): Promise<Buffer | null> {
  await using file = await open(path, 'r');
  const pieces: Buffer[] = [];
  let length = 0;
  for (;;) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, bytesMax + 1 - length));
    const { bytesRead } = await file.read(piece, 0, piece.length, null);
    if (bytesRead === 0) return Buffer.concat(pieces, length);
    length += bytesRead;
    if (length > bytesMax) return null;
    pieces.push(piece.subarray(0, bytesRead));
  }
}
