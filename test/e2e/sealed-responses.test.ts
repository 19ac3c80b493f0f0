// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
// tidy: one subject: what the files of a store show, and who may read them.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadConfigText } from '../../src/config/load.ts';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { lmdbPlace, type Place, redisPlace } from '../support/store-files.ts';
import { until } from '../support/until.ts';

/** Stored responses at rest (fault 54): what the store's files show, and what follows where a key is missing. */

const MARKER = 'account 4242-4242-4242';
const KEYS: Readonly<Record<string, string>> = {
  K1: randomBytes(32).toString('base64'),
  K2: randomBytes(32).toString('hex'),
};
const UNDER_K1 = 'keys: [{ id: k1, key: "${K1}" }]';
const UNDER_K2 = 'keys: [{ id: k2, key: "${K2}" }]';
const ROTATING = 'keys: [{ id: k2, key: "${K2}" }, { id: k1, key: "${K1}" }]';

let backend: CountingBackend;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  backend = await startCountingBackend();
  return () => backend.close();
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  backend.behave(answerSecret);
});

function answerSecret(arrival: Arrival): void {
  const execution = arrival.execute();
  arrival.answer(201, JSON.stringify({ execution, secret: MARKER }), { 'X-Secret': MARKER });
}

function configText(place: Place, encryption: string): string {
  return [
    'listen: 127.0.0.1:0',
    'observe: { listen: "127.0.0.1:0" }',
    'admin: off',
    `upstream: { url: "${backend.origin}" }`,
    `store: ${place.store}`,
    'secrets: ["0123456789abcdefghijklmnopqrstuvwxyz"]',
    `encryption: { ${encryption} }`,
    'defaults: { inFlight: { wait: 10s } }',
  ].join('\n');
}

async function start(place: Place, encryption: string): Promise<TestProxy> {
  const proxy = await startProxyWith(configText(place, encryption), KEYS);
  closers.push(() => proxy.close());
  return proxy;
}

function ask(proxy: TestProxy, key: string): Promise<Answer> {
  return sendRequest(proxy.port, { headers: keyed(key) });
}

async function metric(proxy: TestProxy, name: string, labels: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.app.observeAddress?.port}/metrics`)).text();
  return Number(new RegExp(`^${name}\\{${labels}\\} (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

function untilResealed(proxy: TestProxy, count: number): Promise<number> {
  return until(`${count} responses sealed anew`, async () => {
    const found = await metric(proxy, 'onceward_responses_resealed_total', 'result="ok"');
    return found >= count ? found : null;
  });
}

describe.each([
  ['lmdb', lmdbPlace],
  ['redis', redisPlace],
] as const)('with encryption, in %s', (_name, makePlace) => {
  async function stage(): Promise<Place> {
    backend.behave(answerSecret);
    const place = await makePlace();
    closers.push(() => place.remove());
    return place;
  }

  it('nothing of a response stands in the files of the store, and without encryption it does', async () => {
    const place = await stage();
    const sealing = await start(place, UNDER_K1);
    const answer = await ask(sealing, 'one');
    const replayed = await ask(sealing, 'one');
    const sealed = place.files();
    await sealing.close();

    await ask(await start(place, 'keys: []'), 'two');

    expect(replayed.body).toEqual(answer.body);
    expect(replayed.headers['x-secret']).toBe(MARKER);
    expect(sealed.length).toBeGreaterThan(200);
    expect(sealed.includes(MARKER)).toBe(false);
    expect(sealed.includes('X-Secret')).toBe(false);
    expect(place.files().includes(MARKER)).toBe(true);
  });

  it.each([
    ['another key', UNDER_K2],
    ['no key at all', 'keys: []'],
  ])(
    'a start with %s answers 409 and executes nothing; with the key again it replays',
    async (_what, without) => {
      const place = await stage();
      const first = await start(place, UNDER_K1);
      const answer = await ask(first, 'kept');
      await first.close();
      const executed = backend.executionsOfAll();

      const keyless = await start(place, without);
      const refused = [await ask(keyless, 'kept'), await ask(keyless, 'kept')];
      const line = await keyless.logged(({ msg }) => String(msg).startsWith('response unreadable'));
      const counted = await metric(keyless, 'onceward_responses_unreadable_total', 'reason="key-missing"');
      await keyless.close();
      const again = await ask(await start(place, UNDER_K1), 'kept');

      for (const one of refused) {
        expect(one.status).toBe(409);
        expect(problemCode(one)).toBe('response-unreadable');
        expect(JSON.parse(one.body.toString())).toMatchObject({
          executed: 'yes',
          retryable: false,
          sameKey: true,
        });
        expect(one.headers['x-should-retry']).toBe('false');
      }
      expect(line).toMatchObject({ level: 'error', reason: 'key-missing', keyId: 'k1' });
      expect(counted).toBe(2);
      expect(backend.executionsOfAll()).toBe(executed);
      expect(again.status).toBe(201);
      expect(again.body).toEqual(answer.body);
      expect(again.headers['idempotency-status']).toBe('replayed');
    },
  );

  it('a response that is read once under a new key needs the old one no more', async () => {
    const place = await stage();
    const first = await start(place, UNDER_K1);
    const answer = await ask(first, 'read');
    await ask(first, 'unread');
    await first.close();

    const rotating = await start(place, ROTATING);
    const replayed = await ask(rotating, 'read');
    await untilResealed(rotating, 1);
    await ask(rotating, 'read');
    expect(await metric(rotating, 'onceward_responses_resealed_total', 'result="ok"')).toBe(1);
    await rotating.close();
    const after = await start(place, UNDER_K2);

    const again = await ask(after, 'read');
    expect([replayed.body, again.body]).toEqual([answer.body, answer.body]);
    expect(again.headers['x-secret']).toBe(MARKER);
    expect(problemCode(await ask(after, 'unread'))).toBe('response-unreadable');
  });

  it('what was stored plain is sealed when it is read, and stays readable when encryption goes', async () => {
    const place = await stage();
    const plain = await start(place, 'keys: []');
    const answer = await ask(plain, 'plain');
    await plain.close();

    const sealing = await start(place, UNDER_K1);
    const replayed = await ask(sealing, 'plain');
    await untilResealed(sealing, 1);
    await sealing.close();
    const keyless = await start(place, 'keys: []');
    const unreadable = await ask(keyless, 'plain');
    await keyless.close();
    const ending = await start(place, `${UNDER_K1}, responses: plain`);

    expect(replayed.body).toEqual(answer.body);
    expect(problemCode(unreadable)).toBe('response-unreadable');
    expect((await ask(ending, 'plain')).body).toEqual(answer.body);
    await ask(ending, 'new');
    expect(place.files().includes(MARKER)).toBe(true);
  });

  it('bound to the client, its repeat opens it', async () => {
    const place = await stage();
    const proxy = await start(place, `${UNDER_K1}, bind: client`);

    const answer = await ask(proxy, 'bound');
    const replayed = await ask(proxy, 'bound');

    expect(replayed.body).toEqual(answer.body);
    expect(replayed.headers['idempotency-status']).toBe('replayed');
    expect(place.files().includes(MARKER)).toBe(false);
    expect(await metric(proxy, 'onceward_responses_resealed_total', 'result="ok"')).toBe(0);
    // Of body and sealed copy nothing is held any more.
    await until('the buffers are given back', async () => {
      const text = await (await fetch(`http://127.0.0.1:${proxy.app.observeAddress?.port}/metrics`)).text();
      return /^onceward_buffer_bytes 0$/m.test(text) ? true : null;
    });
  });

  it('the binding changes like a key: what is read is sealed anew, both ways', async () => {
    const place = await stage();
    const free = await start(place, UNDER_K1);
    const answer = await ask(free, 'kept');
    await free.close();

    const bodies: Buffer[] = [];
    for (const bind of ['client', 'none']) {
      const proxy = await start(place, `${UNDER_K1}, bind: ${bind}`);
      bodies.push((await ask(proxy, 'kept')).body);
      await untilResealed(proxy, 1);
      bodies.push((await ask(proxy, 'kept')).body);
      await proxy.close();
    }

    expect(bodies).toEqual(Array.from({ length: 4 }, () => answer.body));
  });

  it('those who join an execution get its answer as it was', async () => {
    const place = await stage();
    const proxy = await start(place, `${UNDER_K1}, bind: client`);
    const executed = backend.executionsOfAll();
    const arrived = backend.nextArrival();
    backend.behave(() => undefined);
    const all = Array.from({ length: 5 }, () => ask(proxy, 'joined'));
    const arrival = await arrived;
    await until('four joiners', async () => {
      const text = await (await fetch(`http://127.0.0.1:${proxy.app.observeAddress?.port}/metrics`)).text();
      return /^onceward_joined_waiters 4$/m.test(text) ? true : null;
    });

    answerSecret(arrival);
    const answers = await Promise.all(all);

    expect(new Set(answers.map(({ body }) => body.toString())).size).toBe(1);
    expect(answers.map(({ headers }) => headers['x-secret'])).toEqual(answers.map(() => MARKER));
    expect(backend.executionsOfAll()).toBe(executed + 1);
  });
});

describe('a plain response that was planted in the store', () => {
  it('is served by no replica that serves sealed ones only, executes nothing, and counts as an incident', async () => {
    backend.behave(answerSecret);
    const place = await redisPlace();
    closers.push(() => place.remove());
    const planting = await start(place, 'keys: []');
    await ask(planting, 'planted');
    const strict = await start(place, `${UNDER_K1}, responses: sealed-only`);

    const refused = await ask(strict, 'planted');
    const own = [await ask(strict, 'own'), await ask(strict, 'own')];

    expect([refused.status, problemCode(refused)]).toEqual([409, 'response-unreadable']);
    expect(JSON.parse(refused.body.toString())).toMatchObject({ executed: 'yes', retryable: false });
    expect(backend.executions('planted')).toBe(1);
    expect(await metric(strict, 'onceward_responses_unreadable_total', 'reason="not-sealed"')).toBe(1);
    expect(own[1]?.body).toEqual(own[0]?.body);
    expect(own[1]?.headers['idempotency-status']).toBe('replayed');
    expect(backend.executions('own')).toBe(1);
  });
});

describe('two proxies on one Redis, of which one lacks the key', () => {
  it('never execute twice: one replays, the other answers 409 until a reload brings the key', async () => {
    backend.behave(answerSecret);
    const place = await redisPlace();
    closers.push(() => place.remove());
    const knowing = await start(place, ROTATING);
    const lacking = await start(place, UNDER_K1);

    const answer = await ask(knowing, 'shared');
    const refused = await ask(lacking, 'shared');
    const replayed = await ask(knowing, 'shared');
    lacking.app.reload(loadConfigText(configText(place, ROTATING), 'test.yaml', KEYS));
    const late = await ask(lacking, 'shared');

    expect(problemCode(refused)).toBe('response-unreadable');
    expect([replayed.body, late.body]).toEqual([answer.body, answer.body]);
    expect(backend.executions('shared')).toBe(1);
  });
});

describe('a response changed in the store', () => {
  it('is not served where it was moved to another record, and counts as an incident', async () => {
    backend.behave(answerSecret);
    const server = await startRedisServer();
    closers.push(() => server.remove());
    const place = { store: `{ url: "${server.url}" }`, files: () => Buffer.alloc(0), remove: server.remove };
    const proxy = await start(place, UNDER_K1);
    await ask(proxy, 'mine');
    await ask(proxy, 'theirs');
    const executed = backend.executionsOfAll();

    // Within the server, so that every byte arrives as it is and the checksum fits.
    const moved = await server.command(
      'EVAL',
      `local records = {}
       for _, key in ipairs(redis.call('KEYS', '*')) do
         if redis.call('TYPE', key).ok == 'hash' and redis.call('HEXISTS', key, 'response') == 1 then
           table.insert(records, key)
         end
       end
       local one, two = redis.call('HGET', records[1], 'response'), redis.call('HGET', records[2], 'response')
       redis.call('HSET', records[1], 'response', two)
       redis.call('HSET', records[2], 'response', one)
       return #records`,
      '0',
    );
    const answers = [await ask(proxy, 'mine'), await ask(proxy, 'theirs')];

    expect(Number(moved)).toBe(2);
    expect(answers.map(problemCode)).toEqual(['response-unreadable', 'response-unreadable']);
    expect(backend.executionsOfAll()).toBe(executed);
    expect(await metric(proxy, 'onceward_responses_unreadable_total', 'reason="not-authentic"')).toBe(2);
    expect(await proxy.logged(({ msg }) => String(msg).startsWith('response unreadable'))).toMatchObject({
      level: 'error',
      reason: 'not-authentic',
      keyId: 'k1',
    });
  });
});
