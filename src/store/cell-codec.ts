import { crc32 } from 'node:zlib';
import { CELL_VALUE_BYTES_MAX, type CellWrite, type StoredCell } from '../core/cell.ts';
import { StoreUnavailable } from './contract.ts';

/**
 * A cell's value as bytes, with a checksum over its key and itself behind it: what does not verify is unavailable, not
 * absent (fault 5).
 *
 * A store that keeps version and expiry in the same bytes:
 *
 *   0  u8   format
 *   1  u32  CRC-32 of the key, so that a damaged key shows before anybody asks for it
 *   5  f64  version
 *   13 f64  expiresAtMs
 *   21      value
 *   end u32 CRC-32 over everything before it
 */

const FORMAT = 1;
const FIXED_BYTES = 21;
const CRC_BYTES = 4;
const KEY_CRC_END = 5;

/** Throws StoreUnavailable `error` for what no store may be given. */
export function checkCellWrite({ value, lifeMs }: CellWrite): void {
  if (value.byteLength > CELL_VALUE_BYTES_MAX)
    throw refused(`a cell has at most ${CELL_VALUE_BYTES_MAX} bytes, not ${value.byteLength}`);
  if (!(lifeMs >= 1) || !Number.isSafeInteger(Math.ceil(lifeMs)))
    throw refused('the life of a cell must be a millisecond or more');
}

function refused(why: string): StoreUnavailable {
  return new StoreUnavailable('error', why, { sent: 'no' });
}

export function encodeCellValue(cellKey: string, value: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(value.byteLength + CRC_BYTES);
  out.set(value, 0);
  out.writeUInt32BE(crc32(value, crc32(cellKey)), value.byteLength);
  return out;
}

/** Throws StoreUnavailable `corrupt`. The value is a view of `bytes`. */
export function decodeCellValue(cellKey: string, bytes: Buffer): Uint8Array {
  const end = bytes.length - CRC_BYTES;
  if (end < 0 || crc32(bytes.subarray(0, end), crc32(cellKey)) !== bytes.readUInt32BE(end)) throw corrupt();
  return bytes.subarray(0, end);
}

export function encodeCell(cellKey: string, { version, expiresAtMs, value }: StoredCell): Buffer {
  const out = Buffer.allocUnsafe(FIXED_BYTES + value.byteLength + CRC_BYTES);
  out[0] = FORMAT;
  out.writeUInt32BE(crc32(cellKey), 1);
  out.writeDoubleBE(version, 5);
  out.writeDoubleBE(expiresAtMs, 13);
  out.set(value, FIXED_BYTES);
  out.writeUInt32BE(crc32(out.subarray(0, out.length - CRC_BYTES)), out.length - CRC_BYTES);
  return out;
}

/** Throws StoreUnavailable `corrupt`. The value is a view of `bytes`. */
export function decodeCell(cellKey: string, bytes: Buffer): StoredCell {
  const end = bytes.length - CRC_BYTES;
  if (
    end < FIXED_BYTES ||
    bytes[0] !== FORMAT ||
    crc32(bytes.subarray(0, end)) !== bytes.readUInt32BE(end) ||
    !cellKeyFits(Buffer.from(cellKey), bytes)
  )
    throw corrupt();
  return {
    version: bytes.readDoubleBE(5),
    expiresAtMs: bytes.readDoubleBE(13),
    value: bytes.subarray(FIXED_BYTES, end),
  };
}

/** Whether the bytes, or their beginning, belong to this key. */
export function cellKeyFits(cellKey: Uint8Array, beginning: Buffer): boolean {
  return beginning.length >= KEY_CRC_END && beginning.readUInt32BE(1) === crc32(cellKey);
}

function corrupt(): StoreUnavailable {
  return new StoreUnavailable('corrupt', 'a cell it keeps cannot be trusted');
}
