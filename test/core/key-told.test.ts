import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readHeadKey } from '../../src/core/key.ts';
import type { KeySource } from '../../src/core/policy.ts';
import { HEADER_SOURCE, headOf, headWith, keyPolicy } from '../support/request-head.ts';

const QUERY_SOURCE: KeySource = { kind: 'query', name: 'request_id' };

describe('what a client is told of an invalid key', () => {
  it.each([
    [
      '"abc',
      'The field idempotency-key is not a String of RFC 9651: the closing double quote is missing. Example: idempotency-key: "8e03978e-40d5-43e8-bc93-6894a57f9324"',
    ],
    ['', 'The key in the field idempotency-key is empty; send a fresh random value for each operation.'],
    ['k'.repeat(256), 'The key in the field idempotency-key has 256 characters; allowed are 1 to 255.'],
    ['a b', 'The key in the field idempotency-key may have only visible ASCII characters, no spaces.'],
  ])('%j', (value, detail) => {
    expect(readHeadKey(keyPolicy(), headWith('Idempotency-Key', value))).toMatchObject({
      kind: 'invalid',
      detail,
    });
  });

  it.each([
    [
      '/p?request_id=',
      'The key in the query parameter request_id is empty; send a fresh random value for each operation.',
    ],
    [
      '/p?request_id',
      'The key in the query parameter request_id is empty; send a fresh random value for each operation.',
    ],
    ['/p?request_id=a&request_id=a', 'The query parameter request_id is repeated; send it once.'],
    ['/p?request_id=%ff', 'The query parameter request_id is not well-formed percent-encoded UTF-8.'],
  ])('in the query: %s', (target, detail) => {
    expect(readHeadKey(keyPolicy({ sources: [QUERY_SOURCE] }), headOf({ target }))).toMatchObject({
      kind: 'invalid',
      detail,
    });
  });

  it.each([
    ['printable-ascii', 'The key in the field idempotency-key may have only printable ASCII characters.'],
    [
      'uuid',
      'The key in the field idempotency-key must be a UUID, such as 8e03978e-40d5-43e8-bc93-6894a57f9324.',
    ],
  ] as const)('where keys are %s', (characters, detail) => {
    expect(readHeadKey(keyPolicy({ characters }), headWith('Idempotency-Key', 'caf\u00e9'))).toEqual({
      kind: 'invalid',
      detail,
    });
  });

  it('where two sources disagree names both', () => {
    const head = headOf({ target: '/p?request_id=b', rawHeaders: ['Idempotency-Key', 'a'] });

    expect(readHeadKey(keyPolicy({ sources: [HEADER_SOURCE, QUERY_SOURCE] }), head)).toEqual({
      kind: 'invalid',
      detail:
        'The key in the field idempotency-key differs from the one in the query parameter request_id; send one key.',
      keys: 'several',
    });
  });

  it('never has the value of the key in it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (text) => {
        const value = `${text}secret-value\u00ff`;
        const found = readHeadKey(keyPolicy(), headWith('Idempotency-Key', value));

        expect(found.kind === 'invalid' && found.detail).not.toContain('secret-value');
        expect(found.kind).toBe('invalid');
      }),
    );
  });
});
