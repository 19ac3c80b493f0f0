import { hash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { requestText } from './request-text.ts';

/** Upgrades are tunnelled byte for byte; with a key they are refused (edge case 55). */

const UPGRADE: readonly (readonly [string, string])[] = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
];

let server: Server;
let proxy: TestProxy;
let heads: string[];
const sockets = new Set<Socket>();
const clients: RawClient[] = [];

beforeEach(async () => {
  heads = [];
  server = createServer(echo).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  proxy = await startProxy({ upstreamPort: address.port });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  await proxy.close();
  for (const socket of sockets) socket.destroy();
  server.close();
});

async function connected(): Promise<RawClient> {
  const client = await connectRaw(proxy.port);
  clients.push(client);
  return client;
}

/** RFC 6455 sections 4.2.2 and 5: accepts, then sends every unfragmented masked text frame back unmasked. */
function echo(socket: Socket): void {
  sockets.add(socket);
  socket.on('error', () => undefined);
  let buffered: Buffer = Buffer.alloc(0);
  let state: 'head' | 'frames' | 'bytes' = 'head';
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk]);
    if (state === 'head') {
      const end = buffered.indexOf('\r\n\r\n');
      if (end === -1) return;
      const head = buffered.toString('latin1', 0, end);
      heads.push(head);
      buffered = buffered.subarray(end + 4);
      state = answerHead(socket, head);
    }
    if (state === 'bytes') {
      socket.write(buffered);
      buffered = Buffer.alloc(0);
    }
    while (state === 'frames' && buffered.length >= 6) {
      const length = (buffered[1] ?? 0) & 0x7f;
      if (buffered.length < 6 + length) return;
      const mask = buffered.subarray(2, 6);
      const payload = Buffer.from(
        buffered.subarray(6, 6 + length).map((byte, at) => byte ^ (mask[at % 4] ?? 0)),
      );
      buffered = buffered.subarray(6 + length);
      socket.write(Buffer.concat([Buffer.from([0x81, length]), payload]));
    }
  });
}

function answerHead(socket: Socket, head: string): 'head' | 'frames' | 'bytes' {
  if (head.includes('/declined')) {
    socket.write('HTTP/1.1 403 No\r\nContent-Length: 2\r\nX-Why: because\r\n\r\nno');
    return 'head';
  }
  if (/^upgrade: echo/im.test(head)) {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst bytes',
    );
    return 'bytes';
  }
  const key = /^sec-websocket-key: (.*)$/im.exec(head)?.[1] ?? '';
  const accept = hash('sha1', `${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`, 'base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  return 'frames';
}

function maskedText(text: string): Buffer {
  const mask = Buffer.from([1, 2, 3, 4]);
  const payload = Buffer.from(text).map((byte, at) => byte ^ (mask[at % 4] ?? 0));
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, payload]);
}

it('a WebSocket is tunnelled, frame for frame', async () => {
  const client = await connected();

  client.send(requestText('GET', '/chat', UPGRADE));
  const accepted = await client.answer('GET');
  client.send(maskedText('hello'));
  await client.receives('\x81\x05hello');
  client.send(maskedText('again'));
  await client.receives('\x81\x05again');

  expect(accepted.status).toBe(101);
  // RFC 6455 section 1.3: the accept value of its sample key.
  expect(accepted.headers).toContainEqual(['Sec-WebSocket-Accept', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=']);
  expect(heads[0]).toMatch(/^GET \/chat HTTP\/1\.1\r\n/);
  expect(heads[0]).toMatch(/^via: 1\.1 onceward/im);
});

it('bytes sent along with the upgrade are not lost', async () => {
  const client = await connected();

  client.send(Buffer.concat([Buffer.from(requestText('GET', '/chat', UPGRADE)), maskedText('early')]));
  await client.answer('GET');
  await client.receives('\x81\x05early');

  expect(client.received()).toBe('\x81\x05early');
});

it('any other protocol is tunnelled too, with what the backend sends along', async () => {
  const client = await connected();

  client.send(
    requestText('GET', '/x', [
      ['Connection', 'upgrade'],
      ['Upgrade', 'echo'],
    ]),
  );
  const accepted = await client.answer('GET');
  await client.receives('first bytes');
  client.send('\x00\xff\r\n');
  await client.receives('\x00\xff\r\n');

  expect(accepted.status).toBe(101);
});

it('an upgrade that the backend declines gets the answer of the backend', async () => {
  const client = await connected();

  client.send(requestText('GET', '/declined', UPGRADE));
  const answer = await client.answer('GET');

  expect([answer.status, answer.body.toString()]).toEqual([403, 'no']);
  expect(answer.headers).toContainEqual(['X-Why', 'because']);
});

it('an upgrade with a key is refused and never reaches the backend', async () => {
  const client = await connected();

  client.send(requestText('POST', '/chat', [...UPGRADE, ['Idempotency-Key', 'k1']]));
  const answer = await client.answer('POST');

  expect([answer.status, JSON.parse(answer.body.toString()).code, heads]).toEqual([
    501,
    'method-not-supported',
    [],
  ]);
});

it('an upgrade that another hop must not drop fields of is guarded like any request', async () => {
  const client = await connected();

  client.send(requestText('GET', '/chat/../admin', UPGRADE));
  const answer = await client.answer('GET');

  expect([answer.status, JSON.parse(answer.body.toString()).code, heads]).toEqual([400, 'bad-request', []]);
});

it('the end of one side of a tunnel ends the other', async () => {
  const client = await connected();
  client.send(requestText('GET', '/chat', UPGRADE));
  await client.answer('GET');

  for (const socket of sockets) socket.destroy();

  expect(['fin', 'reset']).toContain(await client.closed());
});

it('an upgrade whose backend is gone gets a problem', async () => {
  const client = await connected();
  server.close();

  client.send(requestText('GET', '/chat', UPGRADE));
  const answer = await client.answer('GET');

  expect([answer.status, JSON.parse(answer.body.toString()).code]).toEqual([502, 'upstream-unreachable']);
});
