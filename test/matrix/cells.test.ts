import { Agent } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { requestText } from '../http/request-text.ts';
import { executeAndAnswer } from '../support/counting-backend.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { type Cell, type Stage, stageCell } from './stage.ts';

/** Every behaviour with every proxy of others on either side. */

const CELLS: readonly Cell[] = [
  { name: 'nginx before', before: 'nginx', behind: null },
  { name: 'HAProxy before', before: 'haproxy', behind: null },
  { name: 'nginx behind', before: null, behind: 'nginx' },
  { name: 'HAProxy behind', before: null, behind: 'haproxy' },
  { name: 'nginx on both sides', before: 'nginx', behind: 'nginx' },
  { name: 'HAProxy on both sides', before: 'haproxy', behind: 'haproxy' },
  { name: 'nginx before and HAProxy behind', before: 'nginx', behind: 'haproxy' },
  { name: 'HAProxy before and nginx behind', before: 'haproxy', behind: 'nginx' },
  {
    name: 'HAProxy before over HTTP/2',
    before: 'haproxy',
    behind: null,
    speaks: { before: 'http2' },
  },
  { name: 'nginx behind over HTTP/2', before: null, behind: 'nginx', speaks: { behind: 'http2' } },
  { name: 'HAProxy behind over HTTP/2', before: null, behind: 'haproxy', speaks: { behind: 'http2' } },
  {
    name: 'HAProxy on both sides over HTTP/2',
    before: 'haproxy',
    behind: 'haproxy',
    speaks: { before: 'http2', behind: 'http2' },
  },
];

const PATH = '/orders/new';
const BIG = JSON.stringify({ blob: 'x'.repeat(700_000) });
const CALLER: readonly [string, string] = ['Authorization', 'Bearer one'];

describe.each(CELLS)('with $name,', (cell) => {
  let stage: Stage;
  let keys = 0;
  let key: string;
  beforeAll(async () => {
    stage = await stageCell(cell);
  });
  afterAll(() => stage.close());
  beforeEach(() => {
    keys += 1;
    key = `key-${keys}`;
    stage.backend.behave(executeAndAnswer);
  });

  const post = (body = '{}', agent?: Agent) =>
    sendRequest(stage.port, {
      path: PATH,
      headers: keyed(key),
      body,
      ...(agent === undefined ? {} : { agent }),
    });
  const keyLine = (): readonly [string, string] => ['Idempotency-Key', `"${key}"`];

  async function withRaw<T>(use: (client: RawClient) => Promise<T>): Promise<T> {
    const client = await connectRaw(stage.port);
    try {
      return await use(client);
    } finally {
      client.socket.destroy();
    }
  }

  it('a keyed POST is executed once over its retries, which get the same bytes', async () => {
    const first = await post();
    const retries = [await post(), await post(), await post()];

    expect(first.status).toBe(201);
    expect(retries.map(({ status, body }) => [status, body.toString()])).toEqual(
      Array.from({ length: 3 }, () => [201, first.body.toString()]),
    );
    expect(retries.map(({ headers }) => headers['x-execution'])).toEqual(
      Array.from({ length: 3 }, () => first.headers['x-execution']),
    );
    expect(stage.backend.executions(key)).toBe(1);
  });

  it('twenty duplicates at once are one execution and one answer', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => post()));

    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(201);
    expect(stage.backend.executions(key)).toBe(1);
  });

  it('the same key with another body is refused', async () => {
    await post();
    const other = await post('{"other":true}');

    expect([other.status, problemCode(other)]).toEqual([422, 'key-reused']);
    expect(stage.backend.executions(key)).toBe(1);
  });

  it('a large body arrives whole, and its large answer is replayed whole', async () => {
    const first = await post(BIG);
    const retry = await post(BIG);

    expect(JSON.parse(first.body.toString())).toMatchObject({ body: BIG });
    expect(retry.body.equals(first.body)).toBe(true);
    expect(stage.backend.executions(key)).toBe(1);
  });

  it('an upload in chunks is one execution, also when its retry comes in other chunks', async () => {
    const upload = (...pieces: readonly string[]) =>
      withRaw(async (client) => {
        client.send(
          `${requestText('POST', PATH, [CALLER, keyLine(), ['Transfer-Encoding', 'chunked']])}${pieces
            .map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`)
            .join('')}0\r\n\r\n`,
        );
        return await client.answer();
      });
    const first = await upload('{"a"', ':1', '}');
    const retry = await upload('{"a":1}');

    expect([first.status, JSON.parse(first.body.toString()).body]).toEqual([201, '{"a":1}']);
    expect(retry.body.equals(first.body)).toBe(true);
    expect(stage.backend.executions(key)).toBe(1);
  });

  it('one connection carries many keyed requests and their repeats', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<unknown>();
    agent.on('free', (socket) => ports.add(socket.localPort));
    const prefix = key;
    for (let n = 0; n < 5; n += 1) {
      key = `${prefix}-${n}`;
      const first = await post('{}', agent);
      const retry = await post('{}', agent);
      expect(retry.body.equals(first.body)).toBe(true);
      expect(stage.backend.executions(key)).toBe(1);
    }
    agent.destroy();

    expect(ports.size).toBe(1);
  });

  it('a backend that dies in the middle leaves the key unknown, and is not asked again', async () => {
    // Each of them keeps connections: the one that breaks has served before.
    await post();
    key = `${key}-lost`;
    stage.backend.behave((arrival) => {
      arrival.execute();
      arrival.reset();
    });
    const lost = await post();
    const retry = await post();

    expect(lost.status).toBe(502);
    expect([retry.status, problemCode(retry)]).toEqual([409, 'outcome-unknown']);
    expect(stage.backend.executions(key)).toBe(1);
  });

  it('an answer that breaks off leaves the key unknown', async () => {
    stage.backend.behave((arrival) => {
      arrival.execute();
      arrival.truncate('{"half":"of it"}');
    });
    const cut = await post().then(
      ({ status }) => status,
      () => 'broken',
    );
    const retry = await post();

    expect(cut === 'broken' || cut === 502).toBe(true);
    expect([retry.status, problemCode(retry)]).toEqual([409, 'outcome-unknown']);
    expect(stage.backend.executions(key)).toBe(1);
  });

  it('a client that leaves finds its answer when it comes back', async () => {
    const arrival = new Promise<() => void>((resolve) => {
      stage.backend.behave((made) => {
        made.execute();
        resolve(() => made.answer(201, 'late'));
      });
    });
    const client = await connectRaw(stage.port);
    client.send(requestText('POST', PATH, [CALLER, keyLine(), ['Content-Type', 'application/json']], '{}'));
    const answer = await arrival;
    client.reset();
    await client.closed();
    answer();
    const retry = await post();

    expect([retry.status, retry.body.toString()]).toEqual([201, 'late']);
    expect(stage.backend.executions(key)).toBe(1);
  });

  it('the name of the key field counts without its case, and with an underscore is refused', async () => {
    const named = (name: string) =>
      sendRequest(stage.port, {
        path: PATH,
        headers: { Authorization: 'Bearer one', [name]: `"${key}"` },
      });
    const odd = await named('iDEMPOTENCY-kEY');
    const usual = await named('Idempotency-Key');
    const before = stage.backend.arrivals();
    const underscore = await named('Idempotency_Key');

    expect(usual.body.equals(odd.body)).toBe(true);
    expect(underscore.status).toBe(400);
    expect(stage.backend.arrivals()).toBe(before);
    expect(stage.backend.executions(key)).toBe(1);
  });

  it('GET and HEAD pass through, every time', async () => {
    stage.backend.behave((arrival) => arrival.answer(200, 'read', { ETag: '"1"' }));
    const before = stage.backend.arrivals();
    const get = await sendRequest(stage.port, { method: 'GET', path: PATH, headers: keyed(key) });
    const again = await sendRequest(stage.port, { method: 'GET', path: PATH, headers: keyed(key) });
    const head = await sendRequest(stage.port, { method: 'HEAD', path: PATH, headers: keyed(key) });

    expect([get, again].map(({ status, body }) => [status, body.toString()])).toEqual([
      [200, 'read'],
      [200, 'read'],
    ]);
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '4', 0]);
    expect(stage.backend.arrivals()).toBe(before + 3);
  });

  it('a body that waits for "100 Continue" gets it, and is executed once', async () => {
    const ask = () =>
      withRaw(async (client) => {
        const [head = '', body = ''] = requestText(
          'POST',
          PATH,
          [CALLER, keyLine(), ['Expect', '100-continue']],
          '{"a":1}',
        ).split(/(?<=\r\n\r\n)/);
        client.send(head);
        await client.receives('HTTP/1.1 100 ');
        client.send(body);
        return await client.answer();
      });
    const first = await ask();
    const retry = await ask();

    expect([first.status, retry.status]).toEqual([201, 201]);
    expect(retry.body.equals(first.body)).toBe(true);
    expect(stage.backend.executions(key)).toBe(1);
  });

  // HTTP/2 has no Upgrade.
  if (cell.speaks === undefined)
    it('a WebSocket is tunnelled both ways', async () => {
      await withRaw(async (client) => {
        client.send(
          requestText('GET', '/socket', [
            CALLER,
            ['Connection', 'Upgrade'],
            ['Upgrade', 'websocket'],
            ['Sec-WebSocket-Version', '13'],
            ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
          ]),
        );
        const answer = await client.answer('GET');
        client.send('there and back');
        await client.receives('there and back');

        expect(answer.status).toBe(101);
      });
    });
});
