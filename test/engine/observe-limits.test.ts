import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { untilMetrics } from '../support/until.ts';

/** What `mode: observe` keeps of the bodies that it passes on. */

const BUFFER_BYTES = 1024 * 1024;

const closers: (() => Promise<unknown>)[] = [];
let proxy: TestProxy;
let bytesSeen = 0;
let moreSeen = Promise.withResolvers<void>();

beforeEach(async () => {
  bytesSeen = 0;
  const backend = createServer((request, response: ServerResponse) => {
    request.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => {
      bytesSeen += chunk.length;
      moreSeen.resolve();
      moreSeen = Promise.withResolvers();
    });
    request.on('end', () => response.end('done'));
  });
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  closers.push(async () => {
    backend.closeAllConnections();
    backend.close();
  });
  // It listens on an address and a port, not on a path.
  const { port } = backend.address() as AddressInfo;
  proxy = await startProxyWith(`
listen: 127.0.0.1:0
observe: { listen: 127.0.0.1:0 }
admin: off
upstream: { url: "http://127.0.0.1:${port}" }
store: "memory:"
limits: { buffer: 1MiB }
drain: { timeout: 0s }
defaults: { mode: observe, scope: { anonymous: allow }, limits: { request: 1MiB } }
`);
  closers.push(() => proxy.close());
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** An upload of which all but `heldBack` bytes are sent. */
async function upload(key: string, bytes: number, heldBack: number): Promise<RawClient> {
  const client = await connectRaw(proxy.port);
  closers.push(async () => client.socket.destroy());
  client.send(`POST /x HTTP/1.1\r\nHost: x\r\nIdempotency-Key: ${key}\r\nContent-Length: ${bytes}\r\n\r\n`);
  client.send(Buffer.alloc(bytes - heldBack, 'x'));
  return client;
}

async function arrived(bytes: number): Promise<void> {
  while (bytesSeen < bytes) await moreSeen.promise;
}

async function observed(outcome: string, count: number): Promise<void> {
  const wanted = new RegExp(`onceward_observed_requests_total\\{[^}]*outcome="${outcome}"\\} ${count}$`, 'm');
  await untilMetrics(proxy, `${count} ${outcome}`, (text) => wanted.test(text));
}

it('bodies over the buffer are not kept, and are all passed on', async () => {
  const bytes = 300_000;
  const uploads: RawClient[] = [];
  for (let n = 0; n < 6; n += 1) uploads.push(await upload(`k${n}`, bytes, 1));
  await arrived(6 * (bytes - 1));

  const meanwhile = await upload('small', 10, 0);
  const small = await meanwhile.answer();
  const statuses: number[] = [];
  for (const client of uploads) {
    client.send('x');
    statuses.push((await client.answer()).status);
  }

  expect(6 * bytes).toBeGreaterThan(BUFFER_BYTES);
  expect([small.status, statuses]).toEqual([200, [200, 200, 200, 200, 200, 200]]);
  expect(bytesSeen).toBe(6 * bytes + 10);
});

it('what is kept of a body is given back when it has passed', async () => {
  const bytes = 400_000;
  for (let n = 1; n <= 6; n += 1) {
    const client = await upload(`k${n}`, bytes, 0);
    await client.answer();
    await observed('executed', n);
  }

  const other = await upload('k1', bytes + 1, 0);
  await other.answer();

  await observed('mismatch', 1);
  expect(proxy.lines.filter(({ outcome }) => outcome === 'bypassed').length).toBe(7);
});

it('an upload that breaks off leaves no observed record', async () => {
  const broken = await upload('k1', 1_000, 500);
  await arrived(500);
  broken.reset();
  await proxy.ended(1);
  await observed('rejected', 1);

  const whole = await upload('k1', 1_000, 0);
  const answer = await whole.answer();

  await observed('executed', 1);
  expect(answer.status).toBe(200);
});
