import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createStage } from '../http/stage.ts';
import type { TestProxy } from '../support/proxy.ts';
import { attack } from './oracle.ts';
import { valuesOf } from './strict-http.ts';

/** Every shape of a response, cut at every byte, with FIN and with RST: never kept as whole, never seen as whole. */

const SHAPES: Readonly<Record<string, string>> = {
  'a length': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello',
  'no body': 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  chunks: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n',
  'chunks with extensions and trailers':
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3;a="b"\r\nhel\r\n2\r\nlo\r\n0;z\r\nX-T: y\r\n\r\n',
  'an informational head before':
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'a coding': 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00',
  '204': 'HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n',
  '304': 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
  'the end of the connection': 'HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello',
};

const stage = createStage();
let proxy: TestProxy;

beforeAll(async () => {
  const port = await stage.sink((socket) => {
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      const [, shape = '', cut = '', end = ''] =
        /^\S+ \/([^/]*)\/(\d+)\/(\w+)/.exec(chunk.toString('latin1')) ?? [];
      const bytes = Buffer.from((SHAPES[decodeURIComponent(shape)] ?? '').slice(0, Number(cut)), 'latin1');
      const close = (): void => void (end === 'fin' ? socket.end() : socket.resetAndDestroy());
      // What was written first must have left before the reset.
      if (bytes.length === 0) close();
      else socket.write(bytes, () => setImmediate(close));
    });
  });
  proxy = await stage.proxyTo(port);
});
afterAll(() => stage.close());

function post(shape: string, cut: number, end: string): Buffer {
  const path = `/${encodeURIComponent(shape)}/${cut}/${end}`;
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: a\r\nIdempotency-Key: ${encodeURIComponent(shape)}-${cut}-${end}\r\nContent-Length: 2\r\n\r\n{}`,
  );
}

/** What is wrong with the answers to a response that was cut there. */
async function judge(shape: string, cut: number, end: string): Promise<readonly string[]> {
  const whole = SHAPES[shape] ?? '';
  const isClosed = shape === 'the end of the connection';
  const wrong: string[] = [];
  const first = await attack(proxy.port, { parts: [post(shape, cut, end)] });
  // Where a FIN is the only end a message has, nobody can tell: it is passed on, and not kept.
  for (const { status } of first.answers)
    if (status < 400 && !(isClosed && end === 'fin')) wrong.push(`the client took it for a whole ${status}`);
  const [second] = (await attack(proxy.port, { parts: [post(shape, cut, end)] })).answers;
  if (second === undefined || second.status < 400) wrong.push(`a repeat got ${second?.status}`);
  else if (valuesOf(second.fields, 'idempotency-status').includes('replayed'))
    wrong.push('a repeat was replayed');
  return wrong.map((text) => `${shape}, ${cut} of ${whole.length} bytes, ${end}: ${text}`);
}

describe('a response that is cut', () => {
  it.each(Object.keys(SHAPES))('with %s is kept at no byte but its last', async (shape) => {
    const whole = SHAPES[shape] ?? '';
    // One that ends with the connection is whole to nobody; the others are at their last byte.
    const cuts = Array.from({ length: whole.length }, (_none, cut) => cut);
    const wrong: string[] = [];
    for (let from = 0; from < cuts.length; from += 40) {
      const judged = cuts
        .slice(from, from + 40)
        .flatMap((cut) => [judge(shape, cut, 'fin'), judge(shape, cut, 'rst')]);
      for (const found of await Promise.all(judged)) wrong.push(...found);
    }

    expect(wrong).toEqual([]);
  });

  it('at its last byte alone is whole, and replayed', async () => {
    const shape = 'chunks with extensions and trailers';
    const sent = { parts: [post(shape, (SHAPES[shape] ?? '').length, 'fin')] };

    const answers = [
      ...(await attack(proxy.port, sent)).answers,
      ...(await attack(proxy.port, sent)).answers,
    ];

    expect(answers.map(({ status, body }) => [status, body.toString()])).toEqual([
      [200, 'hello'],
      [200, 'hello'],
    ]);
  });
});
