import { describe, expect, it } from 'vitest';
import { loadConfigText } from '../../src/config/load.ts';
import { STRANGER } from '../../src/core/caller.ts';
import { missingKeyDetail, type Planned, plan, type RouteTable } from '../../src/core/plan.ts';
import type { RequestHead } from '../../src/core/wire.ts';

function table(yaml: string): RouteTable {
  const loaded = loadConfigText(`upstream: { url: http://127.0.0.1:3000 }\n${yaml}`, 'o.yaml', {});
  if (loaded.kind === 'ok') return loaded.config;
  throw new Error(loaded.faults.map(({ text }) => text).join('\n'));
}

const TABLE = table(`
unmatched: not-found
routes:
  - { name: pay, match: { path: /pay }, key: { required: true } }
  - { name: open, match: { path: /open } }
  - { name: put, match: { path: /put }, keyIdempotentMethods: true }
  - { name: locked, match: { path: /locked }, keyIdempotentMethods: true, precondition: { methods: [PUT, POST] } }
  - { name: body, match: { path: /body }, key: { sources: [{ header: Idempotency-Key }, { query: key }, { json: /id }], required: true } }
`);
const CREDENTIALS = ['Authorization', 'Bearer one'];
const KEY = ['Idempotency-Key', '"abc"'];

function planned(
  method: string,
  path: string,
  rawHeaders: readonly string[],
  of: RouteTable = TABLE,
): Planned {
  const head: RequestHead = { method, target: path, httpVersion: '1.1', rawHeaders };
  return plan(of, head, { host: 'h', path: path.split('?')[0] ?? '' }, () => 0, STRANGER);
}

describe('what the head of a request decides', () => {
  it.each([
    [
      'a keyed request',
      'POST',
      '/pay',
      [...KEY, ...CREDENTIALS],
      { kind: 'keyed', requestClass: 'unsafe', key: 'abc' },
    ],
    ['a key by query', 'POST', '/body?key=abc', CREDENTIALS, { kind: 'keyed', key: 'abc' }],
    [
      'a key that may be in the body',
      'POST',
      '/body',
      CREDENTIALS,
      { kind: 'keyed', requestClass: 'unsafe', key: null },
    ],
    ['a safe request, key or not', 'GET', '/pay', KEY, { kind: 'bypass', requestClass: 'safe', why: 'safe' }],
    [
      'an idempotent request',
      'PUT',
      '/pay',
      [...KEY, ...CREDENTIALS],
      { kind: 'bypass', requestClass: 'idempotent', why: 'idempotent' },
    ],
    [
      '… where the route keys them',
      'PUT',
      '/put',
      [...KEY, ...CREDENTIALS],
      { kind: 'keyed', requestClass: 'idempotent', key: 'abc' },
    ],
    [
      'no key where none is required',
      'POST',
      '/open',
      CREDENTIALS,
      { kind: 'bypass', requestClass: 'unsafe', why: 'no-key' },
    ],
    [
      'no key where one is required',
      'POST',
      '/pay',
      CREDENTIALS,
      { kind: 'refused', requestClass: 'unsafe', code: 'key-missing' },
    ],
    [
      'a key that is none',
      'POST',
      '/open',
      ['Idempotency-Key', '"'],
      { kind: 'refused', requestClass: 'unsafe', code: 'key-invalid' },
    ],
    [
      'a key of nobody',
      'POST',
      '/pay',
      KEY,
      { kind: 'refused', requestClass: 'unsafe', code: 'scope-missing' },
    ],
    [
      'a key of two callers',
      'POST',
      '/pay',
      [...KEY, ...CREDENTIALS, ...CREDENTIALS],
      { kind: 'refused', requestClass: 'unsafe', code: 'bad-request' },
    ],
    [
      'a write without its condition',
      'PUT',
      '/locked',
      CREDENTIALS,
      { kind: 'refused', requestClass: 'idempotent', code: 'precondition-required' },
    ],
    [
      '… with a key that an earlier one may have used',
      'POST',
      '/locked',
      [...KEY, ...CREDENTIALS],
      { kind: 'refused', requestClass: 'unsafe', code: 'precondition-required', executed: 'unknown' },
    ],
    [
      '… with one that cannot be read',
      'PUT',
      '/locked',
      ['If-Match', '1'],
      { kind: 'refused', requestClass: 'idempotent', code: 'precondition-invalid' },
    ],
    [
      '… with a key that is none, which comes first',
      'PUT',
      '/locked',
      ['Idempotency-Key', '"'],
      { kind: 'refused', code: 'key-invalid' },
    ],
    [
      'a write with its condition',
      'PUT',
      '/locked',
      [...KEY, ...CREDENTIALS, 'If-Match', '"1"'],
      { kind: 'keyed', key: 'abc' },
    ],
    [
      'a read of what is written so',
      'GET',
      '/locked',
      CREDENTIALS,
      { kind: 'bypass', requestClass: 'safe', why: 'safe' },
    ],
  ])('%s', (_name, method, path, rawHeaders, wanted) => {
    expect(planned(method, path, rawHeaders)).toMatchObject(wanted);
  });

  it('says what is wrong, as the part that found it says it', () => {
    expect(planned('POST', '/pay', CREDENTIALS)).toMatchObject({
      detail: missingKeyDetail(policyOf('/pay')),
    });
    expect(planned('POST', '/pay', KEY)).toMatchObject({ detail: expect.stringContaining('authorization') });
    expect(planned('POST', '/pay', [...KEY, ...CREDENTIALS, ...CREDENTIALS])).toMatchObject({
      detail: expect.stringContaining('repeated'),
    });
    expect(planned('PUT', '/locked', [])).toMatchObject({
      detail: expect.stringMatching(/PUT.*If-Match.*If-None-Match: \*/),
    });
    expect(planned('POST', '/locked', [])).toMatchObject({ detail: expect.not.stringContaining('None') });
    expect(planned('PUT', '/locked', ['If-None-Match', ''])).toMatchObject({
      detail: expect.stringContaining('If-None-Match'),
    });
    expect(planned('POST', '/open', ['Idempotency-Key', '"'])).toMatchObject({
      detail: expect.stringContaining('not a String of RFC 9651'),
    });
  });

  it('is not found where no route matches and nothing stands in', () => {
    expect(planned('POST', '/elsewhere', KEY)).toEqual({ kind: 'not-found' });
  });

  it('follows the defaults where no route matches and they stand in', () => {
    const open = table('defaults: { scope: { anonymous: allow } }\nroutes: []');

    expect(planned('POST', '/elsewhere', KEY, open)).toMatchObject({ kind: 'keyed', key: 'abc' });
  });

  it('matches routes by method, host and fields too', () => {
    const narrow = table(`
unmatched: not-found
routes:
  - { name: narrow, match: { host: h, methods: [POST], headers: { X-Env: prod } } }
`);

    expect(planned('POST', '/', ['X-Env', 'prod'], narrow).kind).toBe('bypass');
    expect(planned('PATCH', '/', ['X-Env', 'prod'], narrow).kind).toBe('not-found');
    expect(planned('POST', '/', ['X-Env', 'test'], narrow).kind).toBe('not-found');
    expect(
      plan(
        narrow,
        { method: 'POST', target: '/', httpVersion: '1.1', rawHeaders: ['X-Env', 'prod'] },
        { host: 'i', path: '/' },
        () => 0,
        STRANGER,
      ).kind,
    ).toBe('not-found');
  });
});

function policyOf(path: string) {
  const found = planned('POST', path, []);
  if (found.kind === 'not-found') throw new Error(path);
  return found.policy;
}

it('a missing key is told with every place where it may stand', () => {
  expect(missingKeyDetail(policyOf('/body'))).toBe(
    'This operation needs an idempotency key in the header field idempotency-key or the query parameter key or the JSON body member /id: a fresh random value for each operation, the same value for each retry of it.',
  );
});
