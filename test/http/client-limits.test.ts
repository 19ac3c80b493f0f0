import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type ClientHttp2Session, connect as connectH2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority, type Issued } from '../support/certificates.ts';
import {
  type Arrival,
  type CountingBackend,
  executeAndAnswer,
  startCountingBackend,
} from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { until, untilMetrics } from '../support/until.ts';

/** What one client address may take of a process. Every address below 127/8 is this machine. */

const closers: (() => Promise<unknown>)[] = [];
let authority: Authority;
let own: Issued;

beforeAll(async () => {
  authority = await createAuthority();
  own = await authority.issue('proxy');
});
afterAll(() => authority.remove());
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Staged = { readonly backend: CountingBackend; readonly proxy: TestProxy };

async function stage(client: string, ...top: readonly string[]): Promise<Staged> {
  const backend = await startCountingBackend();
  closers.push(() => backend.close());
  const proxy = await startProxyWith(
    [
      'listen: 127.0.0.1:0',
      'observe: { listen: 127.0.0.1:0 }',
      'admin: off',
      `upstream: { url: "${backend.origin}" }`,
      'store: { url: "memory:" }',
      'drain: { timeout: 0s }',
      `limits: { client: { ${client} } }`,
      'defaults: { scope: { anonymous: allow } }',
      ...top,
    ].join('\n'),
  );
  closers.push(() => proxy.close());
  return { backend, proxy };
}

const withTls = (): string => `tls: { certificate: "${own.certFile}", key: "${own.keyFile}" }`;

/** Opens a connection from an address, and tells whether it is still open once both sides have had a word. */
async function open(
  { proxy }: Staged,
  how: 'clear' | 'tls',
  localAddress = '127.0.0.1',
): Promise<{ readonly socket: Socket; readonly state: 'served' | 'closed' }> {
  const at = { port: proxy.port, host: '127.0.0.1', localAddress };
  const socket = how === 'tls' ? connectTls({ ...at, ca: await readFile(authority.caFile) }) : connect(at);
  closers.push(async () => socket.destroy());
  socket.on('error', () => undefined);
  const state = new Promise<'served' | 'closed'>((resolve) => {
    socket.once('data', () => resolve('served'));
    socket.once('close', () => resolve('closed'));
  });
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  return { socket, state: await state };
}

describe.each(['clear', 'tls'] as const)('connections of one client, %s', (how) => {
  it('above the bound are closed as they come, those of another are not, and who leaves makes room', async () => {
    const staged = await stage('connections: 2', how === 'tls' ? withTls() : '');
    const one = await open(staged, how);
    const two = await open(staged, how);
    const three = await open(staged, how);
    const other = await open(staged, how, '127.0.0.2');

    expect([one, two, three, other].map(({ state }) => state)).toEqual([
      'served',
      'served',
      'closed',
      'served',
    ]);
    one.socket.destroy();
    await until('a place', async () => ((await open(staged, how)).state === 'served' ? true : null));
    await untilMetrics(staged.proxy, 'what was refused', (text) =>
      /^onceward_connections_refused_total [1-9]/m.test(text),
    );
  });
});

it('a connection that became a tunnel counts until it closes', async () => {
  const staged = await stage('connections: 1');
  staged.backend.behave(({ request }) => {
    request.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  });
  const tunnel = await connectRaw(staged.proxy.port);
  closers.push(async () => tunnel.socket.destroy());
  tunnel.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  await tunnel.receives('101');

  expect((await open(staged, 'clear')).state).toBe('closed');
});

const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
const KEYED = 'POST /x HTTP/1.1\r\nHost: a\r\nIdempotency-Key: "a"\r\nContent-Length: 10\r\n\r\n';
const H2 = 'http2: prior-knowledge';
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

it.each<[string, 'clear' | 'tls', string, string, string]>([
  ['before its first byte', 'clear', '', '', ''],
  ['within a head', 'clear', '', 'POST /x HTTP/1.1\r\nHo', ''],
  ['within a body', 'clear', '', `${KEYED}half`, ''],
  ['while its request is executed', 'clear', '', `${KEYED}{"a":1234}`, ''],
  ['as a tunnel', 'clear', '', UPGRADE, '101'],
  ['before the preface of HTTP/2', 'clear', H2, '', ''],
  ['within the preface of HTTP/2', 'clear', H2, PREFACE.slice(0, 8), ''],
  ['with HTTP/2 spoken', 'clear', H2, `${PREFACE}\0\0\0\u0004\0\0\0\0\0`, '\u0004'],
  ['before its handshake', 'tls', '', '', ''],
  ['within its handshake', 'tls', '', '\u0016\u0003\u0001', ''],
])('a connection that is reset %s gives its place back', async (when, how, top, bytes, answer) => {
  const staged = await stage('connections: 1, inFlight: 1', top, how === 'tls' ? withTls() : '');
  const arrived = staged.backend.nextArrival();
  staged.backend.behave((arrival) => {
    if (answer === '101')
      arrival.request.socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
      );
  });
  const occupying = await connectRaw(staged.proxy.port);
  closers.push(async () => occupying.socket.destroy());
  occupying.send(bytes);
  if (answer !== '') await occupying.receives(answer);
  const executing = when === 'while its request is executed' ? await arrived : null;
  expect((await open(staged, how)).state).toBe('closed');
  occupying.reset();
  if (executing !== null) executeAndAnswer(executing);
  staged.backend.behave(executeAndAnswer);

  await until('a place', async () => {
    if (how === 'tls') return (await open(staged, how)).state === 'served' ? true : null;
    const sent = sendRequest(staged.proxy.port, { headers: keyed('later') });
    return await sent.then(
      ({ status }) => (status === 201 ? true : null),
      () => null,
    );
  });
});

it('connections of a trusted proxy are not bounded, and its requests count for who it names', async () => {
  const staged = await stage('connections: 1, inFlight: 1', 'trustedProxies: [127.0.0.1]');
  const arrived = staged.backend.nextArrival();
  const held: Arrival[] = [];
  staged.backend.behave((arrival) => held.push(arrival));
  const ask = (key: string, of: string) =>
    sendRequest(staged.proxy.port, { headers: { ...keyed(key), 'X-Forwarded-For': of } });
  const first = ask('a', '203.0.113.1');
  await arrived;
  staged.backend.behave(executeAndAnswer);

  const same = await ask('b', '192.0.2.1, 203.0.113.1');
  const other = await ask('c', '203.0.113.2');
  for (const arrival of held) executeAndAnswer(arrival);

  expect([same.status, problemCode(same), other.status, (await first).status]).toEqual([
    429,
    'overloaded',
    201,
    201,
  ]);
});

it('requests of one client above the bound get 429 before their body is read, and nothing is executed', async () => {
  const { backend, proxy } = await stage('inFlight: 1');
  const arrived = backend.nextArrival();
  let first: Arrival | null = null;
  backend.behave((arrival) => {
    first = arrival;
  });
  const occupying = sendRequest(proxy.port, { headers: keyed('a') });
  await arrived;
  const over = await connectRaw(proxy.port);
  closers.push(async () => over.socket.destroy());
  over.send('POST /x HTTP/1.1\r\nHost: a\r\nIdempotency-Key: "b"\r\nContent-Length: 10\r\n\r\n');
  const refused = await over.answer();
  const reserved = await sendRequest(proxy.port, { method: 'GET', path: '/.well-known/onceward' });
  if (first !== null) executeAndAnswer(first);
  await occupying;

  expect([refused.status, reserved.status, backend.executions('b')]).toEqual([429, 429, 0]);
  backend.behave(executeAndAnswer);
  await until('a place', async () =>
    (await sendRequest(proxy.port, { headers: keyed('c') })).status === 201 ? true : null,
  );
  await untilMetrics(proxy, 'the refusals', (text) =>
    /onceward_overloads_total\{of="client_in_flight"\} [2-9]/.test(text),
  );
});

it('a client that leaves does not give its place away while its request is executed', async () => {
  const { backend, proxy } = await stage('inFlight: 1');
  const arrived = backend.nextArrival();
  backend.behave(() => undefined);
  const gone = new AbortController();
  const left = sendRequest(proxy.port, { headers: keyed('a'), signal: gone.signal });
  const arrival = await arrived;
  gone.abort();
  await left.catch(() => undefined);

  const over = await sendRequest(proxy.port, { headers: keyed('b') });
  executeAndAnswer(arrival);
  backend.behave(executeAndAnswer);
  const later = await until('a place', async () => {
    const answer = await sendRequest(proxy.port, { headers: keyed('b') });
    return answer.status === 201 ? answer : null;
  });

  expect([over.status, later.status, backend.executions('b')]).toEqual([429, 201, 1]);
});

async function post(session: ClientHttp2Session, key: string): Promise<number> {
  const stream = session.request({ ':method': 'POST', ':path': '/x', 'idempotency-key': `"${key}"` });
  stream.end('{}');
  const [fields] = await once(stream, 'response');
  stream.resume();
  return Number(fields[':status']);
}

it('streams of one connection are requests, and one that is reset gives its place back', async () => {
  const { backend, proxy } = await stage('inFlight: 3', 'http2: prior-knowledge');
  const session = connectH2(`http://127.0.0.1:${proxy.port}`);
  closers.push(async () => session.destroy());
  const held: Arrival[] = [];
  backend.behave((arrival) => held.push(arrival));
  const occupying: Promise<number>[] = [];
  for (const key of ['a', 'b', 'c']) {
    const arrived = backend.nextArrival();
    occupying.push(post(session, key));
    await arrived;
  }

  const over = await post(session, 'd');
  for (const arrival of held) executeAndAnswer(arrival);
  backend.behave(executeAndAnswer);

  expect([over, ...(await Promise.all(occupying)), backend.executions('d')]).toEqual([429, 201, 201, 201, 0]);
  // More resets than there are places: had one of them kept its place, there would be none left.
  for (let i = 0; i < 5; i += 1) {
    const stream = session.request({ ':method': 'POST', ':path': '/y' });
    stream.on('error', () => undefined);
    stream.write('half');
    stream.close(8);
    await once(stream, 'close');
  }
  await until('a place', async () => ((await post(session, 'd')) === 201 ? true : null));
});
