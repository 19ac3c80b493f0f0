import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { CLASSES, head, SERVED } from './classes.ts';
import { attack, disagreements, fromBackend, type Seen } from './oracle.ts';
import { type RecordingUpstream, startRecordingUpstream } from './recording-upstream.ts';

/** Every class by name, over real sockets, with the bytes of the backend's side read by a strict parser. */

let proxy: TestProxy;
let upstream: RecordingUpstream;
beforeAll(async () => {
  upstream = await startRecordingUpstream();
  proxy = await startProxy({
    upstreamPort: upstream.port,
    top: [
      'drain: { timeout: 0s }',
      'routes: [{ name: guarded, match: { path: /guarded }, key: { required: true } }]',
    ].join('\n'),
  });
});
afterAll(async () => {
  await proxy.close();
  await upstream.close();
});

function send(...texts: readonly string[]): Promise<Seen> {
  return attack(proxy.port, {
    parts: texts.map((text) => Buffer.from(text, 'latin1')),
    methods: texts.join('').startsWith('HEAD') ? ['HEAD'] : [],
  });
}

describe('is refused, closes the connection, and nothing of it reaches the backend:', () => {
  it.each(CLASSES)('$name', async ({ text, answers }) => {
    const seen = await send(text);

    expect(seen.answers.map(({ status }) => status)).toEqual(answers);
    expect(seen.faults).toEqual([]);
    expect(seen.bytes.toString('latin1')).toMatch(/^connection: close/im);
    expect(upstream.take()).toEqual({ requests: [], faults: [] });
  });

  it.each(CLASSES)('$name, byte by byte', async ({ text, answers }) => {
    const seen = await send(...text);

    expect(seen.answers.map(({ status }) => status).slice(0, 1)).toEqual(answers);
    expect(upstream.take()).toEqual({ requests: [], faults: [] });
  });
});

describe('without a key its body is passed on as it comes, and breaks off where it is broken:', () => {
  const streamed = CLASSES.filter(({ text }) => text.includes('chunked\r\nIdempotency-Key'));

  it.each(streamed)('$name', async ({ text }) => {
    const seen = await send(text.replace('Idempotency-Key: k\r\n', ''));

    expect(seen.answers.filter(fromBackend)).toEqual([]);
    expect(upstream.take()).toEqual({ requests: [], faults: [] });
  });
});

describe('is served as one request:', () => {
  it.each(SERVED)('$name', async ({ text, method, target, body }) => {
    const seen = await send(text);

    expect(seen.answers.map(({ status }) => status)).toEqual([200]);
    const { requests, faults } = upstream.take();
    expect(requests.map((request) => [request.method, request.target, request.body.toString()])).toEqual([
      [method, target, body],
    ]);
    expect(faults).toEqual([]);
    // Nothing of the trailers became a field.
    expect(
      requests[0]?.fields.filter(([name]) => name === 'authorization' || name === 'idempotency-key'),
    ).toEqual([]);
  });
});

describe('a connection', () => {
  it('carries a second request to another Host as a request of its own', async () => {
    const seen = await send(`${head([], 'GET')}GET /second HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n`);

    expect(seen.answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(
      upstream
        .take()
        .requests.map(({ target, fields }) => [target, fields.find(([name]) => name === 'host')?.[1]]),
    ).toEqual([
      ['/first', 'a'],
      ['/second', 'b'],
    ]);
  });

  it('whose body comes after a pause is one request, however it is split (pause-based desynchronisation)', async () => {
    const body = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    const seen = await send(head([`Content-Length: ${body.length}`]), ...body);

    expect(seen.answers.map(({ status }) => status)).toEqual([200]);
    const { requests } = upstream.take();
    expect(requests.map((request) => [request.target, request.body.toString()])).toEqual([['/first', body]]);
  });

  it('is not read on behind an answer that came before the body (early response)', async () => {
    const body = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    // Refused for want of a key before its body is read.
    const seen = await send(`${head([`Content-Length: ${body.length}`], 'POST', '/guarded')}${body}`);

    expect(seen.answers.map(({ status }) => status)).toEqual([400]);
    expect(upstream.take().requests).toEqual([]);
  });

  it('gives each of many pipelined requests its own answer, in order', async () => {
    const seen = await send(Array.from({ length: 50 }, (_none, at) => head([], 'GET', `/n/${at}`)).join(''));

    expect(seen.answers.map(({ body }) => body.toString())).toEqual(
      Array.from({ length: 50 }, (_none, at) => `GET /n/${at}`),
    );
    expect(seen.answers.every(fromBackend)).toBe(true);
    expect(disagreements(proxy.lines.slice(-50), upstream)).toEqual([]);
  });
});
