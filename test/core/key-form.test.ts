import { describe, expect, it } from 'vitest';
import { confirmHeadKey, readBodyKey, readHeadKey } from '../../src/core/key.ts';
import type { KeySource } from '../../src/core/policy.ts';
import { HEADER_SOURCE, headWith, keyPolicy, keySummary } from '../support/request-head.ts';

const FORM: KeySource = { kind: 'form', name: '_key' };
const OTHER: KeySource = { kind: 'form', name: 'key 2' };
const JSON_ID: KeySource = { kind: 'json', pointer: '/id', tokens: ['id'] };
const TYPE = 'Application/X-WWW-Form-Urlencoded ; charset=utf-8';

function inForm(
  body: string,
  sources: readonly KeySource[] = [FORM],
  type: string | undefined = TYPE,
): string {
  return keySummary(readBodyKey(keyPolicy({ sources }), Buffer.from(body), type));
}

describe('a key in a form', () => {
  it.each<readonly [string, string, string]>([
    ['is its field', 'a=1&_key=k-1&b', '=k-1'],
    ['is decoded, name and value', 'a=1&%5Fkey=k%2D1', '=k-1'],
    ['that is not there is absent', 'a=1', 'absent'],
    ['is absent from an empty body', '', 'absent'],
    ['that is empty is invalid', '_key=', 'invalid'],
    ['without a value is invalid', '_key', 'invalid'],
    ['that is repeated is invalid', '_key=a&_key=a', 'invalid'],
    ['in a form that does not decode is invalid', '_key=a&b=%ff', 'invalid'],
    ['with a space is invalid', '_key=a+b', 'invalid'],
  ])('%s', (_what, body, expected) => {
    expect(inForm(body)).toBe(expected);
  });

  it('is looked for in forms alone', () => {
    expect(inForm('_key=a', [FORM], 'text/plain')).toBe('absent');
    expect(inForm('_key=a', [FORM], 'application/json')).toBe('absent');
    expect(keySummary(readBodyKey(keyPolicy({ sources: [FORM] }), Buffer.from('_key=a'), undefined))).toBe(
      'absent',
    );
    expect(inForm('{"id":"a"}', [FORM, JSON_ID])).toBe('absent');
    expect(inForm('{"id":"a"}', [FORM, JSON_ID], 'application/json')).toBe('=a');
    expect(inForm('id=a', [JSON_ID])).toBe('absent');
  });

  it('that two fields contradict is invalid', () => {
    expect(inForm('_key=a&key+2=a', [FORM, OTHER])).toBe('=a');
    expect(inForm('_key=a&key+2=b', [FORM, OTHER])).toBe('invalid');
  });

  it('agrees with the one in the head, or is refused', () => {
    const policy = keyPolicy({ sources: [HEADER_SOURCE, FORM] });
    const confirmed = (body: string): string => confirmHeadKey(policy, 'a', Buffer.from(body), TYPE).kind;

    expect(readHeadKey(policy, headWith())).toEqual({ kind: 'in-body' });
    expect(confirmed('_key=a')).toBe('agrees');
    expect(confirmed('b=1')).toBe('agrees');
    expect(confirmed('_key=b')).toBe('invalid');
    expect(confirmHeadKey(policy, 'a', Buffer.from('{"_key":"b"}'), 'application/json').kind).toBe('agrees');
  });
});
