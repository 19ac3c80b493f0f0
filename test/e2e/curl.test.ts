import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';

/** The curl of Debian, over every version and with and without TLS. */

let authority: Authority;
let backend: CountingBackend;
let clear: TestProxy;
let tls: TestProxy;

beforeAll(async () => {
  authority = await createAuthority();
  const own = await authority.issue('proxy');
  backend = await startCountingBackend();
  const drain = 'drain: { timeout: 0s }';
  clear = await startProxy({ upstreamPort: backend.port, top: `${drain}\nhttp2: prior-knowledge` });
  tls = await startProxy({
    upstreamPort: backend.port,
    top: `${drain}\ntls: { certificate: "${own.certFile}", key: "${own.keyFile}" }`,
  });
});

afterAll(async () => {
  await clear.close();
  await tls.close();
  await backend.close();
  await authority.remove();
});

type Ran = {
  readonly status: string;
  readonly version: string;
  readonly head: string;
  readonly body: string;
};

/** `sent` goes to its standard input. */
async function curl(args: readonly string[], sent: string): Promise<Ran> {
  const told = ['-s', '-S', '-i', '-w', '\n%{http_code} %{http_version}', '--max-time', '20'];
  const child = spawn('/usr/bin/curl', [...told, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(sent);
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`curl (Debian package curl) ended with ${code}: ${said}`);
  const text = Buffer.concat(chunks).toString();
  const end = text.lastIndexOf('\n');
  const [status = '', version = ''] = text.slice(end + 1).split(' ');
  const bodyAt = text.lastIndexOf('\r\n\r\n');
  return { status, version, head: text.slice(0, bodyAt).toLowerCase(), body: text.slice(bodyAt + 4, end) };
}

const WAYS: readonly (readonly [string, string, () => readonly string[]])[] = [
  ['HTTP/1.0', '1.1', () => ['--http1.0', `http://127.0.0.1:${clear.port}/x`]],
  ['HTTP/1.1', '1.1', () => ['--http1.1', `http://127.0.0.1:${clear.port}/x`]],
  ['HTTP/2 by prior knowledge', '2', () => ['--http2-prior-knowledge', `http://127.0.0.1:${clear.port}/x`]],
  [
    'HTTP/1.1 and TLS',
    '1.1',
    () => ['--http1.1', '--cacert', authority.caFile, `https://127.0.0.1:${tls.port}/x`],
  ],
  ['HTTP/2 and TLS', '2', () => ['--http2', '--cacert', authority.caFile, `https://127.0.0.1:${tls.port}/x`]],
];

const BIG = JSON.stringify({ blob: 'x'.repeat(500_000) });

describe.each(WAYS)('curl over %s', (way, version, args) => {
  const named = (key: string): string => `${way.replaceAll(' ', '-')}-${key}`;
  const post = (key: string, sent: string, ...more: readonly string[]): Promise<Ran> =>
    curl(['-H', `Idempotency-Key: "${named(key)}"`, '--data-binary', '@-', ...more, ...args()], sent);

  it('has a keyed POST executed once, and gets the same answer for its repeat', async () => {
    const first = await post('a', '{"a":1}');
    const again = await post('a', '{"a":1}');

    expect([first.status, again.status, first.version, again.version]).toEqual([
      '201',
      '201',
      version,
      version,
    ]);
    expect(again.body).toBe(first.body);
    expect(again.head).toContain('idempotency-status: replayed');
    expect(backend.executions(named('a'))).toBe(1);
  });

  it('sends a large body that waits for 100 Continue', async () => {
    const first = await post('b', BIG, '-H', 'Expect: 100-continue');
    const again = await post('b', BIG, '-H', 'Expect: 100-continue');

    expect([first.status, again.status]).toEqual(['201', '201']);
    expect(JSON.parse(first.body)).toMatchObject({ body: BIG });
    expect(backend.executions(named('b'))).toBe(1);
  });
});
