import { crc32 } from 'node:zlib';
import type { RecordState, StoredResponse } from '../core/record.ts';
import type { RecordHead } from '../core/standing.ts';
import { decodeResponse } from './codec.ts';
import { StoreUnavailable } from './contract.ts';

/**
 * A record as one value:
 *
 *   0  u8   version, 1 or 2  16 f64 epoch            48 f64 retryAfterMs, NaN for none
 *   1  u8   state            24 f64 leaseEndMs       56 f64 expiresAtMs
 *   2  u16  note length      32 f64 unknownRetainMs  64 u32 length of the response, 0 for none
 *   4  u32  attempt          40 f64 unknownSinceMs   68 u32 checksum of the response
 *   8  f64  token            72 u16 × 4 lengths of owner, fingerprint, policyId, reason
 *   80 f64  indexedAtMs
 *   88      owner, fingerprint, policyId, reason, UTF-8; note
 *   …  u32  CRC-32 over everything before it
 *   …       the response as `encodeResponse` made it, with its own checksum
 *
 * Two checksums, so that a head is read without touching a body; the head names its response's, so that no head
 * can stand before another record's response. Version 1 has no note, and is still written where there is none: a
 * program that knows nothing of notes reads it while processes are replaced one by one.
 */

export const RECORD_VERSION = 2;
const VERSION_WITHOUT_NOTE = 1;
const FIXED_BYTES = 88;
const CRC_BYTES = 4;
const STATES: readonly RecordState[] = ['claimed', 'dispatched', 'completed', 'unknown', 'released'];

/** A record read back: its head decoded, its response still bytes. */
export type DecodedRecord = {
  readonly head: RecordHead;
  /** Where the record stands in the store's index of expiries, which may lag behind expiresAtMs. */
  readonly indexedAtMs: number;
  /** Where the response begins in the value, and its length; 0 for none. */
  readonly responseAt: number;
  readonly responseBytes: number;
};

/** `response` as made by `encodeResponse`, or null. */
export function encodeRecord(head: RecordHead, indexedAtMs: number, response: Uint8Array | null): Buffer {
  const ownerBytes = Buffer.byteLength(head.owner);
  const fingerprintBytes = Buffer.byteLength(head.fingerprint);
  const policyBytes = Buffer.byteLength(head.policyId);
  const reasonBytes = Buffer.byteLength(head.reason);
  const noteBytes = head.note?.byteLength ?? 0;
  const crcAt = FIXED_BYTES + ownerBytes + fingerprintBytes + policyBytes + reasonBytes + noteBytes;
  const responseBytes = response?.byteLength ?? 0;
  const out = Buffer.allocUnsafe(crcAt + CRC_BYTES + responseBytes);
  out[0] = noteBytes === 0 ? VERSION_WITHOUT_NOTE : RECORD_VERSION;
  out[1] = STATES.indexOf(head.state);
  out.writeUInt16BE(noteBytes, 2);
  out.writeUInt32BE(head.attempt, 4);
  out.writeDoubleBE(head.token, 8);
  out.writeDoubleBE(head.epoch, 16);
  out.writeDoubleBE(head.leaseEndMs, 24);
  out.writeDoubleBE(head.unknownRetainMs, 32);
  out.writeDoubleBE(head.unknownSinceMs, 40);
  out.writeDoubleBE(head.retryAfterMs ?? Number.NaN, 48);
  out.writeDoubleBE(head.expiresAtMs, 56);
  out.writeUInt32BE(responseBytes, 64);
  out.writeUInt32BE(response === null ? 0 : responseChecksum(response), 68);
  out.writeUInt16BE(ownerBytes, 72);
  out.writeUInt16BE(fingerprintBytes, 74);
  out.writeUInt16BE(policyBytes, 76);
  out.writeUInt16BE(reasonBytes, 78);
  out.writeDoubleBE(indexedAtMs, 80);
  let at = FIXED_BYTES;
  at += out.write(head.owner, at);
  at += out.write(head.fingerprint, at);
  at += out.write(head.policyId, at);
  at += out.write(head.reason, at);
  if (head.note !== null) out.set(head.note, at);
  out.writeUInt32BE(crc32(out.subarray(0, crcAt)), crcAt);
  if (response !== null) out.set(response, crcAt + CRC_BYTES);
  return out;
}

/** Throws StoreUnavailable `corrupt` for what does not verify; keeps no reference to `bytes`. */
export function decodeRecord(bytes: Uint8Array): DecodedRecord {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = buffer[0] ?? RECORD_VERSION;
  if (version !== RECORD_VERSION && version !== VERSION_WITHOUT_NOTE) {
    throw corrupt(`its format is version ${version}, this program knows ${RECORD_VERSION}`);
  }
  if (buffer.length < FIXED_BYTES + CRC_BYTES) throw corrupt('it is too short');
  const ownerEnd = FIXED_BYTES + buffer.readUInt16BE(72);
  const fingerprintEnd = ownerEnd + buffer.readUInt16BE(74);
  const policyEnd = fingerprintEnd + buffer.readUInt16BE(76);
  const reasonEnd = policyEnd + buffer.readUInt16BE(78);
  const crcAt = reasonEnd + buffer.readUInt16BE(2);
  const responseAt = crcAt + CRC_BYTES;
  const responseBytes = buffer.readUInt32BE(64);
  if (responseAt + responseBytes !== buffer.length) throw corrupt('its length does not fit');
  if (crc32(buffer.subarray(0, crcAt)) !== buffer.readUInt32BE(crcAt))
    throw corrupt('its checksum does not fit');
  const state = STATES[buffer[1] ?? STATES.length];
  if (state === undefined) throw corrupt(`its state is ${buffer[1]}`);
  const retryAfterMs = buffer.readDoubleBE(48);
  return {
    head: {
      state,
      token: buffer.readDoubleBE(8),
      owner: buffer.toString('utf8', FIXED_BYTES, ownerEnd),
      attempt: buffer.readUInt32BE(4),
      fingerprint: buffer.toString('utf8', ownerEnd, fingerprintEnd),
      policyId: buffer.toString('utf8', fingerprintEnd, policyEnd),
      epoch: buffer.readDoubleBE(16),
      leaseEndMs: buffer.readDoubleBE(24),
      unknownRetainMs: buffer.readDoubleBE(32),
      unknownSinceMs: buffer.readDoubleBE(40),
      reason: buffer.toString('utf8', policyEnd, reasonEnd),
      retryAfterMs: Number.isNaN(retryAfterMs) ? null : retryAfterMs,
      expiresAtMs: buffer.readDoubleBE(56),
      note: reasonEnd === crcAt ? null : Buffer.copyBytesFrom(buffer, reasonEnd, crcAt - reasonEnd),
    },
    indexedAtMs: buffer.readDoubleBE(80),
    responseAt,
    responseBytes,
  };
}

/** The response of a completed record, as a view of `bytes`. Throws StoreUnavailable `corrupt`. */
export function decodeRecordResponse(bytes: Uint8Array, record: DecodedRecord): StoredResponse {
  const response = bytes.subarray(record.responseAt, record.responseAt + record.responseBytes);
  if (response.byteLength < CRC_BYTES) throw corrupt('it is completed and has no response');
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (responseChecksum(response) !== buffer.readUInt32BE(68)) throw corrupt('its response is another one’s');
  return decodeResponse(response);
}

/** An encoded response ends in its CRC-32. */
function responseChecksum(response: Uint8Array): number {
  return Buffer.from(response.buffer, response.byteOffset, response.byteLength).readUInt32BE(
    response.byteLength - CRC_BYTES,
  );
}

function corrupt(why: string): StoreUnavailable {
  return new StoreUnavailable('corrupt', `a record cannot be trusted: ${why}`);
}
