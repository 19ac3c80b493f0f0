import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CellWrite, cellAt, cellStep, type StoredCell } from '../../src/core/cell.ts';
import { cellKey, cellKeyParts } from '../../src/core/cell-key.ts';
import { recordKey, recordKeyParts } from '../../src/core/record-key.ts';
import { decodeCell, decodeCellValue, encodeCell, encodeCellValue } from '../../src/store/cell-codec.ts';

const SECRET = Buffer.alloc(32, 7);
const SCOPE = Buffer.from('scope');
const STORED: StoredCell = { version: 5_000_000, value: Buffer.from('v'), expiresAtMs: 10_000 };
const WRITE: CellWrite = { expectedVersion: 0, value: Buffer.from('w'), lifeMs: 100, wakes: 'nobody' };

describe('a cell', () => {
  it('is absent from the millisecond of its expiry on', () => {
    expect(cellAt(STORED, 9_999.9).version).toBe(5_000_000);
    expect(cellAt(STORED, 10_000).version).toBe(0);
    expect(cellAt(null, 7.9)).toEqual({ version: 0, value: new Uint8Array(0), nowMs: 7 });
  });

  it('grows in its version over whatever happens to it and to the clock', () => {
    const step = fc.record({
      passedMs: fc.integer({ min: -5_000, max: 5_000 }),
      lifeMs: fc.integer({ min: 1, max: 4_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let stored: StoredCell | null = null;
        let nowMs = 1_000_000;
        let last = 0;
        for (const { passedMs, lifeMs } of steps) {
          nowMs += passedMs;
          const expectedVersion = cellAt(stored, nowMs).version;
          const taken = cellStep(stored, { ...WRITE, expectedVersion, lifeMs }, nowMs, 0);
          if (taken.kind === 'changed') throw new Error('the version was read');
          expect(taken.stored.version).toBeGreaterThan(last);
          last = taken.stored.version;
          stored = taken.stored;
        }
      }),
    );
  });

  it('is never given a version that another had, gone or not', () => {
    const taken = cellStep(null, WRITE, 1_000, 9_000_000);

    expect(taken).toMatchObject({ kind: 'write', result: { version: 9_000_001, nowMs: 1_000 } });
  });

  it('is not written by who has seen another version', () => {
    for (const expectedVersion of [0, 4_999_999, 5_000_001])
      expect(cellStep(STORED, { ...WRITE, expectedVersion }, 1_000, 0)).toMatchObject({
        kind: 'changed',
        result: { cell: { version: 5_000_000 } },
      });
    expect(cellStep(STORED, { ...WRITE, expectedVersion: 5_000_000 }, 10_000, 0).kind).toBe('changed');
  });
});

describe('a cell key', () => {
  it('is 43 characters of base64url, and differs with each part and from the record key of the same', () => {
    const keys = [
      cellKey(SECRET, 'lock', 'default', SCOPE, 'k'),
      cellKey(Buffer.alloc(32, 8), 'lock', 'default', SCOPE, 'k'),
      cellKey(SECRET, 'version', 'default', SCOPE, 'k'),
      cellKey(SECRET, 'lock', 'defaul', SCOPE, 'k'),
      cellKey(SECRET, 'lock', 'default', Buffer.from('scopf'), 'k'),
      cellKey(SECRET, 'lock', 'default', SCOPE, 'K'),
      recordKey(SECRET, 'default', SCOPE, 'k'),
    ];

    expect(new Set(keys).size).toBe(keys.length);
    for (const key of keys) expect(key).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it('stays what it is: cells in use are found by it', () => {
    expect(cellKey(SECRET, 'lock', 'default', SCOPE, 'k')).toBe(
      'x1JJl31-PI8C58k-_qYf2U6V1ixtw-X4XVDTH9Tt-4M',
    );
  });

  it('has no pre-image that is a record key’s', () => {
    expect(cellKeyParts('lock', 'default', SCOPE, 'k')[0]).not.toBe(recordKeyParts('default', SCOPE, 'k')[0]);
  });
});

describe('the bytes of a cell', () => {
  it('come back as they were, under their own key only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(), fc.nat(), (value, version, expiresAtMs) => {
        const bytes = encodeCell('key', { version, expiresAtMs, value });
        const plain = encodeCellValue('key', value);

        expect(decodeCell('key', bytes)).toEqual({ version, expiresAtMs, value: Buffer.from(value) });
        expect(decodeCellValue('key', plain)).toEqual(Buffer.from(value));
        expect(() => decodeCell('kez', bytes)).toThrow('cannot be trusted');
        expect(() => decodeCellValue('kez', plain)).toThrow('cannot be trusted');
      }),
    );
  });

  it('are not trusted with any bit flipped, or cut short', () => {
    const bytes = encodeCell('key', STORED);
    const plain = encodeCellValue('key', STORED.value);
    for (const [whole, decode] of [
      [bytes, decodeCell],
      [plain, decodeCellValue],
    ] as const) {
      for (let bit = 0; bit < whole.length * 8; bit += 1) {
        const flipped = Buffer.from(whole);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(() => decode('key', flipped)).toThrow('cannot be trusted');
      }
      for (let length = 0; length < whole.length; length += 1)
        expect(() => decode('key', whole.subarray(0, length))).toThrow('cannot be trusted');
    }
  });
});
