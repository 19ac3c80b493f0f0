import { describe, expect, it } from 'vitest';
import { confirmHeadKey, readBodyKey, readHeadKey } from '../../src/core/key.ts';
import type { KeySource } from '../../src/core/policy.ts';
import { HEADER_SOURCE, headOf, keyPolicy, keySummary } from '../support/request-head.ts';
import { describeWithVectors, stringVectors } from '../support/vectors.ts';

const QUERY_SOURCE: KeySource = { kind: 'query', name: 'request_id' };
const JSON_SOURCE: KeySource = { kind: 'json', pointer: '/meta/key', tokens: ['meta', 'key'] };
const OTHER_JSON_SOURCE: KeySource = { kind: 'json', pointer: '/request_id', tokens: ['request_id'] };

function bodyKey(
  body: string,
  contentType: string | undefined = 'application/json',
  sources = [JSON_SOURCE],
) {
  return keySummary(readBodyKey(keyPolicy({ sources }), Buffer.from(body), contentType));
}

describe('a key in a JSON body', () => {
  it.each([
    ['{"meta":{"key":"abc"}}', '=abc'],
    ['{"meta":{"key":"\\u0061bc"}}', '=abc'],
    ['{"meta":{"key":"abc"},"big":12345678901234567890,"x":1,"x":2,"s":"\\ud800"}', '=abc'],
    ['{"meta":{"other":1}}', 'absent'],
    ['{"meta":"key"}', 'absent'],
    ['{"meta":[{"key":"abc"}]}', 'absent'],
    ['[]', 'absent'],
    ['', 'absent'],
    ['{"meta":{"key":""}}', 'invalid'],
    ['{"meta":{"key":"a b"}}', 'invalid'],
    ['{"meta":{"key":"\\u00e9"}}', 'invalid'],
    ['{"meta":{"key":"\\ud800"}}', 'invalid'],
    ['{"meta":{"key":1}}', 'invalid'],
    ['{"meta":{"key":null}}', 'invalid'],
    ['{"meta":{"key":["abc"]}}', 'invalid'],
    ['{"meta":{"key":"abc","key":"abc"}}', 'invalid'],
    ['{"meta":{"key":"abc","\\u006bey":"d"}}', 'invalid'],
    ['{"meta":{"key":"abc"},"meta":{}}', 'invalid'],
    ['{"meta":{"key":"abc",}}', 'invalid'],
    ['\ufeff{"meta":{"key":"abc"}}', 'invalid'],
    ['['.repeat(200), 'invalid'],
  ])('%s gives %s', (body, expected) => {
    expect(bodyKey(body)).toBe(expected);
  });

  it('is invalid in a body that is not UTF-8', () => {
    const body = Buffer.from('{"meta":{"key":"\u00e9"}}', 'latin1');

    expect(readBodyKey(keyPolicy({ sources: [JSON_SOURCE] }), body, 'application/json').kind).toBe('invalid');
  });

  it.each([
    ['application/json', '=abc'],
    ['Application/JSON ; charset=utf-8', '=abc'],
    ['application/cloudevents+json', '=abc'],
    ['text/json', '=abc'],
    ['application/x-amz-json-1.0', '=abc'],
    ['application/x-amz-json-1.1; charset=utf-8', '=abc'],
    ['application/x-amz-json-2.0', 'absent'],
    ['application/x-amz-json-1.10', 'absent'],
    [undefined, '=abc'],
    ['text/plain', 'absent'],
    ['application/x-www-form-urlencoded', 'absent'],
    ['application/json-seq', 'absent'],
    ['application/x-ndjson', 'absent'],
    ['', 'absent'],
  ])('under Content-Type %s gives %s', (contentType, expected) => {
    const found = readBodyKey(
      keyPolicy({ sources: [JSON_SOURCE] }),
      Buffer.from('{"meta":{"key":"abc"}}'),
      contentType,
    );

    expect(keySummary(found)).toBe(expected);
  });

  it('is absent in a body that is no JSON and does not say so', () => {
    expect(
      keySummary(readBodyKey(keyPolicy({ sources: [JSON_SOURCE] }), Buffer.from('a=1'), undefined)),
    ).toBe('absent');
  });

  it('is absent in an empty body that does not say what it is', () => {
    expect(readBodyKey(keyPolicy({ sources: [JSON_SOURCE] }), Buffer.alloc(0), undefined).kind).toBe(
      'absent',
    );
  });

  it.each([
    ['\ufeff{}', 'it begins with a byte order mark (RFC 8259 section 8.1)'],
    ['['.repeat(200), 'it is nested too deeply'],
    [Uint8Array.of(0x1f, 0x8b, 0x08), 'it is not UTF-8 (a compressed body cannot be searched)'],
  ])('in a body like %s that does not say what it is is not ruled out', (body, why) => {
    const found = readBodyKey(keyPolicy({ sources: [JSON_SOURCE] }), Buffer.from(body), undefined);

    expect(found).toEqual({
      kind: 'invalid',
      detail: `The body cannot be searched for the key: ${why}.`,
    });
  });

  it.each([
    ['{', 'The body cannot be searched for the key: it is not well-formed JSON.'],
    ['{"meta":{"key":"a","key":"a"}}', 'The member "key" on the way to /meta/key is repeated; send it once.'],
    ['{"meta":{"key":7}}', 'The key in the body at /meta/key must be a JSON string.'],
    [
      '{"meta":{"key":"a"},"request_id":"b"}',
      'The key in the body at /meta/key differs from the one in the body at /request_id; send one key.',
    ],
    [
      '{"meta":{"key":""}}',
      'The key in the body at /meta/key is empty; send a fresh random value for each operation.',
    ],
  ])('in %s is told to be wrong: %s', (body, detail) => {
    const policy = keyPolicy({ sources: [JSON_SOURCE, OTHER_JSON_SOURCE] });

    expect(readBodyKey(policy, Buffer.from(body), 'application/json')).toMatchObject({
      kind: 'invalid',
      detail,
    });
  });

  it('says where it was found first, and is not looked for in the head', () => {
    const policy = keyPolicy({ sources: [HEADER_SOURCE, JSON_SOURCE, OTHER_JSON_SOURCE] });

    expect(
      readBodyKey(policy, Buffer.from('{"meta":{"key":"a"},"request_id":"a"}'), 'application/json'),
    ).toEqual({ kind: 'key', key: 'a', source: JSON_SOURCE });
  });

  it.each([
    ['{"meta":{"key":"a"},"request_id":"a"}', '=a'],
    ['{"request_id":"b"}', '=b'],
    ['{"meta":{"key":"a"},"request_id":"b"}', 'invalid'],
    ['{"meta":{"key":"a"},"request_id":5}', 'invalid'],
    ['{"meta":{"key":""},"request_id":"b"}', 'invalid'],
  ])('at two places: %s gives %s', (body, expected) => {
    expect(bodyKey(body, 'application/json', [JSON_SOURCE, OTHER_JSON_SOURCE])).toBe(expected);
  });
});

describe('several sources', () => {
  const sources = [HEADER_SOURCE, QUERY_SOURCE];

  it.each([
    ['a', '/p?request_id=a', '=a'],
    ['"a"', '/p?request_id=%61', '=a'],
    ['a', '/p', '=a'],
    [null, '/p?request_id=b', '=b'],
    ['a', '/p?request_id=b', 'invalid'],
    ['a', '/p?request_id=', 'invalid'],
    ['', '/p?request_id=b', 'invalid'],
    [null, '/p', 'absent'],
  ])('the field %j and the target %s give %s', (field, target, expected) => {
    const rawHeaders = field === null ? [] : ['Idempotency-Key', field];

    expect(keySummary(readHeadKey(keyPolicy({ sources }), headOf({ target, rawHeaders })))).toBe(expected);
  });

  it.each([
    ['a', '=a'],
    [null, 'in-body'],
    ['', 'invalid'],
  ])('with one in the body the field %j gives %s', (field, expected) => {
    const rawHeaders = field === null ? [] : ['Idempotency-Key', field];
    const policy = keyPolicy({ sources: [JSON_SOURCE, HEADER_SOURCE] });

    expect(keySummary(readHeadKey(policy, headOf({ rawHeaders })))).toBe(expected);
  });

  it.each([
    ['{"meta":{"key":"a"}}', 'agrees'],
    ['{"meta":{}}', 'agrees'],
    ['{', 'agrees'],
    ['', 'agrees'],
    ['{"meta":{"key":"b"}}', 'invalid'],
    ['{"meta":{"key":"b"},"big":12345678901234567890}', 'invalid'],
    ['{"meta":{"key":1}}', 'invalid'],
    ['{"meta":{"key":"a","key":"a"}}', 'invalid'],
  ])('the key a of the head and the body %s: %s', (body, expected) => {
    const policy = keyPolicy({ sources: [HEADER_SOURCE, JSON_SOURCE] });

    expect(confirmHeadKey(policy, 'a', Buffer.from(body), 'application/json').kind).toBe(expected);
  });

  it('the key of the head is not compared with a body that does not say it is JSON but says what it is', () => {
    const policy = keyPolicy({ sources: [HEADER_SOURCE, JSON_SOURCE] });
    const body = Buffer.from('{"meta":{"key":"b"}}');

    expect(confirmHeadKey(policy, 'a', body, 'text/plain').kind).toBe('agrees');
    expect(confirmHeadKey(policy, 'a', body, undefined)).toEqual({
      kind: 'invalid',
      detail: 'The key in the body at /meta/key differs from the one in the request head; send one key.',
      keys: 'several',
    });
  });

  it('the key of the head is told by the first that has it', () => {
    const head = headOf({ target: '/p?request_id=a', rawHeaders: ['Idempotency-Key', 'a'] });

    expect(readHeadKey(keyPolicy({ sources: [QUERY_SOURCE, HEADER_SOURCE] }), head)).toEqual({
      kind: 'key',
      key: 'a',
      source: QUERY_SOURCE,
    });
  });

  it('the key of the head is not compared with a body that is no source', () => {
    const body = Buffer.from('{"meta":{"key":"b"}}');

    expect(confirmHeadKey(keyPolicy(), 'a', body, 'application/json').kind).toBe('agrees');
  });
});

describeWithVectors('naughty strings as keys in a body', ['blns.json'], (read) => {
  it('are taken as they are or refused', () => {
    const strings = stringVectors(read('blns.json'));
    const asItIs = (text: string): string => (/^[\x21-\x7e]{1,255}$/.test(text) ? `=${text}` : 'invalid');
    const wrong = strings.filter((text) => bodyKey(JSON.stringify({ meta: { key: text } })) !== asItIs(text));

    expect(strings.length).toBeGreaterThan(500);
    expect(wrong).toEqual([]);
  });
});
