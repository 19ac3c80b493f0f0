import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  SEAL_KEY_BYTES,
  type SealPlace,
  seal,
  sealKey,
  type Unsealed,
  unseal,
} from '../../src/store/seal.ts';

const K1 = sealKey('k1', Buffer.alloc(SEAL_KEY_BYTES, 1));
const K2 = sealKey('k2', Buffer.alloc(SEAL_KEY_BYTES, 2));
const PLAIN = Buffer.from('{"card":"4242"}');
const PLACE: SealPlace = { purpose: 'response', recordKey: 'record-1', client: null };
const BOUND: SealPlace = { ...PLACE, client: Buffer.from('order-4711') };
/** Made by the first version under K1 and BOUND, from PLAIN. */
const FIXTURE =
  'AQECazE/xLco91A+4GBuh87TYlYJO2i2ouwWfupQIlejZkL9pRxsW5WiqC/1ddM2YAyVG1Cy0ChU25jAoxToAnzizZK4XMaNa89bVb9s4V0=';

function whyNot(unsealed: Unsealed): string {
  return unsealed.kind === 'unreadable' ? unsealed.why : `opened ${unsealed.bytes.toString()}`;
}

describe('a sealed message does not open', () => {
  it.each([
    ['to its record', PLACE],
    ['to its client', BOUND],
  ])('when one byte of it has changed, whichever it is, sealed %s', (_how, place) => {
    const sealed = seal(K1, place, PLAIN);

    const opened = Array.from(sealed, (byte, at) => {
      const changed = Buffer.from(sealed);
      changed[at] = byte ^ 0x01;
      return unseal([K1], place, changed).kind;
    });

    expect(opened).toEqual(Array.from(sealed, () => 'unreadable'));
  });

  it('when it is cut short anywhere', () => {
    const sealed = seal(K1, PLACE, PLAIN);

    const opened = Array.from(sealed, (_byte, end) => unseal([K1], PLACE, sealed.subarray(0, end)).kind);

    expect(opened).toEqual(Array.from(sealed, () => 'unreadable'));
  });

  it('when something is appended', () => {
    const sealed = Buffer.concat([seal(K1, PLACE, PLAIN), Buffer.from([0])]);

    expect(whyNot(unseal([K1], PLACE, sealed))).toBe('not-authentic');
  });

  it('when it was moved to another record', () => {
    const sealed = seal(K1, PLACE, PLAIN);

    expect(whyNot(unseal([K1], { ...PLACE, recordKey: 'record-2' }, sealed))).toBe('not-authentic');
  });

  it('as something else than it was sealed as', () => {
    const sealed = seal(K1, PLACE, PLAIN);

    expect(whyNot(unseal([K1], { ...PLACE, purpose: 'note' }, sealed))).toBe('not-authentic');
  });

  it('under another key of the same id', () => {
    const sealed = seal(K1, PLACE, PLAIN);
    const impostor = sealKey('k1', Buffer.alloc(SEAL_KEY_BYTES, 9));

    expect(unseal([impostor], PLACE, sealed)).toEqual({
      kind: 'unreadable',
      why: 'not-authentic',
      keyId: 'k1',
    });
  });

  it('without its key, and says which one is missing', () => {
    const sealed = seal(K1, PLACE, PLAIN);

    expect(unseal([K2], PLACE, sealed)).toEqual({ kind: 'unreadable', why: 'key-missing', keyId: 'k1' });
    expect(unseal([], PLACE, sealed)).toEqual({ kind: 'unreadable', why: 'key-missing', keyId: 'k1' });
  });

  it('without its client, or with another one, where it is bound to one', () => {
    const sealed = seal(K1, BOUND, PLAIN);
    const other = { ...PLACE, client: Buffer.from('order-4712') };

    expect(whyNot(unseal([K1], PLACE, sealed))).toBe('client-missing');
    expect(whyNot(unseal([K1], other, sealed))).toBe('not-authentic');
  });

  it('whatever stands in its place, and nothing throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(unseal([K1, K2], BOUND, noise).kind).toBe('unreadable');
      }),
      { numRuns: 1_000 },
    );
  });

  it('and a key id of a forged form comes into no log line as it is', () => {
    const forged = Buffer.from(seal(K1, PLACE, PLAIN));
    forged.write('\n\u001b', 3, 'latin1');

    expect(unseal([K1], PLACE, forged)).toMatchObject({ why: 'key-missing', keyId: '??' });
  });
});

describe('a sealed message', () => {
  it('opens to what was sealed, whatever it is and whoever has it', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
        fc.option(fc.uint8Array({ maxLength: 40 }), { nil: null }),
        fc.constantFrom(K1, K2),
        (plain, recordKey, client, key) => {
          const place = { purpose: 'response', recordKey, client };

          const opened = unseal([K2, K1], place, seal(key, place, plain));

          expect(opened).toEqual({
            kind: 'opened',
            bytes: Buffer.from(plain),
            keyId: key.id,
            binding: client === null ? 'record' : 'client',
          });
        },
      ),
      { numRuns: 500 },
    );
  });

  it('that is bound to its record only opens although a client is at hand', () => {
    const sealed = seal(K1, PLACE, PLAIN);

    expect(unseal([K1], BOUND, sealed)).toMatchObject({ kind: 'opened', binding: 'record' });
  });

  it('shows nothing of its content and is never twice the same', () => {
    const one = seal(K1, PLACE, PLAIN);
    const two = seal(K1, PLACE, PLAIN);

    expect(one.includes('4242')).toBe(false);
    expect(one.subarray(5, 49)).not.toEqual(two.subarray(5, 49));
    expect(one.subarray(49)).not.toEqual(two.subarray(49));
  });

  it('is 63 bytes and its key id longer than what it holds', () => {
    expect(seal(K1, PLACE, PLAIN).length - PLAIN.length).toBe(63 + 'k1'.length);
  });

  it('stays what it is: what is stored must open for later versions', () => {
    const stored = Buffer.from(FIXTURE, 'base64');

    expect(whyNot(unseal([K1], BOUND, stored))).toBe('opened {"card":"4242"}');
  });
});

describe('a seal key', () => {
  it.each([
    ['31 bytes', 'k1', 31],
    ['33 bytes', 'k1', 33],
    ['an empty id', '', 32],
    ['an id with a space', 'k 1', 32],
    ['an id of 33 characters', 'k'.repeat(33), 32],
  ])('with %s is refused', (_what, id, bytes) => {
    expect(() => sealKey(id, Buffer.alloc(bytes))).toThrow(RangeError);
  });
});
