import { crc32 } from 'node:zlib';
import { mayHaveBody } from '../core/headers.ts';
import type { StoredResponse } from '../core/record.ts';
import { unreachable } from '../core/unreachable.ts';
import { allValues, type RawHeaders } from '../core/wire.ts';
import { StoreUnavailable } from './contract.ts';

/**
 * A stored response as bytes:
 *
 *   0  u8   version
 *   1  u8   kind: 1 full, 2 unstored, 3 sealed, 4 full with trailers
 *   2  u16  status, 0 for sealed
 *   4  f64  receivedAtMs, 0 for sealed
 *   12 u32  length of the head
 *   16      head: `Name: value\r\n` lines in latin1, ready for one write
 *   …       of 4: u32 length of the trailers, and these, in the same form
 *   …       body; of a sealed one what `seal` made of this form of the full one
 *   end u32 CRC-32 over everything before it
 *
 * What does not verify is never served (fault 5): it is unavailable, not absent.
 */

const VERSION = 1;
const KIND_FULL = 1;
const KIND_UNSTORED = 2;
const KIND_SEALED = 3;
const KIND_TRAILERS = 4;
const LENGTH_BYTES = 4;
const FIXED_BYTES = 16;
const CRC_BYTES = 4;
const NO_BODY = new Uint8Array(0);
/** A token and a value without control characters (RFC 9110 section 5); beyond latin1, cut to eight bits, U+010A would be a line break. */
const FIELD_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t\x20-\x7e\x80-\xff]*$/;
/** What speaks of a connection or its framing never stands in a record: a replay has its own. */
const OF_A_CONNECTION = /^(?:connection|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$/i;

/** Throws StoreUnavailable `error` for a head that must not be stored. */
export function encodeResponse(response: StoredResponse): Buffer {
  switch (response.kind) {
    case 'full':
      return response.rawTrailers === undefined
        ? encode(KIND_FULL, response, serialiseHead(response.rawHeaders), response.body)
        : encodeWithTrailers(response, response.rawTrailers);
    case 'unstored':
      return encode(KIND_UNSTORED, response, '', NO_BODY);
    case 'sealed':
      return encode(KIND_SEALED, NOT_TOLD, '', response.bytes);
    default:
      return unreachable(response);
  }
}

/** The trailers stand before the body, as part of it. */
function encodeWithTrailers(
  response: Extract<StoredResponse, { kind: 'full' }>,
  rawTrailers: RawHeaders,
): Buffer {
  const trailers = Buffer.from(serialiseHead(rawTrailers), 'latin1');
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32BE(trailers.length);
  const head = serialiseHead(response.rawHeaders);
  return encode(KIND_TRAILERS, response, head, Buffer.concat([length, trailers, response.body]));
}

const NOT_TOLD = { status: 0, receivedAtMs: 0 };

function encode(
  kind: number,
  { status, receivedAtMs }: { readonly status: number; readonly receivedAtMs: number },
  head: string,
  body: Uint8Array,
): Buffer {
  const out = Buffer.allocUnsafe(FIXED_BYTES + head.length + body.byteLength + CRC_BYTES);
  out[0] = VERSION;
  out[1] = kind;
  out.writeUInt16BE(status, 2);
  out.writeDoubleBE(receivedAtMs, 4);
  out.writeUInt32BE(head.length, 12);
  out.write(head, FIXED_BYTES, 'latin1');
  out.set(body, FIXED_BYTES + head.length);
  out.writeUInt32BE(crc32(out.subarray(0, out.length - CRC_BYTES)), out.length - CRC_BYTES);
  return out;
}

/** Throws StoreUnavailable `corrupt`. The body is a view of `bytes`: the caller must not change them afterwards. */
export function decodeResponse(bytes: Uint8Array): StoredResponse {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < FIXED_BYTES + CRC_BYTES) throw corrupt('it is too short');
  const end = buffer.length - CRC_BYTES;
  // The version first: another format may keep its checksum elsewhere.
  if (buffer[0] !== VERSION)
    throw corrupt(`its format is version ${buffer[0]}, this program knows ${VERSION}`);
  if (crc32(buffer.subarray(0, end)) !== buffer.readUInt32BE(end)) throw corrupt('its checksum does not fit');
  const status = buffer.readUInt16BE(2);
  const receivedAtMs = buffer.readDoubleBE(4);
  const kind = buffer[1];
  if (kind !== KIND_FULL && kind !== KIND_UNSTORED && kind !== KIND_SEALED && kind !== KIND_TRAILERS)
    throw corrupt(`its kind is ${kind}`);
  if (kind === KIND_SEALED) return { kind: 'sealed', bytes: buffer.subarray(FIXED_BYTES, end) };
  if (kind === KIND_UNSTORED) return { kind: 'unstored', status, receivedAtMs };
  const bodyAt = FIXED_BYTES + buffer.readUInt32BE(12);
  if (bodyAt > end) throw corrupt('its head is longer than itself');
  const rawHeaders = parseHead(buffer.toString('latin1', FIXED_BYTES, bodyAt));
  if (kind === KIND_FULL)
    return trusted({ kind: 'full', status, rawHeaders, body: buffer.subarray(bodyAt, end), receivedAtMs });
  if (bodyAt + LENGTH_BYTES > end) throw corrupt('it has no room for its trailers');
  const afterAt = bodyAt + LENGTH_BYTES + buffer.readUInt32BE(bodyAt);
  if (afterAt > end) throw corrupt('its trailers are longer than itself');
  const rawTrailers = parseHead(buffer.toString('latin1', bodyAt + LENGTH_BYTES, afterAt));
  const body = buffer.subarray(afterAt, end);
  return trusted({ kind: 'full', status, rawHeaders, rawTrailers, body, receivedAtMs });
}

/** A checksum can be made by whoever writes to the store: what goes out must be one message all the same. */
function trusted(response: Extract<StoredResponse, { kind: 'full' }>): StoredResponse {
  const { status, rawHeaders, body } = response;
  if (status < 200 || status > 599) throw corrupt(`its status is ${status}`);
  const lengths = allValues(rawHeaders, 'content-length');
  const isTrue = lengths.length === 0 || (lengths.length === 1 && lengths[0] === String(body.byteLength));
  if (!isTrue && mayHaveBody(status)) throw corrupt('its length is not that of its body');
  return response;
}

function serialiseHead(rawHeaders: readonly string[]): string {
  if (rawHeaders.length % 2 !== 0) throw unstorable('a name has no value');
  let head = '';
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const value = rawHeaders[i + 1] ?? '';
    // A stored line break would become a second field, or a second response, on replay.
    const line = `${name}: ${value}`;
    if (!FIELD_LINE.test(line) || name.includes(':')) throw unstorable('a field that is none');
    head += `${line}\r\n`;
  }
  return head;
}

function parseHead(head: string): readonly string[] {
  const rawHeaders: string[] = [];
  let at = 0;
  while (at < head.length) {
    const end = head.indexOf('\r\n', at);
    const colon = head.indexOf(': ', at);
    if (end === -1 || colon <= at || colon > end) throw corrupt('its head is malformed');
    const line = head.slice(at, end);
    if (!FIELD_LINE.test(line)) throw corrupt('its head has a field that is none');
    const name = line.slice(0, colon - at);
    if (OF_A_CONNECTION.test(name)) throw corrupt(`its head has the field ${name}`);
    rawHeaders.push(name, line.slice(colon - at + 2));
    at = end + 2;
  }
  return rawHeaders;
}

function unstorable(why: string): StoreUnavailable {
  return new StoreUnavailable('error', `a response head cannot be stored: ${why}`);
}

function corrupt(why: string): StoreUnavailable {
  return new StoreUnavailable('corrupt', `a stored response cannot be trusted: ${why}`);
}
