import { afterEach, beforeEach, expect, it } from 'vitest';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { type Act, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { keyedPost, requestText } from './request-text.ts';

/** Clients that leave, and backends that are late. */

let upstream: ScriptedUpstream;
let proxy: TestProxy;
const clients: RawClient[] = [];
const MADE: Act = { kind: 'bytes', bytes: 'HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nmade' };
/** More than the buffers of a stream take in unread. */
const REST = 'r'.repeat(500_000);
const GATE: Act = { kind: 'gate', gate: 'go' };

beforeEach(async () => {
  upstream = await startScriptedUpstream();
  proxy = await startProxy({
    upstreamPort: upstream.port,
    upstream: 'headTimeout: 150ms, lateAnswer: 300ms',
  });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  await proxy.close();
  await upstream.close();
});

async function connected(): Promise<RawClient> {
  const client = await connectRaw(proxy.port);
  clients.push(client);
  return client;
}

async function ask(request: string): Promise<{
  readonly status: number;
  readonly text: string;
  readonly code: unknown;
  readonly replayed: boolean;
}> {
  const client = await connected();
  client.send(request);
  const answer = await client.answer();
  const text = answer.body.toString();
  const problem = answer.headers.some(([, value]) => value === 'application/problem+json');
  const replayed = answer.headers.some(([name]) => name === 'Idempotent-Replayed');
  return { status: answer.status, text, code: problem ? JSON.parse(text).code : null, replayed };
}

it('a client that leaves does not stop its execution, and its retry is a replay', async () => {
  upstream.script('leave', [[GATE, MADE]]);
  const client = await connected();
  client.send(keyedPost('/conf/leave/x'));
  await upstream.hit('leave', 1);

  client.reset();
  upstream.open('leave', 'go');
  await proxy.ended(1);
  const retry = await ask(keyedPost('/conf/leave/x'));

  expect(retry).toMatchObject({ status: 201, text: 'made', replayed: true });
  expect(upstream.seen('leave').length).toBe(1);
});

it('a client that leaves an unkeyed request takes its exchange with it', async () => {
  upstream.script('leave-get', [
    [{ kind: 'bytes', bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf' }, GATE],
  ]);
  const client = await connected();
  client.send(requestText('GET', '/conf/leave-get/x'));
  await client.receives('half');

  client.reset();
  const [line] = await proxy.ended(1);

  expect(line).toMatchObject({ outcome: 'bypassed', status: 200, bytesOut: 4 });
});

it('a client that leaves while it uploads causes no hit and no record', async () => {
  const client = await connected();
  client.send(
    'POST /conf/upload/x HTTP/1.1\r\nHost: proxy.test\r\nIdempotency-Key: k1\r\nContent-Length: 100\r\n\r\nhalf',
  );
  client.reset();
  const [line] = await proxy.ended(1);
  upstream.script('upload', [[MADE]]);
  const retry = await ask(keyedPost('/conf/upload/x'));

  expect(line).toMatchObject({ outcome: 'rejected', status: 0 });
  expect(retry).toMatchObject({ status: 201, replayed: false });
  expect(upstream.seen('upload').length).toBe(1);
});

it('a client that half-closes after its request still gets the answer', async () => {
  upstream.script('half', [[GATE, MADE]]);
  const client = await connected();

  client.send(keyedPost('/conf/half/x'));
  client.halfClose();
  await upstream.hit('half', 1);
  upstream.open('half', 'go');
  const answer = await client.answer();

  expect([answer.status, answer.body.toString()]).toEqual([201, 'made']);
});

it('after a time-out the client gets 504 first, and the late answer is replayed', async () => {
  upstream.script('late', [[GATE, MADE]]);

  const first = await ask(keyedPost('/conf/late/x'));
  upstream.open('late', 'go');
  const [line] = await proxy.ended(1);
  const second = await ask(keyedPost('/conf/late/x'));

  expect(first).toMatchObject({ status: 504, code: 'upstream-timeout' });
  expect(line).toMatchObject({ outcome: 'executed', status: 504, problem: 'upstream-timeout' });
  expect(second).toMatchObject({ status: 201, text: 'made', replayed: true });
});

it('when the late window is over the exchange is destroyed and the outcome unknown', async () => {
  upstream.script('lapse', [[GATE, MADE]]);

  const first = await ask(keyedPost('/conf/lapse/x'));
  const [line] = await proxy.ended(1);
  const second = await ask(keyedPost('/conf/lapse/x'));

  expect(first).toMatchObject({ status: 504 });
  expect(line).toMatchObject({ outcome: 'parked' });
  expect(second).toMatchObject({ status: 409, code: 'outcome-unknown' });
  expect(upstream.seen('lapse').length).toBe(1);
});

it('an unkeyed request that times out gets 504 and is not tried again', async () => {
  upstream.script('slow', [[GATE, MADE]]);

  const answer = await ask(requestText('GET', '/conf/slow/x'));

  expect(answer).toMatchObject({ status: 504, code: 'upstream-timeout' });
  expect(upstream.seen('slow').length).toBe(1);
});

it.for(['keyed', 'unkeyed'] as const)(
  'the connection of a client that got an early answer to its %s upload can be used again, or is closed',
  async (kind) => {
    upstream.script('early', [
      [{ kind: 'at-head' }, { kind: 'bytes', bytes: 'HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno' }],
    ]);
    const client = await connected();
    const key = kind === 'keyed' ? 'Idempotency-Key: k1\r\n' : '';
    client.send(
      `POST /conf/early/x HTTP/1.1\r\nHost: proxy.test\r\n${key}Content-Length: 500005\r\n\r\n01234`,
    );
    if (kind === 'keyed') client.send(REST);

    const first = await client.answer();
    if (kind === 'unkeyed') client.send(REST);
    upstream.script('early', [[MADE]]);
    client.send(requestText('POST', '/conf/early/y', [], 'z'));
    const second = await Promise.race([client.answer().then(({ status }) => status), client.closed()]);

    expect([first.status, first.body.toString()]).toEqual([403, 'no']);
    expect([201, 'fin', 'reset', 0]).toContain(second);
  },
);
