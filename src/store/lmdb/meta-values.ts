import { crc32 } from 'node:zlib';
import type { Database } from 'lmdb';
import { StoreUnavailable } from '../contract.ts';
import type { ClockBase } from './clock.ts';

/**
 * What the store keeps beside its records, each with a checksum: a clock that is wrong ends every record at once, a
 * token that is wrong is given twice. Values from before the checksums are read without.
 */

const TOKEN_KEY = 'token';
const TOKEN_BYTES = 16;
const CRC_BYTES = 4;

export function encodeBase(base: ClockBase): Buffer {
  return Buffer.from(JSON.stringify({ ...base, sum: baseSum(base) }));
}

/** Throws Error for a clock that cannot be trusted. */
export function decodeBase(value: Buffer | undefined): ClockBase | null {
  if (value === undefined) return null;
  const base = readBase(value);
  if (base === null) throw new Error('the clock it keeps is not readable');
  return base;
}

function readBase(value: Buffer): ClockBase | null {
  const parsed = parse(value);
  if (
    typeof parsed !== 'object' ||
    parsed === null ||
    !('bootId' in parsed && typeof parsed.bootId === 'string') ||
    !('monotonicMs' in parsed && typeof parsed.monotonicMs === 'number') ||
    !('timeMs' in parsed && typeof parsed.timeMs === 'number') ||
    !('epoch' in parsed && typeof parsed.epoch === 'number')
  ) {
    return null;
  }
  const { bootId, monotonicMs, timeMs, epoch } = parsed;
  const base = { bootId, monotonicMs, timeMs, epoch };
  return 'sum' in parsed && parsed.sum !== baseSum(base) ? null : base;
}

function parse(value: Buffer): unknown {
  try {
    return JSON.parse(value.toString());
  } catch {
    return null;
  }
}

function baseSum({ bootId, monotonicMs, timeMs, epoch }: ClockBase): number {
  return crc32(JSON.stringify([bootId, monotonicMs, timeMs, epoch]));
}

/** The highest token ever given, and the epoch in which it was. Throws StoreUnavailable `corrupt`. */
export function readToken(meta: Database<Buffer, string>): {
  readonly lastToken: number;
  readonly epoch: number;
} {
  const value = meta.getBinaryFast(TOKEN_KEY);
  if (value === undefined) return { lastToken: 0, epoch: 0 };
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  const summed = bytes.length === TOKEN_BYTES + CRC_BYTES;
  if (
    (!summed && bytes.length !== TOKEN_BYTES) ||
    (summed && crc32(bytes.subarray(0, TOKEN_BYTES)) !== bytes.readUInt32BE(TOKEN_BYTES))
  ) {
    throw new StoreUnavailable('corrupt', 'the last token it keeps cannot be trusted');
  }
  return { lastToken: bytes.readDoubleBE(0), epoch: bytes.readDoubleBE(8) };
}

export function writeToken(meta: Database<Buffer, string>, lastToken: number, epoch: number): void {
  const value = Buffer.allocUnsafe(TOKEN_BYTES + CRC_BYTES);
  value.writeDoubleBE(lastToken, 0);
  value.writeDoubleBE(epoch, 8);
  value.writeUInt32BE(crc32(value.subarray(0, TOKEN_BYTES)), TOKEN_BYTES);
  void meta.put(TOKEN_KEY, value);
}
