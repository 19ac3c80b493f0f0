import { describe, expect, it } from 'vitest';
import { wholeKey } from '../../src/core/body-key.ts';
import { type DialectPolicy, dialectFields, withDialectFields } from '../../src/core/dialect.ts';
import { HEADER_SOURCE, headWith, keyPolicy } from '../support/request-head.ts';

/** The field lines of a dialect, and the key of a request that has been read. */

const PLAIN: DialectPolicy = {
  errors: 'stripe',
  statuses: {},
  echoKey: null,
  repeatability: null,
  jsonRpc: null,
  grpc: null,
};
const ECHO: DialectPolicy = { ...PLAIN, echoKey: 'idempotency-key' };
const REPEATABLE: DialectPolicy = { ...PLAIN, repeatability: { kind: 'unsupported' } };

describe('the field lines that a dialect adds to an answer', () => {
  it.each([
    ['none', PLAIN, 'k1', 'accepted', []],
    ['the key', ECHO, 'k1', 'accepted', ['idempotency-key', 'k1']],
    ['no key where there is none', ECHO, null, 'accepted', []],
    ['the result', REPEATABLE, 'k1', 'rejected', ['Repeatability-Result', 'rejected']],
    ['no result where none is true', REPEATABLE, 'k1', null, []],
    [
      'both',
      { ...REPEATABLE, echoKey: 'x-key' },
      'k1',
      'accepted',
      ['x-key', 'k1', 'Repeatability-Result', 'accepted'],
    ],
  ] as const)('%s', (_what, dialect, key, result, expected) => {
    expect(dialectFields(dialect, key, result)).toEqual(expected);
  });
});

describe('an answer of the backend', () => {
  const answer = ['Idempotency-Key', 'theirs', 'X-A', '1', 'REPEATABILITY-RESULT', 'rejected', 'X-A', '2'];

  it('keeps its lines as they are where a dialect adds none', () => {
    expect(withDialectFields(answer, null, 'k1', 'accepted')).toBe(answer);
    expect(withDialectFields(answer, PLAIN, 'k1', 'accepted')).toBe(answer);
  });

  it('has ours in place of its own of the same name, and all others in their order', () => {
    expect(withDialectFields(answer, ECHO, 'k1', 'accepted')).toEqual([
      ...['X-A', '1', 'REPEATABILITY-RESULT', 'rejected', 'X-A', '2', 'idempotency-key', 'k1'],
    ]);
    expect(withDialectFields(answer, REPEATABLE, 'k1', 'accepted')).toEqual([
      ...['Idempotency-Key', 'theirs', 'X-A', '1', 'X-A', '2', 'Repeatability-Result', 'accepted'],
    ]);
  });

  it('loses its own result where none is true', () => {
    expect(withDialectFields(answer, REPEATABLE, 'k1', null)).toEqual([
      ...['Idempotency-Key', 'theirs', 'X-A', '1', 'X-A', '2'],
    ]);
  });
});

describe('the key of a request that has been read', () => {
  const policy = keyPolicy({
    sources: [HEADER_SOURCE, { kind: 'json', pointer: '/id', tokens: ['id'] }],
  });
  const head = headWith('Content-Type', 'application/json');
  const find = (headKey: string | null, body: string) => wholeKey(policy, headKey, head, Buffer.from(body));

  it.each([
    ['that of the head', 'k1', '{}', { kind: 'key', key: 'k1' }],
    ['that of both', 'k1', '{"id":"k1"}', { kind: 'key', key: 'k1' }],
    ['that of the body', null, '{"id":"k2"}', { kind: 'key', key: 'k2' }],
    ['none', null, '{}', { kind: 'absent' }],
    ['two that differ', 'k1', '{"id":"k2"}', { kind: 'invalid' }],
    ['one of the body that is none', null, '{"id":7}', { kind: 'invalid' }],
  ] as const)('%s', (_what, headKey, body, expected) => {
    expect(find(headKey, body)).toMatchObject(expected);
  });
});
