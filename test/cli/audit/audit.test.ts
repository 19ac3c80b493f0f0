import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Folder, type Ran, runBinary, temporaryFolder } from '../../support/child-proxy.ts';
import { freePort } from '../../support/free-port.ts';

/** The command against a real backend that is idempotent in some things and not in others. */

let folder: Folder;
let target: string;
let close: () => void;
const items = new Map<string, string>();
const seen: IncomingMessage[] = [];
let visits = 0;
let counter = 0;

beforeAll(async () => {
  folder = temporaryFolder();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.push(request);
      const { status, value } = serve(request, Buffer.concat(chunks).toString());
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(value === undefined ? undefined : JSON.stringify(value));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = () => {
    server.closeAllConnections();
    server.close();
  };
});
afterAll(() => {
  close();
  folder.remove();
});
beforeEach(() => {
  items.clear();
  seen.length = 0;
  visits = 0;
  counter = 0;
});

type Served = { readonly status: number; readonly value?: unknown };

function serve({ method = '', url = '' }: IncomingMessage, body: string): Served {
  if (url.startsWith('/items/')) return serveItem(method, url, body);
  switch (url) {
    case '/counter':
      if (method === 'PUT') counter += 1;
      return { status: 200, value: { counter } };
    case '/page':
      visits += 1;
      return { status: 200, value: { title: 'page' } };
    case '/visits':
      return { status: 200, value: { visits } };
    case '/write-only':
      return { status: method === 'GET' ? 405 : 204 };
    default:
      return { status: 500 };
  }
}

function serveItem(method: string, url: string, body: string): Served {
  const existed = items.has(url);
  if (method === 'PUT') {
    items.set(url, body);
    return { status: existed ? 200 : 201 };
  }
  if (method === 'DELETE') return { status: items.delete(url) ? 204 : 404 };
  // What changes by itself is no change.
  return existed ? { status: 200, value: { body: items.get(url), served: seen.length } } : { status: 404 };
}

const YES = '--yes-this-is-a-test-backend';

function lines(...requests: readonly object[]): string {
  return folder.file('requests.jsonl', requests.map((request) => JSON.stringify(request)).join('\n'));
}

async function audit(file: string, ...more: readonly string[]): Promise<Ran> {
  return await runBinary(['audit', file, '--target', target, YES, ...more]);
}

describe('onceward audit', () => {
  it('tells what is idempotent, what only answers otherwise, what is not, and what it cannot know', async () => {
    const file = lines(
      { method: 'PUT', path: '/items/1', body: { name: 'a' } },
      { method: 'DELETE', path: '/items/1' },
      { method: 'PUT', path: '/counter', body: {} },
      { method: 'PUT', path: '/write-only', body: {} },
      { method: 'GET', path: '/page' },
      { method: 'GET', path: '/page', check: '/visits', headers: { 'X-Other': 'so that it is another' } },
      { method: 'DELETE', path: '/broken' },
      { method: 'POST', path: '/items' },
    );

    const ran = await audit(file);

    expect(ran).toEqual({
      code: 1,
      stderr: '',
      stdout: `idempotent      PUT /items/1 (line 1)
answer-differs  DELETE /items/1 (line 2)
                the second answer: status: 204 → 404
not-idempotent  PUT /counter (line 3)
                what GET /counter reads: /counter: 1 → 2
unsure          PUT /write-only (line 4)
                GET /write-only cannot read its effect back: 405; give --check
idempotent      GET /page (line 5)
unsure          DELETE /broken (line 7)
                the first answer is 500: nothing was tried

2 idempotent, 1 answer-differs, 1 not-idempotent, 2 unsure
left out: line 6: the same as an earlier one
left out: line 8: POST is not idempotent by definition: it needs a key, not an audit
`,
    });
    expect(counter).toBe(2);
  });

  it('with --check sees a GET that changes something, and with --ignore does not mind it', async () => {
    const file = lines({ method: 'GET', path: '/page' });

    const found = await audit(file, '--check', '/visits');
    const ignored = await audit(file, '--check', '/visits', '--ignore', '/visits');

    expect([found.code, found.stdout]).toEqual([1, expect.stringContaining('/visits: 1 → 2')]);
    expect([ignored.code, ignored.stdout]).toEqual([0, expect.stringMatching(/^idempotent +GET \/page/)]);
  });

  it('sends a HAR with the fields of the test backend, and none of its credentials', async () => {
    const request = {
      method: 'PUT',
      url: 'https://shop.example/items/9',
      headers: [
        { name: 'authorization', value: 'Bearer live' },
        { name: 'content-type', value: 'application/json' },
      ],
      postData: { mimeType: 'application/json', text: '{"name":"nine"}' },
    };
    const file = folder.file('shop.har', JSON.stringify({ log: { entries: [{ request }] } }));

    const ran = await audit(file, '-H', 'Authorization: Bearer test', '--json');

    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      target,
      counts: { idempotent: 1, 'answer-differs': 0, 'not-idempotent': 0, unsure: 0 },
      results: [
        { at: 'entry 1', method: 'PUT', target: '/items/9', verdict: { kind: 'idempotent', why: [] } },
      ],
      leftOut: [],
    });
    expect(items.get('/items/9')).toBe('{"name":"nine"}');
    expect(seen.map(({ method }) => method)).toEqual(['PUT', 'GET', 'GET', 'PUT', 'GET']);
    expect(new Set(seen.map(({ headers }) => headers.authorization))).toEqual(new Set(['Bearer test']));
    expect(seen[0]?.headers['content-type']).toBe('application/json');
  });

  it('with --strict ends with 1 where it cannot know', async () => {
    const file = lines({ method: 'PUT', path: '/write-only', body: {} });

    expect([(await audit(file)).code, (await audit(file, '--strict')).code]).toEqual([0, 1]);
  });

  it('sends nothing unless it is told that the backend is one for tests', async () => {
    const file = lines({ method: 'DELETE', path: '/items/1' });

    const ran = await runBinary(['audit', file, '--target', target]);

    expect(ran).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(YES) });
    expect(seen).toEqual([]);
  });

  it.each([
    ['no target', []],
    ['a target with a path', ['--target', 'http://127.0.0.1:1/v1']],
    ['a target with credentials', ['--target', 'http://a:b@127.0.0.1:1']],
    ['a target that is none', ['--target', 'ftp://127.0.0.1']],
    ['a field that is none', ['--target', 'http://127.0.0.1:1', '-H', 'no colon']],
    ['a pointer that is none', ['--target', 'http://127.0.0.1:1', '--ignore', '/a~']],
    ['a check that is none', ['--target', 'http://127.0.0.1:1', '--check', 'state']],
  ])('refuses %s', async (_, more) => {
    const ran = await runBinary(['audit', lines({ method: 'GET', path: '/' }), YES, ...more]);

    expect(ran).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^onceward audit: .*\n$/),
    });
  });

  it('says in one line that nobody answers', async () => {
    const gone = `http://127.0.0.1:${await freePort()}`;

    const ran = await runBinary(['audit', lines({ method: 'GET', path: '/' }), '--target', gone, YES]);

    expect(ran).toMatchObject({ code: 1, stderr: `onceward audit: ${gone} answered nothing\n` });
  });
});
