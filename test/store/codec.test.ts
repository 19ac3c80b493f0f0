import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoredResponse } from '../../src/core/record.ts';
import type { RecordHead } from '../../src/core/standing.ts';
import { decodeResponse, encodeResponse } from '../../src/store/codec.ts';
import {
  decodeRecord,
  decodeRecordResponse,
  encodeRecord,
  RECORD_VERSION,
} from '../../src/store/record-codec.ts';
import { comparable, FULL } from '../contract/harness.ts';

const HEAD: RecordHead = {
  state: 'completed',
  token: 1_795_000_000_000_001,
  owner: '00112233445566778899aabbccddeeff',
  attempt: 3,
  fingerprint: 'fingerprint',
  policyId: 'policy',
  epoch: 2,
  leaseEndMs: 1_795_000_000_500.25,
  unknownRetainMs: 604_800_000,
  unknownSinceMs: 0,
  reason: '',
  retryAfterMs: null,
  expiresAtMs: 1_795_000_086_400_000,
  note: null,
};

/** Latin1 without control characters; names are tokens. */
const value = fc.string({
  unit: fc
    .integer({ min: 32, max: 255 })
    .filter((code) => code !== 127)
    .map((code) => String.fromCharCode(code)),
});
const name = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/);

const response: fc.Arbitrary<StoredResponse> = fc.oneof(
  fc.record({
    kind: fc.constant('full' as const),
    status: fc.integer({ min: 200, max: 599 }),
    rawHeaders: fc.array(fc.tuple(name, value), { maxLength: 8 }).map((lines) => lines.flat()),
    body: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    receivedAtMs: fc.double({ min: 0, max: 2e12, noNaN: true, noDefaultInfinity: true }),
  }),
  fc.record({
    kind: fc.constant('unstored' as const),
    status: fc.integer({ min: 100, max: 599 }),
    receivedAtMs: fc.nat(),
  }),
  fc.record({
    kind: fc.constant('sealed' as const),
    bytes: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  }),
);

describe('a stored response', () => {
  test('with trailers comes back with them, and is refused with any one bit flipped or byte missing', () => {
    const original = { ...FULL, rawTrailers: ['grpc-status', '0', 'x-a', 'b'] };
    const bytes = encodeResponse(original);

    expect(comparable(decodeResponse(bytes))).toEqual(comparable(original));
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => decodeResponse(flipped)).toThrow(expect.objectContaining({ reason: 'corrupt' }));
      expect(() => decodeResponse(bytes.subarray(0, bit >> 3))).toThrow(
        expect.objectContaining({ reason: 'corrupt' }),
      );
    }
  });

  test('with a line break in a trailer is never encoded', () => {
    expect(() => encodeResponse({ ...FULL, rawTrailers: ['a', 'b\nc'] })).toThrow(
      expect.objectContaining({ reason: 'error' }),
    );
  });

  test('comes back as it went in', () => {
    fc.assert(
      fc.property(response, (original) => {
        expect(comparable(decodeResponse(encodeResponse(original)))).toEqual(original);
      }),
    );
  });

  test('is refused with any one bit flipped', () => {
    const bytes = encodeResponse(FULL);

    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => decodeResponse(flipped)).toThrow(expect.objectContaining({ reason: 'corrupt' }));
    }
  });

  test('is refused at any length but its own', () => {
    const bytes = encodeResponse(FULL);

    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decodeResponse(bytes.subarray(0, length))).toThrow(
        expect.objectContaining({ reason: 'corrupt' }),
      );
    }
  });

  test('with a note is refused with any one bit flipped', () => {
    const bytes = encodeRecord({ ...HEAD, note: Buffer.from('note') }, 17.5, encodeResponse(FULL));

    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => decodeRecordResponse(flipped, decodeRecord(flipped))).toThrow(
        expect.objectContaining({ reason: 'corrupt' }),
      );
    }
  });

  test('of the first format is read, and written where there is no note', () => {
    const dispatched: RecordHead = { ...HEAD, state: 'dispatched' };
    const first = Buffer.from(
      'AQEAAAAAAANDGYIsBXzABEAAAAAAAAAAQnoe5WX/RABBwgZCAAAAAAAAAAAAAAAAf/gAAAAAAABDGYIsGhYwAAAAAAAAAAAAACAACwAGAABA' +
        'MYAAAAAAADAwMTEyMjMzNDQ1NTY2Nzc4ODk5YWFiYmNjZGRlZWZmZmluZ2VycHJpbnRwb2xpY3lqzZdI',
      'base64',
    );

    expect(decodeRecord(first).head).toEqual(dispatched);
    expect(encodeRecord(dispatched, 17.5, null)).toEqual(first);
  });

  test('of a newer format says so', () => {
    const bytes = encodeResponse(FULL);
    bytes[0] = 2;

    expect(() => decodeResponse(bytes)).toThrow('format is version 2, this program knows 1');
  });

  test.each([
    ['a line feed in a value', ['A', 'b\nC: d']],
    ['a carriage return in a value', ['A', 'b\rc']],
    ['a NUL in a value', ['A', 'b\0c']],
    ['a line break in a name', ['A\r\nB', 'c']],
    ['a colon in a name', ['A:', 'b']],
    ['an empty name', ['', 'b']],
    ['a name without a value', ['A']],
    // Cut to eight bits this would be a line feed.
    ['a character beyond latin1', ['A', 'b\u010ac']],
  ])('with %s is never encoded', (_name, rawHeaders) => {
    expect(() => encodeResponse({ ...FULL, rawHeaders })).toThrow(
      expect.objectContaining({ reason: 'error' }),
    );
  });
});

describe('a stored record', () => {
  test.each([
    ['completed', HEAD, FULL],
    ['dispatched', { ...HEAD, state: 'dispatched' }, null],
    ['unknown', { ...HEAD, state: 'unknown', reason: 'truncated', unknownSinceMs: 5.5 }, null],
    ['released', { ...HEAD, state: 'released', retryAfterMs: 0 }, null],
    ['claimed', { ...HEAD, state: 'claimed', owner: 'Ö', fingerprint: '', policyId: '€' }, null],
    ['noted', { ...HEAD, state: 'unknown', reason: 'reset', note: Buffer.from([0, 255, 10, 0]) }, null],
  ] as const)('that is %s comes back as it went in', (_name, head, stored) => {
    const bytes = encodeRecord(head, 17.5, stored === null ? null : encodeResponse(stored));

    const record = decodeRecord(bytes);

    expect(record.head).toEqual(head);
    expect(record.indexedAtMs).toBe(17.5);
    if (stored !== null) expect(comparable(decodeRecordResponse(bytes, record))).toEqual(stored);
    else expect(record.responseBytes).toBe(0);
  });

  test('is refused with any one bit flipped, head or response', () => {
    const bytes = encodeRecord(HEAD, 17.5, encodeResponse(FULL));

    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => decodeRecordResponse(flipped, decodeRecord(flipped))).toThrow(
        expect.objectContaining({ reason: 'corrupt' }),
      );
    }
  });

  test('of a newer format says so', () => {
    const bytes = encodeRecord(HEAD, 17.5, null);
    bytes[0] = RECORD_VERSION + 1;

    expect(() => decodeRecord(bytes)).toThrow(
      `format is version ${RECORD_VERSION + 1}, this program knows ${RECORD_VERSION}`,
    );
  });

  test('does not take the response of another record', () => {
    const one = encodeRecord(HEAD, 17.5, encodeResponse(FULL));
    const other = encodeResponse({ ...FULL, body: Buffer.from('{"id":2}') });
    other.copy(one, one.length - other.length);

    expect(() => decodeRecordResponse(one, decodeRecord(one))).toThrow(
      expect.objectContaining({ reason: 'corrupt' }),
    );
  });
});
