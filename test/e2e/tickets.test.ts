import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ChildProxy } from '../support/child-proxy.ts';
import { type CountingBackend, executeAndAnswer, startCountingBackend } from '../support/counting-backend.ts';
import { type Answer, problemCode, sendRequest, until } from '../support/send-request.ts';
import { stageProxies } from '../support/two-proxies.ts';

/** Tickets of two proxies with one store: made at either, spent once at both. */

const PREFIX = '/.well-known/onceward/tickets';
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };
const LIFE_MS = 2_500;

function ask(proxy: ChildProxy, wanted: object | string, caller = 'one'): Promise<Answer> {
  return sendRequest(proxy.port, {
    path: PREFIX,
    headers: { Authorization: `Bearer ${caller}` },
    body: typeof wanted === 'string' ? wanted : JSON.stringify(wanted),
  });
}

async function ticketOf(proxy: ChildProxy, wanted: object, caller = 'one'): Promise<string> {
  const answer = await ask(proxy, wanted, caller);
  expect(answer.status).toBe(201);
  const members: Readonly<Record<string, unknown>> = JSON.parse(answer.body.toString());
  return String(members.ticket);
}

function spend(proxy: ChildProxy, ticket: string, path = '/orders', caller = 'one'): Promise<Answer> {
  return sendRequest(proxy.port, {
    path,
    headers: { Authorization: `Bearer ${caller}`, 'Idempotency-Key': `"${ticket}"` },
  });
}

function withoutInstance({ status, body }: Answer): string {
  const members: Readonly<Record<string, unknown>> = JSON.parse(body.toString());
  return JSON.stringify({ status, ...members, instance: '' });
}

const passed = (untilMs: number): Promise<number> =>
  until(
    async () => Date.now(),
    (now) => now > untilMs,
  );

describe.each(['lmdb', 'redis'] as const)('tickets of two proxies, in %s', (kind) => {
  let backend: CountingBackend;
  let one: ChildProxy;
  let two: ChildProxy;
  let start: () => Promise<ChildProxy>;
  const closers: (() => unknown)[] = [];

  beforeAll(async () => {
    backend = await startCountingBackend();
    const stage = await stageProxies(kind, {
      backendOrigin: backend.origin,
      store: { deadline: '300ms' },
      sections: {
        defaults: { lease: '1s', inFlight: { wait: '5s' } },
        routes: [
          { name: 'orders', match: { path: '/orders' }, ticket: {} },
          { name: 'refunds', match: { path: '/refunds/*' }, ticket: { life: '1h' } },
          { name: 'brief', match: { path: '/brief' }, ticket: { life: `${LIFE_MS}ms` } },
          { name: 'rare', match: { path: '/rare' }, ticket: { rate: { burst: 2, perHour: 1 } } },
          {
            name: 'session',
            match: { path: '/session' },
            ticket: {},
            scope: { headers: [], cookies: ['sid'] },
          },
          { name: 'plain', match: { path: '/plain' } },
        ],
      },
    });
    closers.push(() => backend.close(), stage.close);
    start = stage.start;
    [one, two] = await Promise.all([start(), start()]);
  });

  afterAll(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  beforeEach(() => backend.behave(executeAndAnswer));

  it('one ticket that is spent at both at once is executed once', async () => {
    const before = backend.executionsOfAll();
    const ticket = await ticketOf(one, { route: 'orders' });

    const answers = await Promise.all([one, two, one, two].map((proxy) => spend(proxy, ticket)));
    const other = await spend(two, await ticketOf(two, { method: 'POST', target: '/orders?a=1' }));

    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(new Set(answers.map(({ body }) => body.toString())).size).toBe(1);
    expect(other.headers['idempotency-status']).toBe('executed');
    expect(backend.executionsOfAll()).toBe(before + 2);
  });

  it('a ticket in a form or a query is the same ticket', async () => {
    const ticket = await ticketOf(one, { route: 'orders' });
    const caller = { Authorization: 'Bearer one' };
    const body = `_ticket=${ticket}&count=1`;
    const first = await sendRequest(one.port, { path: '/orders', headers: { ...FORM, ...caller }, body });
    const again = await sendRequest(two.port, { path: '/orders', headers: { ...FORM, ...caller }, body });
    const query = await ticketOf(two, { route: 'orders' });
    const byQuery = [one, two].map((proxy) =>
      sendRequest(proxy.port, { path: `/orders?_ticket=${query}`, headers: caller }),
    );

    expect([first.status, again.headers['idempotency-status']]).toEqual([201, 'replayed']);
    expect(again.body).toEqual(first.body);
    expect((await Promise.all(byQuery)).map(({ status }) => status)).toEqual([201, 201]);
  });

  it('a ticket of a session is good for that session, whatever other cookies come and go', async () => {
    const by = (Cookie: string, body: string): Promise<Answer> =>
      sendRequest(one.port, { path: '/session', headers: { ...FORM, Cookie }, body });
    const asked = await sendRequest(two.port, {
      path: PREFIX,
      headers: { Cookie: 'sid=mine; _ga=1' },
      body: '{"route":"session"}',
    });
    const body = `_ticket=${JSON.parse(asked.body.toString()).ticket}`;

    const foreign = await by('sid=theirs', body);
    const first = await by('_ga=2; sid=mine', body);
    const again = await by('sid=mine', body);

    expect(problemCode(foreign)).toBe('ticket-unknown');
    expect([first.headers, again.headers].map((fields) => fields['idempotency-status'])).toEqual([
      'executed',
      'replayed',
    ]);
    expect(problemCode(await by('_ga=2', body))).toBe('scope-missing');
  });

  it('whatever is no ticket of this caller and route gets one and the same answer, and uses up nothing', async () => {
    const before = backend.arrivals();
    const mine = await ticketOf(one, { route: 'orders' });
    const spent = await ticketOf(one, { route: 'refunds' });
    await spend(one, spent, '/refunds/1');

    const refused = [
      await spend(two, mine, '/orders', 'another'),
      await spend(two, mine, '/refunds/1'),
      await spend(two, spent, '/orders'),
      await spend(two, spent, '/refunds/1', 'another'),
      await spend(one, 'A'.repeat(52)),
      await spend(one, 'a-key-of-my-own'),
      await spend(one, `${mine.slice(0, -1)}${mine.endsWith('A') ? 'B' : 'A'}`),
    ];
    const taken = await spend(two, mine);

    expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 412));
    expect(new Set(refused.map(withoutInstance)).size).toBe(1);
    expect(taken.headers['idempotency-status']).toBe('executed');
    expect(backend.arrivals()).toBe(before + 2);
    expect(
      problemCode(await sendRequest(one.port, { path: '/orders', headers: { Authorization: 'x' } })),
    ).toBe('key-missing');
    expect(
      problemCode(
        await sendRequest(one.port, { path: '/orders', method: 'PUT', headers: { Authorization: 'x' } }),
      ),
    ).toBe('key-missing');
  });

  it('a ticket whose time is over is refused unspent, and answered when it was spent', async () => {
    const before = backend.executionsOfAll();
    const spent = await ticketOf(one, { route: 'brief' });
    const unspent = await ticketOf(one, { route: 'brief' });
    const released = await ticketOf(one, { route: 'brief' });
    const first = await spend(one, spent, '/brief');
    backend.behave((arrival) => arrival.answer(503, '{}'));
    expect((await spend(one, released, '/brief')).status).toBe(503);
    backend.behave(executeAndAnswer);
    await passed(Date.now() + LIFE_MS);

    const replayed = await spend(two, spent, '/brief');
    const other = await sendRequest(two.port, {
      path: '/brief',
      headers: { Authorization: 'Bearer one', 'Idempotency-Key': spent },
      body: '{"other":1}',
    });

    expect(replayed.body).toEqual(first.body);
    expect(replayed.headers['idempotency-status']).toBe('replayed');
    expect(problemCode(other)).toBe('key-reused');
    expect(problemCode(await spend(two, unspent, '/brief'))).toBe('ticket-unknown');
    expect(problemCode(await spend(one, released, '/brief'))).toBe('ticket-unknown');
    expect(backend.executionsOfAll()).toBe(before + 1);
  });

  it('at the instant at which it expires a ticket is executed once and answered, or refused for good', async () => {
    const offsetsMs = [-30, -15, -5, 0, 5];
    const tickets = await Promise.all(
      offsetsMs.map(async (offsetMs) => {
        const askedMs = Date.now();
        return { ticket: await ticketOf(one, { route: 'brief' }), atMs: askedMs + LIFE_MS + offsetMs };
      }),
    );
    const before = backend.executionsOfAll();

    const rounds = await Promise.all(
      tickets.map(async ({ ticket, atMs }) => {
        await passed(atMs);
        const raced = await Promise.all([one, two, one, two].map((proxy) => spend(proxy, ticket, '/brief')));
        return [...raced, await spend(two, ticket, '/brief')];
      }),
    );

    const executed = rounds.filter((answers) => answers.some(({ status }) => status === 201));
    for (const answers of executed) {
      const last = answers.at(-1);
      // Whoever came too early for the others to have executed is refused; who comes later is answered.
      expect(last?.status).toBe(201);
      const bodies = answers.filter(({ status }) => status === 201).map(({ body }) => body.toString());
      expect(new Set(bodies).size).toBe(1);
    }
    expect(backend.executionsOfAll()).toBe(before + executed.length);
  });

  it('a ticket whose proxy died in the middle is unknown, also after its time, and never executed again', async () => {
    const holder = await start();
    backend.behave((arrival) => void arrival.execute());
    const before = backend.executionsOfAll();
    const ticket = await ticketOf(two, { route: 'brief' });
    const arrived = backend.nextArrival();
    const sent = spend(holder, ticket, '/brief').catch(() => 'broken');
    await arrived;
    await holder.kill();
    await sent;
    await passed(Date.now() + LIFE_MS);

    const known = await until(
      () => spend(one, ticket, '/brief'),
      (answer) => problemCode(answer) !== 'in-flight',
    );

    expect(problemCode(known)).toBe('outcome-unknown');
    expect(backend.executionsOfAll()).toBe(before + 1);
  });

  it('one caller takes no more than its share, and leaves the others theirs', async () => {
    const taken = [await ask(one, { route: 'rare' }), await ask(one, { route: 'rare' })];
    const refused = await ask(one, { route: 'rare' });

    expect(taken.map(({ status }) => status)).toEqual([201, 201]);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(60);
    expect((await ask(one, { route: 'rare' }, 'another')).status).toBe(201);
  });

  it.each<readonly [string, object | string, number]>([
    ['for a route without tickets', { route: 'plain' }, 404],
    ['for a route that is not there', { route: 'none' }, 404],
    ['for a request without tickets', { target: '/plain' }, 404],
    ['for a target that is none', { target: 'plain' }, 404],
    ['for nothing', {}, 400],
    ['that is no JSON', 'route=orders', 400],
    ['that is too long', { route: 'x'.repeat(5000) }, 413],
  ])('asking for a ticket %s is refused', async (_what, wanted, status) => {
    expect((await ask(one, wanted)).status).toBe(status);
  });

  it('asking without credentials is refused where the route refuses it', async () => {
    const answer = await sendRequest(one.port, { path: PREFIX, body: '{"route":"orders"}' });

    expect(problemCode(answer)).toBe('scope-missing');
    expect((await sendRequest(one.port, { path: PREFIX, method: 'GET' })).status).toBe(405);
    expect((await sendRequest(one.port, { path: `${PREFIX}/x`, body: '{"route":"orders"}' })).status).toBe(
      404,
    );
  });
});
