import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type Authority, createAuthority, type Issued } from '../support/certificates.ts';
import { type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';

/** A proxy that speaks HTTP/2, its backend, and a session of node's own client; closed after each test. */

let authority: Authority;
let own: Issued;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  authority = await createAuthority();
  own = await authority.issue('proxy');
});
afterAll(() => authority.remove());
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

export type H2Staged = {
  readonly proxy: TestProxy;
  readonly backend: CountingBackend;
  readonly session: ClientHttp2Session;
};

export async function stageH2(how: 'tls' | 'clear', top = ''): Promise<H2Staged> {
  const backend = await startCountingBackend();
  closers.push(() => backend.close());
  const proxy = await startProxy({
    upstreamPort: backend.port,
    top: [
      'drain: { timeout: 2s }',
      how === 'tls'
        ? `tls: { certificate: "${own.certFile}", key: "${own.keyFile}" }`
        : 'http2: prior-knowledge',
      top,
    ].join('\n'),
  });
  closers.push(() => proxy.close());
  const session = connect(`${how === 'tls' ? 'https' : 'http'}://127.0.0.1:${proxy.port}`, {
    ca: await readFile(authority.caFile),
  });
  session.on('error', () => undefined);
  closers.push(async () => session.destroy());
  return { proxy, backend, session };
}

export type H2Answer = {
  readonly status: number;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly body: string;
};

export async function answerOf(stream: ClientHttp2Stream): Promise<H2Answer> {
  const [fields]: Readonly<Record<string, unknown>>[] = await once(stream, 'response');
  if (fields === undefined) throw new Error('no response');
  const body = Buffer.concat(await stream.toArray()).toString();
  return { status: Number(fields[':status']), fields, body };
}

export function post(
  session: ClientHttp2Session,
  key: string,
  fields: OutgoingHttpHeaders = {},
  body = '{}',
): Promise<H2Answer> {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/orders',
    'idempotency-key': key,
    ...fields,
  });
  const answer = answerOf(stream);
  stream.end(body);
  return answer;
}
