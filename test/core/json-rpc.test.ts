import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readdressed, readJsonRpc } from '../../src/core/json-rpc.ts';

/** Messages of JSON-RPC: which are calls, and how an answer gets another id. */

const CALLS = { methods: ['tools/call'] };

function read(text: string) {
  return readJsonRpc(CALLS, Buffer.from(text, 'utf8'));
}

function response(contentType: string, body: string, ...rawHeaders: readonly string[]) {
  return {
    kind: 'full',
    status: 200,
    rawHeaders: ['Content-Type', contentType, 'Content-Length', String(body.length), ...rawHeaders],
    body: Buffer.from(body, 'utf8'),
    receivedAtMs: 0,
  } as const;
}

/** The body with the id 9, or null where no answer was found. */
function told(contentType: string, body: string, ...rawHeaders: readonly string[]): string | null {
  const changed = readdressed(response(contentType, body, ...rawHeaders), '9');
  return changed === null ? null : Buffer.from(changed.body).toString('utf8');
}

describe('a message', () => {
  it.each([
    ['{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}', { kind: 'call', id: '7' }],
    ['{"method":"tools/call", "id" : "a\\u00e9\\"" }', { kind: 'call', id: '"a\\u00e9\\""' }],
    ['{"method":"tools/call","id":12345678901234567890}', { kind: 'call', id: '12345678901234567890' }],
    ['{"method":"tools/call"}', { kind: 'call', id: null }],
    ['{"method":"tools/call","id":null}', { kind: 'call', id: null }],
    ['{"method":"tools\\/call","id":1}', { kind: 'call', id: '1' }],
    ['{"method":"initialize","id":1}', { kind: 'other' }],
    ['{"method":"notifications/cancelled"}', { kind: 'other' }],
    ['{"id":1,"result":{}}', { kind: 'other' }],
    ['{"method":7,"id":1}', { kind: 'other' }],
    ['[{"method":"ping","id":1},{"method":"tools/list","id":2}]', { kind: 'other' }],
    ['[]', { kind: 'other' }],
    ['', { kind: 'none' }],
    ['not json', { kind: 'none' }],
    ['"tools/call"', { kind: 'none' }],
  ] as const)('%s', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it.each([
    '{"method":"ping","method":"tools/call","id":1}',
    '{"method":"tools/call","id":1,"id":2}',
    '{"method":"tools/call","params":{},"params":{}}',
    '[{"method":"ping","id":1},{"method":"tools/call","id":2}]',
    '[{"method":"ping","method":"tools/call","id":1}]',
    `{"method":"tools/call","id":"${'x'.repeat(1024)}"}`,
  ])('that could be read in two ways, or answered in none, is refused: %s', (text) => {
    expect(read(text).kind).toBe('refused');
  });
});

describe('an answer in JSON', () => {
  it.each([
    ['{"jsonrpc":"2.0","id":1,"result":{"id":1}}', '{"jsonrpc":"2.0","id":9,"result":{"id":1}}'],
    ['{"result": 1.50, "id" : "one" }', '{"result": 1.50, "id" : 9 }'],
    ['{"id":1,"error":{"code":-32602,"message":"é"}}', '{"id":9,"error":{"code":-32602,"message":"é"}}'],
  ])('gets the id and nothing else is changed: %s', (body, expected) => {
    expect(told('application/json; charset=utf-8', body)).toBe(expected);
  });

  it.each([
    '{"jsonrpc":"2.0","id":null,"error":{}}',
    '{"id":1,"method":"roots/list"}',
    '{"message":"not of JSON-RPC"}',
    '[{"id":1,"result":{}}]',
    'half of',
    '',
  ])('that is none to a request stays as it is: %s', (body) => {
    expect(told('application/json', body)).toBe(body);
  });

  it('loses the fields that spoke of its bytes, and keeps the others', () => {
    const changed = readdressed(
      response('application/json', '{"id":1,"result":0}', 'ETag', '"a"', 'X-Kept', 'b', 'Digest', 'c'),
      '10',
    );

    expect(changed?.rawHeaders).toEqual(['Content-Type', 'application/json', 'X-Kept', 'b']);
  });

  it('that is compressed cannot be given another id', () => {
    expect(told('application/json', 'x', 'Content-Encoding', 'gzip')).toBeNull();
    expect(told('application/json', '{"id":1,"result":0}', 'Content-Encoding', 'identity')).not.toBeNull();
  });

  it('of another type stays as it is', () => {
    expect(told('text/plain', '{"id":1,"result":0}')).toBe('{"id":1,"result":0}');
  });

  it('has any id put in place of any other, in any document', () => {
    const ids = fc.oneof(fc.integer(), fc.string());
    fc.assert(
      fc.property(ids, ids, fc.jsonValue(), fc.constantFrom('result', 'error'), (old, id, value, member) => {
        const message = { jsonrpc: '2.0', [member]: value, id: old, more: { id: old } };
        const changed = readdressed(
          response('application/json', JSON.stringify(message, null, 1)),
          JSON.stringify(id),
        );

        expect(JSON.parse(Buffer.from(changed?.body ?? []).toString('utf8'))).toEqual(
          JSON.parse(JSON.stringify({ ...message, id })),
        );
      }),
    );
  });
});

describe('an answer in a stream of events', () => {
  const ANSWER = 'event: message\ndata: {"id":9,"result":"done"}\n\n';

  it.each([
    ['one event', 'event: message\ndata: {"id":1,"result":"done"}\n\n'],
    ['an event without a name', 'data:{"id":1,"result":"done"}\n\n'],
    ['lines that end with CR LF', 'id: 5\r\ndata: {"id":1,"result":"done"}\r\n\r\n'],
    ['lines that end with CR', 'data: {"id":1,"result":"done"}\r\r'],
    [
      'progress and a request of the server before it',
      'data: {"method":"notifications/progress","params":{"progressToken":1}}\n\ndata: {"id":1,"method":"roots/list"}\n\ndata: {"id":1,"result":"done"}\n\n',
    ],
    [
      'comments and an empty event',
      ': ping\n\nid: 1\nretry: 3000\ndata: \n\ndata: {"id":1,"result":"done"}\n\n',
    ],
  ])('is the only event of the replay: %s', (_what, body) => {
    expect(told('text/event-stream', body)).toBe(ANSWER);
  });

  it('on several lines comes out on one', () => {
    expect(told('text/event-stream', 'data: {"id":1,\ndata: "result":"done"}\n\n')).toBe(
      'event: message\ndata: {"id":9, "result":"done"}\n\n',
    );
  });

  it.each([
    ['no event', ': ping\n\n'],
    ['only progress', 'data: {"method":"notifications/progress"}\n\n'],
    ['an event that was cut short', 'data: {"id":1,"result":"done"}'],
  ])('that is not there cannot be told: %s', (_what, body) => {
    expect(told('text/event-stream', body)).toBeNull();
  });
});
