import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';

/** HTTP/2 is spoken with the upstream only where the configuration says so: undici would send a refused stream again. */

const run = promisify(execFile);
const ASK = fileURLToPath(new URL('../support/ask-upstream.ts', import.meta.url));

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Certificate = { readonly keyFile: string; readonly certFile: string };

async function selfSigned(): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), 'onceward-tls-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const keyFile = join(folder, 'key.pem');
  const certFile = join(folder, 'cert.pem');
  const words =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1';
  try {
    await run('openssl', [...words.split(' '), '-keyout', keyFile, '-out', certFile]);
  } catch (error) {
    throw new Error('this test needs the openssl binary (Debian package openssl)', { cause: error });
  }
  return { keyFile, certFile };
}

it('an https upstream that offers HTTP/2 is asked over HTTP/1.1, with the fields as they are', async () => {
  const { keyFile, certFile } = await selfSigned();
  const [key, cert] = [await readFile(keyFile), await readFile(certFile)];
  const seen: unknown[] = [];
  const server = createSecureServer({ key, cert, allowHTTP1: true }, (request, response) => {
    seen.push([
      request.httpVersion,
      request.method,
      request.url,
      request.rawHeaders.includes('X-Mixed-Case'),
    ]);
    request.resume();
    request.on('end', () => {
      response.writeHead(201, { 'X-Answer': 'kept', 'Content-Length': '2' });
      response.end('ok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => server.close());
  // It listens on an address and a port, not on a path.
  const { port } = server.address() as AddressInfo;

  const { stdout } = await run(process.execPath, [ASK, `https://localhost:${port}`], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: certFile },
    timeout: 20_000,
  });
  const answer = JSON.parse(stdout);

  expect(seen).toEqual([['1.1', 'POST', '/a?b=c', true]]);
  expect(answer).toMatchObject({ end: { kind: 'complete', status: 201, end: 'proven' }, body: 'ok' });
  expect(answer.rawHeaders).toContain('X-Answer');
});
