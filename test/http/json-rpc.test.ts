import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { type Answer, sendRequest } from '../support/send-request.ts';

/** Messages of JSON-RPC that no client library sends on purpose, and answers that no server should give. */

let backend: CountingBackend;
let proxy: TestProxy;

beforeAll(async () => {
  backend = await startCountingBackend(answerCall);
  proxy = await startProxy({ upstreamPort: backend.port, defaults: 'profile: mcp' });
});

afterEach(() => backend.behave(answerCall));

afterAll(async () => {
  await proxy.close();
  await backend.close();
});

function answerCall(arrival: Arrival): void {
  const { id }: { id?: unknown } = JSON.parse(arrival.body);
  arrival.answer(200, JSON.stringify({ jsonrpc: '2.0', id, result: { execution: arrival.execute() } }));
}

let keys = 0;
const freshKey = (): string => {
  keys += 1;
  return `key-${keys}`;
};

function call(key: string, id: string, more = ''): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"pay","_meta":{"idempotencyKey":"${key}","progressToken":${id}}${more}}}`;
}

function send(body: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return sendRequest(proxy.port, { path: '/mcp', body, headers });
}

const textOf = (answer: Answer): string => answer.body.toString('utf8');
const statusOf = (answer: Answer): unknown => answer.headers['idempotency-status'];

describe('a call of a tool', () => {
  it.each([
    ['a number', '2'],
    ['a text', '"b\\u00e9"'],
    ['a number as large as a double holds', '9007199254740991'],
  ])('is replayed under its own id, as it was written: %s', async (_what, id) => {
    const key = freshKey();
    const first = await send(call(key, '1'));

    const again = await send(call(key, id));

    expect(textOf(again)).toBe(textOf(first).replace('"id":1', `"id":${id}`));
    expect([statusOf(again), again.headers['content-length']]).toEqual([
      'replayed',
      String(again.body.byteLength),
    ]);
  });

  it('is executed anew where the session was gone, as nothing had been executed', async () => {
    const key = freshKey();
    backend.behave((arrival) => arrival.answer(404, '{"jsonrpc":"2.0","error":{"code":-32001},"id":null}'));
    const gone = await send(call(key, '1'));
    backend.behave(answerCall);

    const again = await send(call(key, '2'));

    expect([gone.status, again.status, statusOf(again)]).toEqual([404, 200, 'executed']);
  });

  it('whose stream ended without an answer is told that it was executed, under its id', async () => {
    const key = freshKey();
    const stream = { 'Content-Type': 'text/event-stream' };
    backend.behave((arrival) => {
      arrival.execute();
      arrival.answer(200, 'id: 1\nretry: 1000\ndata: \n\n', stream);
    });
    await send(call(key, '1'));

    const again = await send(call(key, '2'));

    expect(again.status).toBe(409);
    expect(JSON.parse(textOf(again))).toMatchObject({
      id: 2,
      error: { data: { code: 'response-not-stored', executed: 'yes', retryable: false } },
    });
  });

  it('that wants no answer gets what is stored as it is', async () => {
    const key = freshKey();
    const body = call(key, '1').replace('"id":1,', '');
    backend.behave((arrival) => {
      arrival.execute();
      arrival.answer(202, '');
    });

    const answers = [await send(body), await send(body)];

    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    expect(answers.map(statusOf)).toEqual(['executed', 'replayed']);
  });

  it('with two keys that differ, or in a batch, is refused and not executed', async () => {
    const executed = backend.executionsOfAll();

    const answers = [
      await send(call(freshKey(), '1'), { 'Idempotency-Key': 'another' }),
      await send(`[${call(freshKey(), '1')}]`),
      await send(call(freshKey(), '1').replace('{', '{"method":"ping",')),
    ];

    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400]);
    expect(answers.map(({ headers }) => headers['onceward-problem'])).toEqual([
      'key-invalid',
      'key-invalid',
      'key-invalid',
    ]);
    expect(backend.executionsOfAll()).toBe(executed);
  });
});

describe('another message', () => {
  it.each([
    '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
    '{"jsonrpc":"2.0","id":1,"result":{}}',
  ])('is passed on each time, key or not: %s', async (body) => {
    const executed = backend.executionsOfAll();
    const keyed = { 'Idempotency-Key': freshKey() };

    const answers = [await send(body, keyed), await send(body, keyed)];

    expect(answers.map(statusOf)).toEqual([undefined, undefined]);
    expect(backend.executionsOfAll()).toBe(executed + 2);
  });
});
