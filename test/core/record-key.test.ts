import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordKey, recordKeyParts } from '../../src/core/record-key.ts';

const SECRET = Buffer.alloc(32, 7);
const SCOPE = Buffer.from('scope');

const text = fc.string({ unit: 'binary', maxLength: 12 });
const bytes = fc.uint8Array({ maxLength: 12 });

describe('a record key', () => {
  it('is 43 characters of base64url and has nothing of the key in it', () => {
    const found = recordKey(SECRET, 'default', SCOPE, 'my-order-4711');

    expect(found).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(found).not.toContain('4711');
  });

  it('is the HMAC-SHA-256 of its parts under the secret', () => {
    const expected = createHmac('sha256', SECRET)
      .update(recordKeyParts('default', SCOPE, 'k'))
      .digest('base64url');

    expect(recordKey(SECRET, 'default', SCOPE, 'k')).toBe(expected);
  });

  it('stays what it is: stored records are found by it', () => {
    expect(recordKey(SECRET, 'default', SCOPE, 'k')).toBe('rn2A9k2QeTCsIm6iMx7mw-IlBEAbl81euVsBiz7pRpo');
  });

  it.each([
    ['secret', recordKey(Buffer.alloc(32, 8), 'default', SCOPE, 'k')],
    ['keyspace', recordKey(SECRET, 'defaul', SCOPE, 'k')],
    ['scope', recordKey(SECRET, 'default', Buffer.from('scopf'), 'k')],
    ['key', recordKey(SECRET, 'default', SCOPE, 'K')],
  ])('differs with the %s', (_part, other) => {
    expect(other).not.toBe(recordKey(SECRET, 'default', SCOPE, 'k'));
  });
});

describe('the pre-image', () => {
  it('can be taken apart again, so no two triples share one', () => {
    fc.assert(
      fc.property(text, bytes, text, (keyspace, scope, key) => {
        const parts = takenApart(recordKeyParts(keyspace, scope, key));

        expect(parts).toEqual([
          { tag: 'n', bytes: Buffer.from(keyspace) },
          { tag: 's', bytes: Buffer.from(scope) },
          { tag: 'k', bytes: Buffer.from(key) },
        ]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('differs where a border between two parts moves', () => {
    fc.assert(
      fc.property(text, text, fc.nat({ max: 24 }), fc.nat({ max: 24 }), (one, other, cut, otherCut) => {
        const whole = one + other;
        const a = recordKeyParts(whole.slice(0, cut), SCOPE, whole.slice(cut));
        const b = recordKeyParts(whole.slice(0, otherCut), SCOPE, whole.slice(otherCut));

        expect(Buffer.compare(a, b) === 0).toBe(whole.slice(0, cut) === whole.slice(0, otherCut));
      }),
    );
  });
});

function takenApart(preImage: Uint8Array): readonly { readonly tag: string; readonly bytes: Buffer }[] {
  const whole = Buffer.from(preImage);
  const parts: { tag: string; bytes: Buffer }[] = [];
  for (let at = 0; at < whole.length; ) {
    const length = whole.readUInt32BE(at + 1);
    parts.push({
      tag: whole.toString('latin1', at, at + 1),
      bytes: Buffer.from(whole.subarray(at + 5, at + 5 + length)),
    });
    at += 5 + length;
  }
  return parts;
}
