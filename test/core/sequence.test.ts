import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  positionNear,
  readSequence,
  SEQUENCE_MAX,
  sequenceAt,
  sequenceKey,
  sequenceName,
} from '../../src/core/sequence.ts';

const ID = '0123456789abcdef0123456789abcdef';

function fields(id: string, epoch: string, sequence: string): readonly string[] {
  return ['Producer-Id', id, 'Producer-Epoch', epoch, 'Producer-Sequence', sequence];
}

describe('the fields of a sequence', () => {
  it('are read in any order, in any case, among others', () => {
    const raw = ['PRODUCER-SEQUENCE', '7', 'Accept', '*/*', 'producer-epoch', '2', 'Producer-Id', ID];

    expect(readSequence(raw)).toEqual({
      kind: 'sequence',
      ids: { producerId: ID, epoch: 2, sequence: 7 },
    });
  });

  it('are absent only where none of them is there', () => {
    expect(readSequence(['Accept', '*/*']).kind).toBe('absent');
    for (const at of [0, 2, 4]) {
      const raw = fields(ID, '0', '0').filter((_, i) => i !== at && i !== at + 1);

      expect(readSequence(raw)).toMatchObject({
        kind: 'invalid',
        detail: expect.stringContaining('missing'),
      });
    }
  });

  it.each([0, 2, 4])('are invalid when the one at %i is there twice, even with one value', (at) => {
    const raw = fields(ID, '0', '0');

    expect(readSequence([...raw, raw[at] ?? '', raw[at + 1] ?? ''])).toMatchObject({
      kind: 'invalid',
      detail: expect.stringContaining('repeated'),
    });
  });

  it.each([
    '',
    '-1',
    '+1',
    '01',
    '00',
    '1.0',
    '1e3',
    ' 1',
    '1 ',
    '0x1',
    '१',
    '1,2',
    '2147483648',
    '99999999999',
  ])('take no number written %j', (text) => {
    expect(readSequence(fields(ID, '0', text)).kind).toBe('invalid');
    expect(readSequence(fields(ID, text, '0')).kind).toBe('invalid');
  });

  it('go up to the bounds of Kafka', () => {
    expect(readSequence(fields(ID, '32767', '2147483647'))).toMatchObject({
      ids: { epoch: 32_767, sequence: SEQUENCE_MAX },
    });
    expect(readSequence(fields(ID, '32768', '0')).kind).toBe('invalid');
  });

  it.each(['', ID.slice(1), `${ID}0`, ID.toUpperCase(), ` ${ID}`, '42'])('take no id written %j', (id) => {
    expect(readSequence(fields(id, '0', '0')).kind).toBe('invalid');
  });

  it('never throw, whatever is sent', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 8 }), (values) => {
        const raw = values.flatMap((value, i) => [
          ['Producer-Id', 'Producer-Epoch', 'X'][i % 3] ?? '',
          value,
        ]);

        expect(['sequence', 'absent', 'invalid']).toContain(readSequence(raw).kind);
      }),
    );
  });
});

describe('a position', () => {
  it('has the number it was made of, and is never below 0', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 45 }), fc.nat({ max: SEQUENCE_MAX }), (last, sequence) => {
        const position = positionNear(last, sequence);

        expect(sequenceAt(position)).toBe(sequence);
        expect(position).toBeGreaterThanOrEqual(0);
        // Nearest, but for what would lie before the beginning.
        expect(Math.abs(position - last)).toBeLessThanOrEqual(position < 2 ** 31 ? 2 ** 31 : 2 ** 30);
      }),
    );
  });

  it('goes on after the greatest number with 0, as the next one', () => {
    expect(positionNear(SEQUENCE_MAX, 0)).toBe(SEQUENCE_MAX + 1);
    expect(positionNear(SEQUENCE_MAX + 2, SEQUENCE_MAX)).toBe(SEQUENCE_MAX);
    expect(sequenceAt(SEQUENCE_MAX + 1)).toBe(0);
  });

  it('takes a great number at the beginning for one ahead, not for one of a lap that never was', () => {
    expect(positionNear(2, SEQUENCE_MAX)).toBe(SEQUENCE_MAX);
  });

  it('makes a key that differs from lap to lap and that no client can send', () => {
    expect(sequenceKey(ID, 1, 0)).not.toBe(sequenceKey(ID, 1, SEQUENCE_MAX + 1));
    expect(sequenceKey(ID, 1, 0)).toMatch(/^\0/);
    expect(sequenceName({ producerId: ID, epoch: 1, sequence: 4 })).toBe(`${ID}/1/4`);
  });
});
