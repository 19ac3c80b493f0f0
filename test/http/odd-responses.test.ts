import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { INFORMATIONAL_MAX, RESPONSE_FIELDS_MAX } from '../../src/core/judge-response.ts';
import type { TestProxy } from '../support/proxy.ts';
import { sendRequest } from '../support/send-request.ts';
import { createStage } from './stage.ts';

/** What a backend can send that two parsers may read in two ways: nothing of it is kept or passed on. */

const stage = createStage();
let proxy: TestProxy;
let payload: readonly Buffer[] = [];
let executions = 0;

beforeAll(async () => {
  const port = await stage.sink((socket) => {
    socket.setNoDelay(true);
    socket.once('data', async () => {
      executions += 1;
      for (const part of payload) {
        await new Promise<void>((resolve) => socket.write(part, () => resolve()));
        await new Promise((resolve) => setImmediate(resolve));
      }
      socket.end();
    });
  });
  proxy = await stage.proxyTo(port, { upstream: 'headTimeout: 2s, lateAnswer: 0s' });
});
afterAll(() => stage.close());

const OK = 'HTTP/1.1 200 OK\r\n';
const BODY = 'Content-Length: 2\r\n\r\nok';
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

const REFUSED: readonly (readonly [string, string])[] = [
  ['a status of 600', `HTTP/1.1 600 No\r\n${BODY}`],
  ['a status of 999', `HTTP/1.1 999 No\r\n${BODY}`],
  ['a status of 099', `HTTP/1.1 099 No\r\n${BODY}`],
  ['a status of four digits', `HTTP/1.1 2000 No\r\n${BODY}`],
  ['HTTP/0.9', `HTTP/0.9 200 OK\r\n${BODY}`],
  ['HTTP/2.0', `HTTP/2.0 200 OK\r\n${BODY}`],
  ['RTSP/1.0', `RTSP/1.0 200 OK\r\n${BODY}`],
  ['ICY', `ICY 200 OK\r\n${BODY}`],
  ['an empty line before it', `\r\n${OK}${BODY}`],
  ['a space before it', ` ${OK}${BODY}`],
  ['a NUL in the reason', `HTTP/1.1 200 O\0K\r\n${BODY}`],
  ['a lone CR behind the status line', `HTTP/1.1 200 OK\r\r\n${BODY}`],
  ['a lone CR in a field', `${OK}X: a\rb\r\n${BODY}`],
  ['a lone LF between fields', `${OK}X: a\n${BODY}`],
  ['a reason without an end', `HTTP/1.1 200 ${'x'.repeat(2_000)}\r\n${BODY}`],
  ['a folded field', `${OK}X: a\r\n b\r\n${BODY}`],
  ['a length with a zero before it', `${OK}Content-Length: 02\r\n\r\nok`],
  ['a length with white space behind it', `${OK}Content-Length: 2 \r\n\r\nok`],
  ['a coding with white space behind it', `${OK}Transfer-Encoding: chunked\t\r\n\r\n2\r\nok\r\n0\r\n\r\n`],
  ['a chunk size of fourteen digits', `${CHUNKED}00000000000002\r\nok\r\n0\r\n\r\n`],
  ['a length with a sign', `${OK}Content-Length: +2\r\n\r\nok`],
  ['a list of lengths', `${OK}Content-Length: 2, 2\r\n\r\nok`],
  ['two lengths', `${OK}Content-Length: 2\r\n${BODY}`],
  ['a length and chunks', `${OK}Transfer-Encoding: chunked\r\n${BODY}`],
  ['another coding', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
  ['a length with 204', `HTTP/1.1 204 No Content\r\n${BODY}`],
  ['too many fields', `${OK}${'X: a\r\n'.repeat(RESPONSE_FIELDS_MAX)}${BODY}`],
  ['too many heads before it', `${'HTTP/1.1 103 Hi\r\n\r\n'.repeat(INFORMATIONAL_MAX + 1)}${OK}${BODY}`],
  ['a chunk without a size', `${CHUNKED}\r\nok\r\n0\r\n\r\n`],
  ['a chunk size that is none', `${CHUNKED}2x\r\nok\r\n0\r\n\r\n`],
  ['a chunk size with a prefix', `${CHUNKED}0x2\r\nok\r\n0\r\n\r\n`],
  ['a chunk size that overflows', `${CHUNKED}10000000000000002\r\nok\r\n0\r\n\r\n`],
  ['a chunk line with a bare LF', `${CHUNKED}2\nok\r\n0\r\n\r\n`],
  ['a chunk that ends in a bare LF', `${CHUNKED}2\r\nok\n0\r\n\r\n`],
  ['a chunk longer than its size', `${CHUNKED}2\r\nokay\r\n0\r\n\r\n`],
  ['a chunk extension with a NUL', `${CHUNKED}2;a=\0\r\nok\r\n0\r\n\r\n`],
  ['chunk extensions without an end', `${CHUNKED}2;${'a'.repeat(20_000)}\r\nok\r\n0\r\n\r\n`],
  ['trailers without an end', `${CHUNKED}2\r\nok\r\n0\r\n${'X: a\r\n'.repeat(4_000)}\r\n`],
  ['a folded trailer', `${CHUNKED}2\r\nok\r\n0\r\nX: a\r\n b\r\n\r\n`],
  ['a trailer with a lone CR', `${CHUNKED}2\r\nok\r\n0\r\nX: a\rb\r\n\r\n`],
];

const TAKEN: readonly (readonly [string, string, string])[] = [
  ['one as it should be', `${OK}${BODY}`, 'ok'],
  ['HTTP/1.0 with a length', `HTTP/1.0 200 OK\r\n${BODY}`, 'ok'],
  ['no reason', `HTTP/1.1 200 \r\n${BODY}`, 'ok'],
  ['no reason and no space', `HTTP/1.1 200\r\n${BODY}`, 'ok'],
  ['Latin in the reason', `HTTP/1.1 200 Caf\xe9\r\n${BODY}`, 'ok'],
  ['heads before it', `HTTP/1.1 103 Hi\r\nLink: </a>\r\n\r\n${OK}${BODY}`, 'ok'],
  ['chunks', `${CHUNKED}1\r\no\r\n1\r\nk\r\n0\r\n\r\n`, 'ok'],
  [
    'chunks in capitals, with extensions and trailers',
    `${CHUNKED}0A;x="y"\r\n0123456789\r\n0\r\nX: a\r\n\r\n`,
    '0123456789',
  ],
  // As much as 90 bytes for each byte of the body.
  [
    'many chunks with a signature each',
    `${CHUNKED}${`1;sig=${'0f'.repeat(40)}\r\nx\r\n`.repeat(400)}0\r\n\r\n`,
    'x'.repeat(400),
  ],
];

let made = 0;

/** As one packet, and byte by byte. */
const HOW = [
  ['whole', (bytes: Buffer) => [bytes]],
  [
    'in two parts',
    (bytes: Buffer) => [bytes.subarray(0, bytes.length / 2), bytes.subarray(bytes.length / 2)],
  ],
] as const;

describe.each(HOW)('a response that comes %s', (_how, cut) => {
  it.each(REFUSED)('with %s is answered with a problem, and its key is parked', async (_what, text) => {
    payload = cut(Buffer.from(text, 'latin1'));
    const headers = { 'Idempotency-Key': `odd-${made++}` };
    const before = executions;
    const end = (sent: ReturnType<typeof sendRequest>): Promise<string> =>
      sent.then(
        ({ status, body }) => `${status} ${JSON.parse(body.toString()).code}`,
        () => 'broken off',
      );

    const first = await end(sendRequest(proxy.port, { headers }));
    const again = await end(sendRequest(proxy.port, { headers }));

    expect(['502 upstream-failed', 'broken off']).toContain(first);
    expect([again, executions - before]).toEqual(['409 outcome-unknown', 1]);
  });

  it.each(TAKEN)('with %s is kept', async (_what, text, body) => {
    payload = cut(Buffer.from(text, 'latin1'));
    const headers = { 'Idempotency-Key': `odd-${made++}` };

    const first = await sendRequest(proxy.port, { headers });
    const again = await sendRequest(proxy.port, { headers });

    expect([first.body.toString(), again.body.toString()]).toEqual([body, body]);
    expect(again.headers['idempotency-status']).toBe('replayed');
  });
});
