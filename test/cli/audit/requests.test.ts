import { describe, expect, it } from 'vitest';
import { REQUESTS_MAX, readRequests, targetOf } from '../../../src/cli/audit/requests.ts';

function read(text: string) {
  const found = readRequests(text);
  if (found.kind === 'fault') throw new Error(found.message);
  return found;
}

function har(...requests: readonly object[]): string {
  return JSON.stringify({ log: { version: '1.2', entries: requests.map((request) => ({ request })) } });
}

function texts({ requests }: ReturnType<typeof read>): readonly string[] {
  return requests.map(({ method, target, body }) =>
    `${method} ${target} ${Buffer.from(body).toString()}`.trim(),
  );
}

describe('a HAR', () => {
  it('is read for what is idempotent, each once, whatever host it was captured from', () => {
    const found = read(
      har(
        { method: 'GET', url: 'https://shop.example/items?page=1#top', headers: [] },
        { method: 'PUT', url: 'https://shop.example/items/1', headers: [], postData: { text: '{"a":1}' } },
        { method: 'PUT', url: 'https://shop.example/items/1', headers: [], postData: { text: '{"a":1}' } },
        { method: 'PUT', url: 'https://shop.example/items/1', headers: [], postData: { text: '{"a":2}' } },
        { method: 'POST', url: 'https://shop.example/items', headers: [] },
        { method: 'DELETE', url: 'https://shop.example', headers: [] },
        { method: 'GET', url: 'wss://shop.example/live', headers: [] },
      ),
    );

    expect(texts(found)).toEqual([
      'GET /items?page=1',
      'PUT /items/1 {"a":1}',
      'PUT /items/1 {"a":2}',
      'DELETE /',
    ]);
    expect(found.leftOut).toEqual([
      { at: 'entry 3', why: 'the same as an earlier one' },
      { at: 'entry 5', why: 'POST is not idempotent by definition: it needs a key, not an audit' },
      { at: 'entry 7', why: 'its URL is neither a path nor http(s)' },
    ]);
  });

  it('gives no credential, key or field of the connection to the test backend', () => {
    const { requests } = read(
      har({
        method: 'PUT',
        url: 'https://shop.example/items/1',
        headers: [
          { name: ':authority', value: 'shop.example' },
          { name: 'Host', value: 'shop.example' },
          { name: 'Authorization', value: 'Bearer live' },
          { name: 'Cookie', value: 'session=live' },
          { name: 'Idempotency-Key', value: 'k' },
          { name: 'Accept-Encoding', value: 'br' },
          { name: 'Content-Length', value: '7' },
          { name: 'Content-Type', value: 'application/json' },
          { name: 'If-Match', value: '"1"' },
        ],
      }),
    );

    expect(requests[0]?.rawHeaders).toEqual(['Content-Type', 'application/json', 'If-Match', '"1"']);
  });

  it('has bodies as text, Base64 and form fields', () => {
    const url = 'https://shop.example/x';
    const found = read(
      har(
        { method: 'PUT', url, headers: [], postData: { text: 'AAH/', encoding: 'base64' } },
        { method: 'PUT', url, headers: [], postData: { params: [{ name: 'a', value: 'b c' }] } },
      ),
    );

    expect(found.requests.map(({ body }) => Buffer.from(body).toString('hex'))).toEqual([
      '0001ff',
      Buffer.from('a=b+c').toString('hex'),
    ]);
  });

  it('with entries that are none leaves those out', () => {
    expect(
      read(har({ method: 7 }, { method: 'GET', url: '/', headers: {} })).leftOut.map(({ why }) => why),
    ).toEqual(['it has no method and url', 'its headers are no list of name and value']);
  });
});

describe('a file of lines', () => {
  it('has one JSON object in each, with body as JSON, text or Base64', () => {
    const found = read(
      [
        '# of the shop',
        '{"method": "PUT", "path": "/a", "body": {"n": 1}}',
        '',
        '{"method": "PUT", "path": "/b", "body": "text", "headers": {"Content-Type": "text/plain"}}',
        '{"method": "PUT", "url": "http://x/c", "bodyBase64": "AAE=", "check": "/sum"}',
        '{"method": "GET", "path": "/d"}',
      ].join('\r\n'),
    );

    expect(texts(found)).toEqual(['PUT /a {"n":1}', 'PUT /b text', 'PUT /c \u0000\u0001', 'GET /d']);
    expect(found.requests.map(({ at, rawHeaders, check }) => [at, rawHeaders, check])).toEqual([
      ['line 2', ['Content-Type', 'application/json'], null],
      ['line 4', ['Content-Type', 'text/plain'], null],
      ['line 5', [], '/sum'],
      ['line 6', [], null],
    ]);
  });

  it.each([
    ['not JSON', 'it is no JSON object with method and path'],
    ['[1]', 'it is no JSON object with method and path'],
    ['{"method": "PUT"}', 'it is no JSON object with method and path'],
    ['{"method": "P T", "path": "/"}', 'its method is none'],
    ['{"method": "put", "path": "/"}', 'put is not idempotent by definition: it needs a key, not an audit'],
    ['{"method": "PUT", "path": "ftp://x/"}', 'its URL is neither a path nor http(s)'],
    ['{"method": "PUT", "path": "/a b"}', 'its URL is neither a path nor http(s)'],
    ['{"method": "PUT", "path": "/", "check": "x"}', 'its check is neither a path nor http(s)'],
    ['{"method": "PUT", "path": "/", "check": 7}', 'its check is no path'],
    ['{"method": "PUT", "path": "/", "headers": {"a": 1}}', 'its headers are no object of names and texts'],
    ['{"method": "PUT", "path": "/", "headers": {"a b": "1"}}', 'its field "a b" cannot be sent'],
    ['{"method": "PUT", "path": "/", "headers": {"a": "x\\r\\ny"}}', 'its field "a" cannot be sent'],
    [
      '{"method": "PUT", "path": "/", "body": 1, "bodyBase64": ""}',
      'bodyBase64 is text, and in place of body',
    ],
    ['{"method": "GET", "path": "/", "headers": {"Upgrade": "websocket"}}', 'it asks for an upgrade'],
  ])('leaves out %s', (line, why) => {
    expect(read(line)).toMatchObject({ requests: [], leftOut: [{ at: 'line 1', why }] });
  });

  it('of nothing, or of more than can be tried, is a fault', () => {
    const many = Array.from({ length: REQUESTS_MAX + 1 }, (_, n) => `{"method":"GET","path":"/${n}"}`).join(
      '\n',
    );

    expect([readRequests('\n\n').kind, readRequests(many).kind]).toEqual(['fault', 'fault']);
  });
});

it.each([
  ['/a?b#c', '/a?b'],
  ['https://x.example', '/'],
  ['https://x.example?q', '/?q'],
  ['HTTP://x.example/a', '/a'],
  ['//x', '//x'],
  ['a', null],
  ['/ä', null],
])('the target of %s is %s', (url, target) => {
  expect(targetOf(url)).toBe(target);
});
