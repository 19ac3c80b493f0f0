import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CountingBackend, executeAndAnswer, startCountingBackend } from '../support/counting-backend.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { type SharedStore, startTwoProxies, type TwoProxies } from '../support/two-proxies.ts';

/** A caller whose credential is renewed between two tries. Two processes over one store. */

let backend: CountingBackend;

beforeAll(async () => {
  backend = await startCountingBackend();
});

afterEach(() => backend.behave(executeAndAnswer));

afterAll(() => backend.close());

const ROUTES = [
  { name: 'one-tenant', match: { path: '/one/**' }, tenants: 'single', rotated: 'refuse' },
  { name: 'many-tenants', match: { path: '/many/**' } },
];

describe.each<SharedStore>(['lmdb', 'redis'])('a renewed credential, with %s', (kind) => {
  let proxies: TwoProxies;

  beforeAll(async () => {
    proxies = await startTwoProxies(kind, backend.origin, ROUTES);
  });

  afterAll(() => proxies.close());

  const ask = (
    proxy: keyof Omit<TwoProxies, 'close'>,
    path: string,
    key: string,
    token: string,
    body = '{}',
  ): Promise<Answer> =>
    sendRequest(proxies[proxy].port, { path, headers: keyed(`${kind}-${key}`, token), body });

  it('does not execute again where the route refuses it, and the old one still gets its answer', async () => {
    const first = await ask('one', '/one/a', 'k1', 'Bearer old');
    const renewed = await ask('other', '/one/a', 'k1', 'Bearer new');
    const again = await ask('other', '/one/a', 'k1', 'Bearer old');

    expect([first.status, renewed.status, problemCode(renewed)]).toEqual([201, 409, 'credential-rotated']);
    expect([again.status, again.headers['idempotency-status']]).toEqual([201, 'replayed']);
    expect(again.body).toEqual(first.body);
    expect(backend.executions(`${kind}-k1`)).toBe(1);
  });

  it('executes for the new one where nothing was executed under the old one', async () => {
    backend.behave(({ answer }) => answer(503, 'busy'));
    await ask('one', '/one/a', 'k2', 'Bearer old');
    backend.behave(executeAndAnswer);

    const renewed = await ask('other', '/one/a', 'k2', 'Bearer new');
    const old = await ask('one', '/one/a', 'k2', 'Bearer old');

    expect([renewed.status, problemCode(old)]).toEqual([201, 'credential-rotated']);
    expect(backend.executions(`${kind}-k2`)).toBe(1);
  });

  it('is refused while the outcome under the old one is not known', async () => {
    backend.behave(({ reset }) => reset());
    await ask('one', '/one/a', 'k3', 'Bearer old');
    backend.behave(executeAndAnswer);

    expect(problemCode(await ask('other', '/one/a', 'k3', 'Bearer new'))).toBe('credential-rotated');
    expect(backend.executions(`${kind}-k3`)).toBe(0);
  });

  it('executes another request under the same key: that is no retry', async () => {
    const first = await ask('one', '/one/a', 'k4', 'Bearer old', '{"amount":1}');
    const second = await ask('other', '/one/a', 'k4', 'Bearer new', '{"amount":2}');

    expect([first.status, second.status]).toEqual([201, 201]);
  });

  it('of both at once exactly one executes, at whichever process each comes in', async () => {
    const keys = Array.from({ length: 40 }, (_, i) => `race-${i}`);
    const answers = await Promise.all(
      keys.flatMap((key, i) => [
        ask(i % 2 === 0 ? 'one' : 'other', '/one/a', key, 'Bearer old'),
        ask(i % 3 === 0 ? 'one' : 'other', '/one/a', key, 'Bearer new'),
      ]),
    );

    expect(keys.map((key) => backend.executions(`${kind}-${key}`))).toEqual(keys.map(() => 1));
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses).toEqual([...keys.map(() => 201), ...keys.map(() => 409)]);
  });

  it('executes again between tenants, as it must, which is counted and told in the log', async () => {
    const first = await ask('one', '/many/a', 'k5', 'Bearer old');
    const renewed = await ask('one', '/many/a', 'k5', 'Bearer new');
    const line = await proxies.one.logLine(
      ({ msg, route }) => route === 'many-tenants' && String(msg).startsWith('credential rotated'),
    );

    expect([first.status, renewed.status, backend.executions(`${kind}-k5`)]).toEqual([201, 201, 2]);
    expect(line).toMatchObject({ level: 'warn', result: 'executed', count: 1 });
  });
});
