import { once } from 'node:events';
import { copyFile, readFile, rename } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadConfigText } from '../../src/config/load.ts';
import { type Authority, createAuthority, type Issued } from '../support/certificates.ts';
import { type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';

let authority: Authority;
let stranger: Authority;
let own: Issued;
let next: Issued;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  authority = await createAuthority();
  stranger = await createAuthority('A stranger');
  own = await authority.issue('proxy');
  next = await authority.issue('proxy renewed');
});

afterAll(async () => {
  await authority.remove();
  await stranger.remove();
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Staged = { readonly proxy: TestProxy; readonly backend: CountingBackend; readonly yaml: string };

/** `tls`: fields of the section besides certificate and key, in flow form. */
async function stage(tls = '', files: Issued = own, top = ''): Promise<Staged> {
  const backend = await startCountingBackend();
  closers.push(() => backend.close());
  const yaml = [
    'listen: 127.0.0.1:0',
    'observe: off',
    'admin: off',
    `tls: { certificate: "${files.certFile}", key: "${files.keyFile}"${tls} }`,
    `upstream: { url: "http://127.0.0.1:${backend.port}" }`,
    'store: { url: "memory:" }',
    'defaults: { scope: { anonymous: allow } }',
    'drain: { timeout: 0s }',
    top,
  ].join('\n');
  const proxy = await startProxyWith(yaml);
  closers.push(() => proxy.close());
  return { proxy, backend, yaml };
}

type Answer = {
  readonly status: number;
  readonly body: string;
  readonly fields: Readonly<Record<string, unknown>>;
};

type Options = ConnectionOptions & { readonly agent?: Agent };

async function post(port: number, key: string, options: Options = {}): Promise<Answer> {
  const request = httpsRequest({
    ...{ port, host: '127.0.0.1', method: 'POST', path: '/orders', agent: false },
    ca: await readFile(authority.caFile),
    ...options,
    headers: { 'Idempotency-Key': key, 'Content-Type': 'application/json' },
  });
  request.end('{}');
  const [response]: IncomingMessage[] = await once(request, 'response');
  if (response === undefined) throw new Error('no response');
  const body = Buffer.concat(await response.toArray()).toString();
  return { status: response.statusCode ?? 0, body, fields: response.headers };
}

/** Resolves with the error of the handshake, or of what follows it, or with null once the peer has talked TLS. */
async function handshake(port: number, options: ConnectionOptions): Promise<string | null> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  return await new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('close', () => resolve('closed'));
    socket.once('secureConnect', () => {
      // With TLS 1.3 a certificate is judged after the client is done: only an answer proves that it was taken.
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
      socket.once('data', () => {
        resolve(null);
        socket.destroy();
      });
    });
  });
}

async function pairOf({ certFile, keyFile }: Issued): Promise<ConnectionOptions> {
  return { cert: await readFile(certFile), key: await readFile(keyFile) };
}

async function shownTo(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const subject = socket.getPeerX509Certificate()?.subject ?? '';
  socket.destroy();
  return subject;
}

describe('with tls', () => {
  it('a keyed request is executed once and replayed, and the backend learns that it came encrypted', async () => {
    const { proxy, backend } = await stage();
    const arrived = backend.nextArrival();

    const first = await post(proxy.port, 'k-1');
    const second = await post(proxy.port, 'k-1');

    expect([first.status, second.status, second.body]).toEqual([201, 201, first.body]);
    expect(second.fields['idempotency-status']).toBe('replayed');
    expect(backend.executions('k-1')).toBe(1);
    expect((await arrived).request.headers['x-forwarded-proto']).toBe('https');
  });

  it.each([
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }, false],
    [
      'a cipher without authenticated encryption',
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' },
      false,
    ],
    [
      'a key exchange without forward secrecy',
      { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' },
      false,
    ],
    ['TLS 1.2', { maxVersion: 'TLSv1.2' }, true],
    ['TLS 1.3', { minVersion: 'TLSv1.3' }, true],
  ] as const)('%s: served as a modern server would', async (_what, options, isServed) => {
    const { proxy } = await stage();

    expect((await handshake(proxy.port, options)) === null).toBe(isServed);
  });

  it('TLS 1.2 is refused where minVersion says 1.3', async () => {
    const { proxy } = await stage(", minVersion: '1.3'");

    expect(await handshake(proxy.port, { maxVersion: 'TLSv1.2' })).not.toBeNull();
    expect(await handshake(proxy.port, {})).toBeNull();
  });

  it('a request in the clear is no request: the connection closes without a word of HTTP', async () => {
    const { proxy, backend } = await stage();
    const socket = connectPlain(proxy.port, '127.0.0.1');
    socket.write('POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');

    const answer = Buffer.concat(await socket.toArray().catch(() => []));

    expect(answer.toString('latin1')).not.toContain('HTTP/');
    expect(backend.arrivals()).toBe(0);
  });

  it('a handshake that does not go on is cut off when a head would have had to be there', async () => {
    const { proxy } = await stage('', own, 'limits: { headTimeout: 100ms }');
    const socket = connectPlain(proxy.port, '127.0.0.1');

    await once(socket.resume(), 'close');

    expect(await handshake(proxy.port, {})).toBeNull();
  });

  it('a start with a file that is not there is refused in one line that names it', async () => {
    const missing = { certFile: '/nowhere/tls.pem', keyFile: own.keyFile };

    await expect(stage('', missing)).rejects.toThrow('/nowhere/tls.pem');
  });
});

describe('with certificates of clients', () => {
  it.each(['required', 'optional'] as const)('%s: one of the authority is served', async (how) => {
    const { proxy, backend } = await stage(`, clientCa: "${authority.caFile}", clientCertificates: ${how}`);

    const answer = await post(proxy.port, 'k-1', await pairOf(await authority.issue('client')));

    expect(answer.status).toBe(201);
    expect(backend.executions('k-1')).toBe(1);
  });

  it.each([
    ['required', 'none', false],
    ['required', 'of a stranger', false],
    ['required', 'that is over', false],
    ['optional', 'none', true],
    ['optional', 'of a stranger', false],
    ['optional', 'that is over', false],
  ] as const)('%s, and a certificate %s: served is %s', async (how, which, isServed) => {
    const { proxy, backend } = await stage(`, clientCa: "${authority.caFile}", clientCertificates: ${how}`);
    const given =
      which === 'none'
        ? {}
        : await pairOf(
            which === 'of a stranger'
              ? await stranger.issue('client')
              : await authority.issue('client', { days: -1 }),
          );

    const error = await handshake(proxy.port, given);

    expect(error === null).toBe(isServed);
    expect(backend.arrivals()).toBe(isServed ? 1 : 0);
  });

  it('a session is not resumed, so that every connection is judged by the authorities of its time', async () => {
    const { proxy } = await stage(`, clientCa: "${authority.caFile}"`);
    const pair = await pairOf(await authority.issue('client'));
    const first = connect({
      port: proxy.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
      ...pair,
    });
    await once(first, 'secureConnect');
    const session = first.getSession();
    first.destroy();
    const again = connect({
      port: proxy.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
      ...pair,
      session,
    });
    await once(again, 'secureConnect');

    expect(again.isSessionReused()).toBe(false);
    again.destroy();
  });
});

describe('a renewed certificate', () => {
  async function live(): Promise<Issued> {
    const files = {
      certFile: join(authority.folder, 'live.pem'),
      keyFile: join(authority.folder, 'live.key'),
    };
    await copyFile(own.certFile, files.certFile);
    await copyFile(own.keyFile, files.keyFile);
    return files;
  }

  async function replace(files: Issued, by: Issued): Promise<void> {
    await copyFile(by.certFile, `${files.certFile}.new`);
    await copyFile(by.keyFile, `${files.keyFile}.new`);
    await rename(`${files.certFile}.new`, files.certFile);
    await rename(`${files.keyFile}.new`, files.keyFile);
  }

  it('is shown to new connections, while an open one goes on', async () => {
    const files = await live();
    const { proxy, backend, yaml } = await stage('', files);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    closers.push(async () => agent.destroy());
    await post(proxy.port, 'k-1', { agent });
    const [socket] = Object.values(agent.freeSockets).flat();
    expect(await shownTo(proxy.port)).toBe('CN=proxy');

    await replace(files, next);
    proxy.app.reload(loadConfigText(yaml, 'test.yaml', {}));
    await proxy.logged((line) => line.msg === 'certificate in use' && proxy.lines.indexOf(line) > 1);

    expect(await shownTo(proxy.port)).toBe('CN=proxy renewed');
    expect((await post(proxy.port, 'k-2', { agent })).status).toBe(201);
    expect(socket?.destroyed).toBe(false);
    expect(backend.executionsOfAll()).toBe(2);
  });

  it('that does not fit its key is refused, and the old one stays in force', async () => {
    const files = await live();
    const { proxy, yaml } = await stage('', files);
    await copyFile(next.keyFile, files.keyFile);

    proxy.app.reload(loadConfigText(yaml, 'test.yaml', {}));
    const line = await proxy.logged(({ msg }) => msg === 'certificate refused, the old one stays in force');

    expect(line.why).toContain('does not belong');
    expect(await shownTo(proxy.port)).toBe('CN=proxy');
  });
});
