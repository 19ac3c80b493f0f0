import { type Lock, NO_LOCK, QUEUE_MAX, type Ticket } from './lock.ts';

/**
 * A lock as the bytes of a cell:
 *
 *   0  u8  format
 *   1  u8  1: with a holder
 *   2  f64 freeSinceMs
 *   10     holder and then tickets, each: owner 16 bytes, time to be given in ms u32, until f64
 */

const FORMAT = 1;
const HEAD_BYTES = 10;
const OWNER_BYTES = 16;
const ENTRY_BYTES = 28;

export function encodeLock({ holder, freeSinceMs, queue }: Lock): Uint8Array {
  const entries = holder === null ? queue : [{ ...holder, waitMs: holder.leaseMs }, ...queue];
  const out = Buffer.alloc(HEAD_BYTES + entries.length * ENTRY_BYTES);
  out[0] = FORMAT;
  out[1] = holder === null ? 0 : 1;
  out.writeDoubleBE(freeSinceMs, 2);
  for (const [i, entry] of entries.entries()) writeEntry(out, HEAD_BYTES + i * ENTRY_BYTES, entry);
  return out;
}

/** Null: it is no lock. An absent cell is one that nobody holds. */
export function decodeLock(bytes: Uint8Array): Lock | null {
  if (bytes.byteLength === 0) return NO_LOCK;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = (buffer.length - HEAD_BYTES) / ENTRY_BYTES;
  if (buffer[0] !== FORMAT || !Number.isInteger(count) || count > QUEUE_MAX + 1) return null;
  const entries = Array.from({ length: count }, (_, i) => readEntry(buffer, HEAD_BYTES + i * ENTRY_BYTES));
  const freeSinceMs = buffer.readDoubleBE(2);
  if (buffer[1] === 0) return { holder: null, freeSinceMs, queue: entries };
  const [first, ...queue] = entries;
  if (first === undefined) return null;
  const { owner, waitMs: leaseMs, untilMs } = first;
  return { holder: { owner, leaseMs, untilMs }, freeSinceMs, queue };
}

function writeEntry(out: Buffer, at: number, { owner, waitMs, untilMs }: Ticket): void {
  out.write(owner, at, OWNER_BYTES, 'hex');
  out.writeUInt32BE(Math.ceil(waitMs), at + OWNER_BYTES);
  out.writeDoubleBE(untilMs, at + OWNER_BYTES + 4);
}

function readEntry(buffer: Buffer, at: number): Ticket {
  return {
    owner: buffer.toString('hex', at, at + OWNER_BYTES),
    waitMs: buffer.readUInt32BE(at + OWNER_BYTES),
    untilMs: buffer.readDoubleBE(at + OWNER_BYTES + 4),
  };
}
