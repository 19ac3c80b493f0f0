// tidy: one port, one table of what it refuses.
import { once } from 'node:events';
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAdminServer } from '../../src/admin/admin-server.ts';
import { keysRoutes } from '../../src/admin/keys-routes.ts';
import { callerOf } from '../../src/admin/tokens.ts';
import type { Claim } from '../../src/core/record.ts';
import type { Store } from '../../src/store/contract.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { FULL, granted, newRecordKey, requestOf } from '../contract/harness.ts';
import { INTO_STATE } from '../contract/states.ts';

const TOKEN = '0123456789abcdefghijklmnopqrstuv';
const TOKENS = [
  { name: 'other', token: 'z'.repeat(32) },
  { name: 'ops', token: TOKEN },
];

let store: Store;
let nowMs: number;
let tokens: readonly { readonly name: string; readonly token: string }[];
let audits: unknown[];
let counted: string[];
let origin: string;
let close: () => Promise<void>;

beforeEach(async () => {
  nowMs = 1_795_000_000_000;
  store = createMemoryStore({ clock: { nowMs: () => nowMs }, bytesMax: 1e8 });
  tokens = TOKENS;
  audits = [];
  counted = [];
  const server = await startAdminServer({
    listen: { host: '127.0.0.1', port: 0 },
    actions: { drain: () => undefined },
    status: () => {
      throw new Error('not asked');
    },
    routes: keysRoutes({
      store,
      metrics: {
        adminWrite: (action, result) => counted.push(`${action} ${result}`),
        resolved: (by, to) => counted.push(`${by} ${to}`),
      },
      log: { event: (_level, message, facts) => void audits.push({ message, ...facts }) },
      tokens: () => tokens,
      storedForm: (_recordKey, response) => response,
      retainMs: () => 60_000,
      responseBytesMax: () => 100,
      find: ({ route, key }) => (route === 'charges' ? [`hmac-${key}`] : null),
      ...{ wallMs: () => nowMs, monotonicMs: () => nowMs },
    }),
    observe: null,
    onError: (error) => {
      throw error;
    },
  });
  origin = `http://127.0.0.1:${server.address.port}`;
  close = () => server.close();
});

afterEach(async () => {
  await close();
  await store.close();
});

type Told = { readonly status: number; readonly type: string | null; readonly body: Record<string, unknown> };

async function ask(
  method: string,
  path: string,
  body?: unknown,
  authorization = `Bearer ${TOKEN}`,
): Promise<Told> {
  const response = await fetch(`${origin}${path}`, {
    method,
    headers: authorization === '' ? {} : { Authorization: authorization },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    body: text === '' ? {} : JSON.parse(text),
  };
}

async function unknown(): Promise<Claim> {
  const { claim } = await granted(
    store,
    newRecordKey(),
    requestOf(1000, { note: Buffer.from('a client’s key') }),
  );
  await store.park(claim, 'reset');
  return claim;
}

const stateOf = async ({ recordKey }: Claim): Promise<string> =>
  (await store.inspect(recordKey))?.state ?? 'absent';

describe('looking at keys', () => {
  it('shows no digest of a request, which could be tried out', async () => {
    const { recordKey } = await unknown();

    const shown = await ask('GET', `/keys/${recordKey}`, undefined, '');

    expect(shown.body).toMatchObject({ recordKey, state: 'unknown' });
    expect(shown.body).not.toHaveProperty('fingerprint');
  });

  it('lists pages of one state without a token, and shows nothing of a client', async () => {
    const claims = [await unknown(), await unknown(), await unknown()];
    const { claim } = await granted(store, newRecordKey(), requestOf(1000));
    await store.complete(claim, FULL, 60_000);

    const first = await ask('GET', '/keys?state=unknown&limit=2', undefined, '');
    const second = await ask(
      'GET',
      `/keys?state=unknown&limit=2&cursor=${String(first.body.cursor)}`,
      undefined,
      '',
    );

    const seen = [first, second].flatMap(({ body }) => body.records as { recordKey: string }[]);
    expect(seen.map(({ recordKey }) => recordKey).sort()).toEqual(
      claims.map(({ recordKey }) => recordKey).sort(),
    );
    expect(seen[0]).toMatchObject({ state: 'unknown', reason: 'reset', note: 'present' });
    expect(second.body.cursor).toBeNull();
    expect(JSON.stringify(seen)).not.toContain(Buffer.from('a client’s key').toString('base64'));
  });

  it('shows a record with a digest in place of its body', async () => {
    const { claim } = await granted(store, newRecordKey(), requestOf(1000));
    await store.complete(claim, FULL, 60_000);

    const { status, body } = await ask('GET', `/keys/${claim.recordKey}`, undefined, '');

    expect(status).toBe(200);
    expect(body.response).toEqual({
      kind: 'full',
      status: 201,
      fields: ['Content-Type', 'Location'],
      bodyBytes: 8,
      bodySha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(JSON.stringify(body)).not.toContain('/payments/1');
  });

  it.each([
    ['GET', '/keys?state=odd', 400],
    ['GET', '/keys?limit=0', 400],
    ['GET', '/keys?limit=1001', 400],
    ['GET', '/keys/absent', 404],
    ['GET', '/keys/a%2Fb', 400],
    ['PUT', '/keys/abc', 405],
    ['POST', '/keys/lookup', 400],
    ['GET', '/keys/lookup', 405],
  ])('%s %s is %i', async (method, path, status) => {
    const told = await ask(method, path);

    expect([told.status, told.type]).toEqual([status, 'application/problem+json']);
  });

  it('finds a record by the client’s own key', async () => {
    expect(await ask('POST', '/keys/lookup', { route: 'charges', key: 'k1' }, '')).toMatchObject({
      status: 200,
      body: { records: [{ recordKey: 'hmac-k1', state: 'absent' }] },
    });
    expect((await ask('POST', '/keys/lookup', { route: 'other', key: 'k1' })).status).toBe(404);
    expect((await ask('POST', '/keys/lookup', { route: 'charges', key: 1 })).status).toBe(400);
  });
});

describe('resolving a key', () => {
  it('as completed makes its repeats replays, and is audited', async () => {
    const claim = await unknown();
    const answer = { status: 201, headers: { Location: '/p/1' }, body: '{"id":1}' };

    const told = await ask('POST', `/keys/${claim.recordKey}/resolve`, {
      to: 'completed',
      token: claim.token,
      ...answer,
    });

    expect(told).toMatchObject({ status: 200, body: { state: 'completed' } });
    const { response } = (await store.inspect(claim.recordKey)) ?? { response: null };
    expect(response).toMatchObject({
      status: 201,
      rawHeaders: ['Location', '/p/1'],
      body: Buffer.from('{"id":1}'),
    });
    expect(counted).toEqual(['operator completed', 'resolve done']);
    expect(audits).toEqual([
      {
        message: 'audit',
        who: 'ops',
        action: 'resolve',
        recordKey: claim.recordKey.slice(0, String((audits[0] as { recordKey: string }).recordKey).length),
        result: `completed, token ${claim.token}`,
      },
    ]);
  });

  it('leaves a holder that wakes afterwards without a say', async () => {
    const claim = await unknown();

    await ask('POST', `/keys/${claim.recordKey}/resolve`, { to: 'released', token: claim.token });

    expect(await store.complete(claim, FULL, 60_000)).toBe('lost');
    expect(await store.renew(claim, 1000)).toBe('lost');
    expect(await stateOf(claim)).toBe('released');
  });

  it.each(INTO_STATE.filter(([state]) => state !== 'unknown'))(
    'is refused while it is %s',
    async (state, into) => {
      const claim = await into(store, 1000);

      const told = await ask('POST', `/keys/${claim.recordKey}/resolve`, {
        to: 'released',
        token: claim.token,
      });

      expect(told).toMatchObject({ status: 409, body: { detail: expect.stringContaining(state) } });
      expect(await stateOf(claim)).toBe(state);
      expect(counted).toEqual(['resolve refused']);
    },
  );

  it('under another token than its own is refused', async () => {
    const claim = await unknown();

    expect(
      (await ask('POST', `/keys/${claim.recordKey}/resolve`, { to: 'released', token: claim.token - 1 }))
        .status,
    ).toBe(409);

    expect(await stateOf(claim)).toBe('unknown');
  });

  it.each([
    ['no JSON', '{'],
    ['a list', []],
    ['no token', { to: 'released' }],
    ['no word', { to: 'done', token: 1 }],
    ['no status', { to: 'completed', token: 1 }],
    ['a line break in a field', { to: 'completed', token: 1, status: 200, headers: { A: 'b\r\nC: d' } }],
    ['a field of the wire', { to: 'completed', token: 1, status: 200, headers: { 'Content-Length': '1' } }],
    ['two bodies', { to: 'completed', token: 1, status: 200, body: 'a', bodyBase64: 'YQ==' }],
    ['a body on 204', { to: 'completed', token: 1, status: 204, body: 'a' }],
  ])('with %s is 400', async (_name, body) => {
    const claim = await unknown();

    expect((await ask('POST', `/keys/${claim.recordKey}/resolve`, body)).status).toBe(400);

    expect(await stateOf(claim)).toBe('unknown');
  });

  it('with more than is kept is 413', async () => {
    const claim = await unknown();
    const to = { to: 'completed', token: claim.token, status: 200 };
    const path = `/keys/${claim.recordKey}/resolve`;

    expect((await ask('POST', path, { ...to, body: 'x'.repeat(101) })).status).toBe(413);
    expect((await ask('POST', path, { ...to, body: 'x'.repeat(3_000_000) })).status).toBe(413);

    expect(await stateOf(claim)).toBe('unknown');
  });
});

describe('forgetting a key', () => {
  it.each(INTO_STATE)('that is %s', async (state, into) => {
    const claim = await into(store, 1000);
    const settled = state === 'completed' || state === 'released';

    expect((await ask('DELETE', `/keys/${claim.recordKey}`)).status).toBe(settled ? 204 : 409);
    expect(await stateOf(claim)).toBe(settled ? 'absent' : state);
    expect((await ask('DELETE', `/keys/${claim.recordKey}?force=true`)).status).toBe(204);
    expect(await stateOf(claim)).toBe('absent');
  });

  it('that is not there is done', async () => {
    expect((await ask('DELETE', '/keys/absent')).status).toBe(204);
  });
});

describe('who may write', () => {
  it.each([
    ['without a token', '', 401],
    ['with another', `Bearer ${'y'.repeat(32)}`, 401],
    ['with half of it', `Bearer ${TOKEN.slice(0, 16)}`, 401],
    ['with another scheme', `Basic ${TOKEN}`, 401],
    ['with it', `bearer ${TOKEN}`, 204],
  ])('%s', async (_name, authorization, status) => {
    const { claim } = await granted(store, newRecordKey(), requestOf(1000));
    await store.release(claim, null);

    expect((await ask('DELETE', `/keys/${claim.recordKey}`, undefined, authorization)).status).toBe(status);

    expect(await stateOf(claim)).toBe(status === 204 ? 'absent' : 'released');
    expect(counted).toEqual([status === 204 ? 'forget done' : 'forget denied']);
    expect(audits).toHaveLength(1);
  });

  it('is known before a body is taken in, and told once', async () => {
    const asked = request(`${origin}/keys/some/resolve`, {
      method: 'POST',
      headers: { 'Content-Length': 1024 * 1024, Authorization: 'Bearer none' },
    });
    const answered = once(asked, 'response');
    asked.flushHeaders();

    const [response] = await answered;
    asked.on('error', () => undefined).destroy();

    expect([response.statusCode, response.headers.connection]).toEqual([401, 'close']);
    expect(counted).toEqual(['resolve denied']);
  });

  it('nobody, where no token is configured', async () => {
    tokens = [];
    const claim = await unknown();

    for (const authorization of ['', 'Bearer ', `Bearer ${TOKEN}`]) {
      const told = await ask(
        'POST',
        `/keys/${claim.recordKey}/resolve`,
        { to: 'released', token: claim.token },
        authorization,
      );
      expect(told).toMatchObject({ status: 403, body: { detail: expect.stringContaining('admin.tokens') } });
    }

    expect(await stateOf(claim)).toBe('unknown');
  });

  it('is told by name', () => {
    expect(callerOf(TOKENS, `Bearer ${TOKEN}`)).toEqual({ kind: 'known', name: 'ops' });
  });
});
