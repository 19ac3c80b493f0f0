import { describe, expect, it } from 'vitest';
import { captureValues } from '../../src/core/capture.ts';
import type { CaptureSource } from '../../src/core/reconcile.ts';
import { headOf } from '../support/request-head.ts';

const JSON_ID: CaptureSource = { kind: 'json', tokens: ['id'] };
const HEADER: CaptureSource = { kind: 'header', name: 'x-account' };
const QUERY: CaptureSource = { kind: 'query', name: 'of' };

type Given = { readonly target?: string; readonly rawHeaders?: readonly string[]; readonly body?: string };

/** What is captured as `v` beside the key, or null. */
function captured(source: CaptureSource, { body = '', ...head }: Given): string | null {
  const values = captureValues([{ name: 'v', source }], 'k', headOf(head), Buffer.from(body));
  expect(values.get('key')).toBe('k');
  return values.get('v') ?? null;
}

describe('a value captured from the body', () => {
  it.each([
    ['{"id":"a"}', 'a'],
    ['{"id":""}', ''],
    ['{"id":-12}', '-12'],
    ['{"id":9007199254740991}', '9007199254740991'],
    ['{"id":9007199254740992}', null],
    ['{"id":0.5}', null],
    ['{"id":true}', 'true'],
    ['{"id":false}', 'false'],
    ['{"id":null}', null],
    ['{"id":[]}', null],
    ['{"id":{}}', null],
    ['{"id":"a","id":"a"}', null],
    ['{"id":"a","n":9007199254740993,"x":1,"x":2}', 'a'],
    ['{}', null],
    ['{', null],
    ['', null],
  ])('%s is %j', (body, expected) => {
    expect(captured(JSON_ID, { body })).toBe(expected);
  });

  it('is there beside others, whatever their order', () => {
    const captures = [
      { name: 'account', source: HEADER },
      { name: 'id', source: JSON_ID },
      { name: 'to', source: { kind: 'json', tokens: ['to'] } },
    ] as const;
    const head = headOf({ rawHeaders: ['X-Account', 'me'] });

    expect([...captureValues(captures, 'k', head, Buffer.from('{"id":"a","to":"b"}'))]).toEqual([
      ['key', 'k'],
      ['account', 'me'],
      ['id', 'a'],
      ['to', 'b'],
    ]);
  });
});

describe('a value captured from the head', () => {
  it.each([
    [['X-Account', 'me'], 'me'],
    [['x-account', ''], ''],
    [['X-Account', 'a', 'X-Account', 'a'], null],
    [['X', 'a'], null],
  ])('of the fields %j is %j', (rawHeaders, expected) => {
    expect(captured(HEADER, { rawHeaders })).toBe(expected);
  });

  it.each([
    ['/p?of=a', 'a'],
    ['/p?x=1&of=a&y', 'a'],
    ['/p?of', ''],
    ['/p?of=', ''],
    ['/p?%6Ff=a%2Bb+c', 'a+b c'],
    ['/p?of=a=b', 'a=b'],
    ['/p?of=%ff', null],
    ['/p?of=a&of=a', null],
    ['/p?off=a', null],
    ['/p?', null],
    ['/p', null],
  ])('of the query of %s is %j', (target, expected) => {
    expect(captured(QUERY, { target })).toBe(expected);
  });

  it('of the query is not looked for in the path', () => {
    expect(captured({ kind: 'query', name: '/of' }, { target: '/of=a' })).toBeNull();
  });

  it.each([
    ['/a/b/c', 1, 'a'],
    ['/a/b/c', 3, 'c'],
    ['/a/b/c', 4, null],
    ['/a/b?c=/d', 2, 'b'],
    ['/a/b?c=/d', 3, null],
    ['/a%2Fb/', 1, 'a/b'],
    ['/a/', 2, ''],
    ['/%zz', 1, null],
  ])('of the path %s, segment %i is %j', (target, number, expected) => {
    expect(captured({ kind: 'segment', number }, { target })).toBe(expected);
  });

  it.each([
    [512, 'kept'],
    [513, 'left out'],
  ])('of %i characters is %s', (length, what) => {
    const value = captured(HEADER, { rawHeaders: ['X-Account', 'a'.repeat(length)] });

    expect(value === null ? 'left out' : 'kept').toBe(what);
  });
});
