import { once } from 'node:events';
import { copyFile, readFile, rename } from 'node:fs/promises';
import { createSecureServer } from 'node:http2';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadConfigText } from '../../src/config/load.ts';
import { type Authority, createAuthority, type Issued } from '../support/certificates.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';

/** Whom the proxy believes to be the backend, and what it shows of itself, over HTTP/1.1 and HTTP/2. */

let authority: Authority;
let stranger: Authority;
let backendCert: Issued;
let ours: Issued;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  authority = await createAuthority();
  stranger = await createAuthority('A stranger');
  backendCert = await authority.issue('backend', { alternativeNames: 'DNS:orders.internal,IP:127.0.0.1' });
  ours = await authority.issue('onceward');
});
afterAll(async () => {
  await authority.remove();
  await stranger.remove();
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Backend = {
  readonly port: number;
  readonly seen: { readonly client: string; readonly serverName: string }[];
};
type Protocol = 'http1' | 'http2';

async function backendOver(protocol: Protocol, issued: Issued, tls: TlsOptions = {}): Promise<Backend> {
  const seen: Backend['seen'] = [];
  const pair = { cert: await readFile(issued.certFile), key: await readFile(issued.keyFile), ...tls };
  const server = (protocol === 'http2' ? createSecureServer(pair) : createServer(pair)) as Server;
  server.on('secureConnection', (socket) =>
    seen.push({
      client: socket.getPeerX509Certificate()?.subject ?? '',
      serverName: typeof socket.servername === 'string' ? socket.servername : '',
    }),
  );
  server.on('request', (request, response) => {
    request.resume();
    request.on('end', () => response.end('done'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.close();
    if (protocol === 'http1') server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, seen };
}

function yamlFor(port: number, protocol: Protocol, tls: string): string {
  return [
    'listen: 127.0.0.1:0',
    'observe: off',
    'admin: off',
    `upstream: { url: "https://127.0.0.1:${port}", protocol: ${protocol}, tls: { ${tls} } }`,
    'store: { url: "memory:" }',
    'defaults: { scope: { anonymous: allow } }',
    'drain: { timeout: 0s }',
  ].join('\n');
}

async function proxyTo(port: number, protocol: Protocol, tls: string): Promise<TestProxy> {
  const proxy = await startProxyWith(yamlFor(port, protocol, tls));
  closers.push(() => proxy.close());
  return proxy;
}

async function post(proxy: TestProxy, key: string): Promise<readonly unknown[]> {
  const response = await fetch(`http://127.0.0.1:${proxy.port}/orders`, {
    method: 'POST',
    headers: { 'Idempotency-Key': key },
    body: '{}',
  });
  const text = await response.text();
  return [response.status, response.status === 200 ? text : JSON.parse(text).code];
}

const UNREACHABLE = [502, 'upstream-unreachable'];

describe.each(['http1', 'http2'] as const)('a backend with TLS over %s', (protocol) => {
  it('of the authority in the file is believed, and sees our certificate', async () => {
    const backend = await backendOver(protocol, backendCert, {
      ca: await readFile(authority.caFile),
      requestCert: true,
      rejectUnauthorized: true,
    });
    const proxy = await proxyTo(
      backend.port,
      protocol,
      `ca: "${authority.caFile}", certificate: "${ours.certFile}", key: "${ours.keyFile}"`,
    );

    expect(await post(proxy, 'k-1')).toEqual([200, 'done']);
    expect(backend.seen).toEqual([{ client: 'CN=onceward', serverName: '' }]);
  });

  it('is asked for the name in serverName, and its certificate must carry it', async () => {
    const backend = await backendOver(protocol, backendCert);
    const right = await proxyTo(
      backend.port,
      protocol,
      `ca: "${authority.caFile}", serverName: orders.internal`,
    );
    const wrong = await proxyTo(
      backend.port,
      protocol,
      `ca: "${authority.caFile}", serverName: payments.internal`,
    );

    expect(await post(right, 'k-1')).toEqual([200, 'done']);
    expect(backend.seen[0]?.serverName).toBe('orders.internal');
    expect(await post(wrong, 'k-1')).toEqual(UNREACHABLE);
  });

  it.each([
    ['of another authority', () => stranger.issue('backend')],
    ['for another name', () => authority.issue('backend', { alternativeNames: 'DNS:elsewhere.example' })],
    ['that is over', () => authority.issue('backend', { days: -1 })],
  ])('with a certificate %s gets nothing: the key is free', async (_what, issue) => {
    const backend = await backendOver(protocol, await issue());
    const proxy = await proxyTo(backend.port, protocol, `ca: "${authority.caFile}"`);

    expect([await post(proxy, 'k-1'), await post(proxy, 'k-1')]).toEqual([UNREACHABLE, UNREACHABLE]);
  });

  it('is judged anew by files that were replaced, and connections that are open go on', async () => {
    const caFile = join(authority.folder, `live-ca-${protocol}.pem`);
    await copyFile(stranger.caFile, caFile);
    const backend = await backendOver(protocol, backendCert);
    const tls = `ca: "${caFile}"`;
    const proxy = await proxyTo(backend.port, protocol, tls);
    expect(await post(proxy, 'k-1')).toEqual(UNREACHABLE);

    await copyFile(authority.caFile, `${caFile}.new`);
    await rename(`${caFile}.new`, caFile);
    proxy.app.reload(loadConfigText(yamlFor(backend.port, protocol, tls), 'test.yaml', {}));

    // An authority has no end that would be told: the next request that gets through proves it.
    let answer = await post(proxy, 'k-1');
    for (let tries = 0; answer[0] !== 200 && tries < 200; tries++) answer = await post(proxy, 'k-1');
    expect(answer).toEqual([200, 'done']);
  });
});

describe('a backend with TLS that does not speak HTTP/2', () => {
  it.each([
    ['agrees to no protocol', (pair: TlsOptions) => createTlsServer(pair)],
    ['agrees to HTTP/1.1 alone', (pair: TlsOptions) => createServer(pair)],
  ])('and %s gets nothing: the key is free, and the proxy lives', async (_what, create) => {
    const server = create({
      cert: await readFile(backendCert.certFile),
      key: await readFile(backendCert.keyFile),
    });
    server.on('secureConnection', (socket) => socket.on('error', () => undefined));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(async () => server.close());
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const proxy = await proxyTo(address.port, 'http2', `ca: "${authority.caFile}"`);

    expect([await post(proxy, 'k-1'), await post(proxy, 'k-1')]).toEqual([UNREACHABLE, UNREACHABLE]);
  });
});

describe('the Host of a request', () => {
  it('does not choose whose certificate is asked for and believed', async () => {
    const backend = await backendOver('http1', backendCert);
    const proxy = await proxyTo(
      backend.port,
      'http1',
      `ca: "${authority.caFile}", serverName: orders.internal`,
    );
    const { request } = await import('node:http');

    for (const host of ['elsewhere.example', 'orders.internal', 'third.example']) {
      const asked = request({
        port: proxy.port,
        host: '127.0.0.1',
        path: '/',
        headers: { Host: host },
      }).end();
      const [response] = await once(asked, 'response');
      response.resume();
      await once(response, 'end');
      expect(response.statusCode).toBe(200);
    }

    // One connection for all of them: what a client says opens none.
    expect(backend.seen).toEqual([{ client: '', serverName: 'orders.internal' }]);
  });
});

describe('the files of upstream.tls', () => {
  it('must be there at the start', async () => {
    await expect(proxyTo(1, 'http1', 'ca: "/nowhere/ca.pem"')).rejects.toThrow('upstream.tls: ');
  });

  it('have no meaning without https', () => {
    const loaded = loadConfigText(
      'upstream: { url: "http://127.0.0.1:1", tls: { ca: "/a" } }',
      'test.yaml',
      {},
    );

    expect(loaded.kind === 'faults' && loaded.faults.map(({ text }) => text)).toEqual([
      expect.stringContaining('has no effect on http://'),
    ]);
  });
});
