import { afterEach, describe, expect, it } from 'vitest';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { type ReportedRoute, reportOf, untilReported } from '../support/observe-report.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { sendRequest } from '../support/send-request.ts';

/** The ends of the report, each by a request that has it. */

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

type Stage = { readonly proxy: TestProxy; readonly adminPort: number; readonly backend: CountingBackend };

async function observing(route = '', top = ''): Promise<Stage> {
  const backend = await startCountingBackend();
  opened.push(() => backend.close());
  const proxy = await startProxyWith(`
listen: 127.0.0.1:0
observe: off
admin: { listen: 127.0.0.1:0 }
upstream: { url: "${backend.origin}", connectTimeout: 1s }
store: "memory:"
${top}
unmatched: not-found
routes:
  - name: pay
    match: { path: /charges }
    mode: observe
    ${route === '' ? 'scope: { anonymous: allow }' : route}
`);
  opened.push(() => proxy.close());
  return { proxy, adminPort: proxy.app.adminAddress?.port ?? 0, backend };
}

function ends({ ends: found }: ReportedRoute): Record<string, number> {
  return Object.fromEntries(found.map(({ end, requests }) => [end, requests]));
}

function send(port: number, key: string | null, body = '{}'): Promise<{ status: number }> {
  const headers = key === null ? {} : { 'Idempotency-Key': key };
  return sendRequest(port, { headers, body });
}

describe('the report of mode: observe', () => {
  it('has a route that observes before anything came', async () => {
    const { adminPort } = await observing();

    expect(await reportOf(adminPort)).toMatchObject({
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      routes: [{ route: 'pay', mode: 'observe', requests: 0, ends: [] }],
    });
  });

  it('tells a repeat, other content, and a request without a key apart, with examples by hash', async () => {
    const { proxy, adminPort } = await observing();

    await send(proxy.port, 'the-client-key', '{"secret":1}');
    await untilReported(adminPort, 'pay', ({ executed }) => executed === 1);
    await send(proxy.port, 'the-client-key', '{"secret":1}');
    await send(proxy.port, 'the-client-key', '{"secret":2}');
    await send(proxy.port, null);
    const route = await untilReported(adminPort, 'pay', ({ requests }) => requests === 4);

    expect(route).toMatchObject({ executed: 1, replayed: 1, refused: 1, parked: 0, passed: 1, notJudged: 0 });
    expect(ends(route)).toEqual({ executed: 1, replayed: 1, 'key-reused': 1, 'no-key': 1 });
    const [first, repeat, other, without] = route.ends.map(({ examples }) => examples[0]);
    expect(first).toMatchObject({ recordKey: expect.stringMatching(/^[\w-]{20,}$/), status: 201 });
    expect([repeat?.recordKey, other?.recordKey]).toEqual([first?.recordKey, first?.recordKey]);
    expect(without).toMatchObject({ recordKey: null, status: null });
    expect(JSON.stringify(route)).not.toMatch(/the-client-key|secret/);
  });

  it('names records that the operator can find by the key, and look at', async () => {
    const { proxy, adminPort } = await observing();
    await send(proxy.port, 'k');
    const route = await untilReported(adminPort, 'pay', ({ executed }) => executed === 1);
    const recordKey = route.ends[0]?.examples[0]?.recordKey;

    const lookup = await sendRequest(adminPort, {
      path: '/keys/lookup',
      body: JSON.stringify({ route: 'pay', key: 'k' }),
    });
    const shown = await fetch(`http://127.0.0.1:${adminPort}/keys/${recordKey}`);

    expect(JSON.parse(lookup.body.toString())).toEqual({ records: [{ recordKey, state: 'completed' }] });
    expect(await shown.json()).toMatchObject({ recordKey, state: 'completed', response: { status: 201 } });
  });

  it('tells what would be refused by its head, and forwards it', async () => {
    const { proxy, adminPort, backend } = await observing(
      'key: { required: true, syntax: strict }\n    scope: { headers: [authorization] }',
    );

    const answers = [
      await send(proxy.port, null),
      await send(proxy.port, 'no quotes'),
      await send(proxy.port, '"well-formed"'),
    ];
    const route = await untilReported(adminPort, 'pay', ({ refused }) => refused === 3);

    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(ends(route)).toEqual({ 'key-missing': 1, 'key-invalid': 1, 'scope-missing': 1 });
    expect(backend.executionsOfAll()).toBe(3);
  });

  it.each([
    [503, 'released'],
    [502, 'parked'],
    [500, 'executed'],
  ])('calls the first request with a %d %s', async (status, end) => {
    const { proxy, adminPort, backend } = await observing();
    backend.behave((arrival) => arrival.answer(status, '{}'));

    await send(proxy.port, 'k');
    const route = await untilReported(adminPort, 'pay', ({ requests }) => requests === 1);

    expect(ends(route)).toEqual({ [end]: 1 });
  });

  it('calls a repeat of a lost answer refused: its outcome would be unknown', async () => {
    const { proxy, adminPort, backend } = await observing();
    backend.behave((arrival) =>
      arrival.arrival === 1 ? arrival.truncate('{"half":true}') : arrival.answer(201, ''),
    );

    await expect(send(proxy.port, 'k')).rejects.toThrow();
    await untilReported(adminPort, 'pay', ({ parked }) => parked === 1);
    const repeat = await send(proxy.port, 'k');
    const route = await untilReported(adminPort, 'pay', ({ requests }) => requests === 2);

    expect(repeat.status).toBe(201);
    expect(ends(route)).toEqual({ parked: 1, 'outcome-unknown': 1 });
  });

  it('calls a repeat after a client that went away replayed: enforcing would have kept the answer', async () => {
    const { proxy, adminPort, backend } = await observing();
    backend.behave(() => undefined);
    const arrived = backend.nextArrival();
    const client = await connectRaw(proxy.port);
    client.send('POST /charges HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Length: 2\r\n');
    client.send('Content-Type: application/json\r\n\r\n{}');
    await arrived;

    client.reset();
    await untilReported(adminPort, 'pay', ({ executed }) => executed === 1);
    backend.behave((arrival) => arrival.answer(201, '{}'));
    await send(proxy.port, 'k');
    const route = await untilReported(adminPort, 'pay', ({ requests }) => requests === 2);

    expect(ends(route)).toEqual({ executed: 1, replayed: 1 });
  });

  it.each([
    ['{ wait: 2s }', 'joined'],
    ['reject', 'in-flight'],
  ])('with inFlight: %s calls a repeat of what is in flight %s', async (policy, end) => {
    const { proxy, adminPort, backend } = await observing(
      `scope: { anonymous: allow }\n    inFlight: ${policy}`,
    );
    const held: Arrival[] = [];
    backend.behave((arrival) => void held.push(arrival));
    const arrived = backend.nextArrival();
    const first = send(proxy.port, 'k');
    await arrived;

    backend.behave((arrival) => arrival.answer(201, '{}'));
    await send(proxy.port, 'k');
    await untilReported(adminPort, 'pay', ({ requests }) => requests === 1);
    held[0]?.answer(201, '{}');
    await first;
    const route = await untilReported(adminPort, 'pay', ({ requests }) => requests === 2);

    expect(ends(route)).toEqual({ [end]: 1, executed: 1 });
  });

  it('calls a backend that is not there unreachable', async () => {
    const { proxy, adminPort, backend } = await observing();
    await backend.close();

    const answer = await send(proxy.port, 'k');
    const route = await untilReported(adminPort, 'pay', ({ requests }) => requests === 1);

    expect(answer.status).toBe(502);
    expect(ends(route)).toEqual({ unreachable: 1 });
  });

  it('tells a body over the limit from one there was no room for', async () => {
    const { proxy, adminPort } = await observing(
      'scope: { anonymous: allow }\n    limits: { request: 768KiB }',
      'limits: { buffer: 1MiB }',
    );

    await send(proxy.port, 'large', 'x'.repeat(800 * 1024));
    await send(proxy.port, 'no-room', 'x'.repeat(600 * 1024));
    const route = await untilReported(adminPort, 'pay', ({ requests }) => requests === 2);

    expect(ends(route)).toEqual({ 'request-too-large': 1, 'no-room': 1 });
    expect(route).toMatchObject({ refused: 1, notJudged: 1 });
  });
});
