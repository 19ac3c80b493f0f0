import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { executeAndAnswer } from '../support/counting-backend.ts';
import { keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { createStage } from './stage.ts';
import { get, json, standTasks, startTask } from './tasks-stage.ts';

/** What the status resource tells, and to whom. */

const stage = createStage();
afterEach(() => stage.close());

describe('the status resource', () => {
  it('is not there for another principal, nor for an id that never was: one answer for all', async () => {
    const at = await standTasks(stage);
    const { location } = (await startTask(at, 'k1')).headers;
    const answers = await Promise.all([
      get(at, location, { Authorization: 'Bearer two' }),
      sendRequest(at.proxy.port, { method: 'GET', path: String(location) }),
      get(at, `${String(location).slice(0, -1)}${String(location).endsWith('A') ? 'B' : 'A'}`),
      get(at, `/.well-known/onceward/tasks/${'x'.repeat(76)}`),
      get(at, '/.well-known/onceward/tasks/short'),
      get(at, '/.well-known/onceward/tasks'),
      get(at, `${location}/other`),
      get(at, `${location}/response/more`),
      get(at, `${location}/response`, { Authorization: 'Bearer two' }),
    ]);

    const shapes = answers.map(({ status, headers, body }) => {
      const { instance, ...rest } = JSON.parse(body.toString());
      expect(instance).toMatch(/^urn:uuid:/);
      return { status, rest, names: Object.keys(headers).sort() };
    });
    expect(shapes[0]).toMatchObject({ status: 404, rest: { code: 'task-unknown' } });
    expect(new Set(shapes.map((shape) => JSON.stringify(shape))).size).toBe(1);
  });

  it('keeps two principals apart who use one key', async () => {
    const at = await standTasks(stage);
    const one = await startTask(at, 'k1');
    const two = await startTask(at, 'k1', 'respond-async', 'Bearer two');

    expect(one.headers.location).not.toBe(two.headers.location);
    expect((await get(at, two.headers.location, { Authorization: 'Bearer two' })).status).toBe(200);
    expect((await get(at, two.headers.location)).status).toBe(404);
  });

  it.each([
    ['with a cookie', 'cookies: [session]', { Cookie: 'session=abc' }],
    ['with an access key', 'sigv4: true', {}],
  ])('is there for the principal of a route that tells its own %s', async (_, scope, cookie) => {
    const route = `  - { name: browser, match: { path: /browser }, scope: { ${scope} } }`;
    const at = await standTasks(stage, { route });
    const caller = 'AWS4-HMAC-SHA256 Credential=AKID/20261126/eu/pay/aws4_request, Signature=';
    const answer = await sendRequest(at.proxy.port, {
      path: '/browser',
      headers: { ...keyed('k1', `${caller}one`), ...cookie, Prefer: 'respond-async' },
    });

    const told = await get(at, answer.headers.location, { Authorization: `${caller}one`, ...cookie });

    expect([answer.status, told.status, json(told).state]).toEqual([202, 200, 'pending']);
  });

  it('can only be read', async () => {
    const at = await standTasks(stage);
    const { location } = (await startTask(at, 'k1')).headers;

    for (const method of ['DELETE', 'POST', 'PUT', 'PATCH']) {
      const answer = await sendRequest(at.proxy.port, { method, path: String(location) });
      expect([method, answer.status, answer.headers.allow]).toEqual([method, 405, 'GET, HEAD, OPTIONS']);
    }
    const head = await fetch(`http://127.0.0.1:${at.proxy.port}${location}`, {
      method: 'HEAD',
      headers: { Authorization: 'Bearer one' },
    });
    expect([head.status, head.headers.get('retry-after'), await head.text()]).toEqual([200, '2', '']);
  });

  it('shows bytes in base64, and of a long response only where it is', async () => {
    const at = await standTasks(stage, { task: '{ respond: async }' });
    const binary = await startTask(at, 'k1', null);
    const long = await startTask(at, 'k2', null);
    const { socket } = (await at.arrived(1)).request;
    socket.end(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\xe9', 'latin1'));
    (await at.arrived(2)).answer(200, 'x'.repeat(70_000));

    const bytes = json(await get(at, binary.headers.location, { Prefer: 'wait=30' }));
    const told = json(await get(at, long.headers.location, { Prefer: 'wait=30' }));

    expect(bytes).toMatchObject({ state: 'succeeded', response: { bodyBase64: '6Q==' } });
    expect(told).toMatchObject({ state: 'succeeded', response: { status: 200, bodyBytes: 70_000 } });
    expect(told.response).not.toHaveProperty('body');
    expect((await get(at, `${long.headers.location}/response`)).body.byteLength).toBe(70_000);
  });

  it('of a task whose key was used for something else since is gone: it never shows the answer of another', async () => {
    const at = await standTasks(stage);
    const { location } = (await startTask(at, 'k1')).headers;
    (await at.arrived(1)).answer(503, '');
    expect(json(await get(at, location, { Prefer: 'wait=30' }))).toMatchObject({ state: 'released' });

    const other = await sendRequest(at.proxy.port, {
      headers: { ...keyed('k1'), Prefer: 'respond-async' },
      body: '{"other":1}',
    });
    executeAndAnswer(await at.arrived(2));
    const ended = await get(at, other.headers.location, { Prefer: 'wait=30' });

    expect(other.headers.location).not.toBe(location);
    expect(json(ended)).toMatchObject({ state: 'succeeded' });
    for (const path of [location, `${location}/response`])
      expect(problemCode(await get(at, path, { Prefer: 'wait=30' }))).toBe('task-expired');
  });

  it('opens a sealed response, and says so where it no longer can', async () => {
    const key = randomBytes(32).toString('base64');
    const at = await standTasks(stage, { top: `encryption: { keys: [{ id: a, key: "${key}" }] }` });
    const { location } = (await startTask(at, 'k1')).headers;
    executeAndAnswer(await at.arrived(1));
    const opened = await get(at, location, { Prefer: 'wait=30' });
    const other = randomBytes(32).toString('base64');
    at.reload({ top: `encryption: { keys: [{ id: b, key: "${other}" }] }` });

    const unreadable = await get(at, location);

    expect(json(opened)).toMatchObject({ state: 'succeeded', response: { status: 201 } });
    expect(problemCode(unreadable)).toBe('response-unreadable');
    expect(problemCode(await get(at, `${location}/response`))).toBe('response-unreadable');
  });

  it('is still there after a reload, but for a route that has lost its tasks', async () => {
    const at = await standTasks(stage);
    const { location } = (await startTask(at, 'k1')).headers;

    at.reload({ task: '{ retryAfter: 9s }' });
    const kept = await get(at, location);
    at.reload({ task: 'off' });
    const lost = await get(at, location);

    expect([kept.status, kept.headers['retry-after']]).toEqual([200, '9']);
    expect(problemCode(lost)).toBe('task-unknown');
  });

  it('is told of by the discovery document', async () => {
    const at = await standTasks(stage, { task: '{ onRepeat: attach, wait: 7s }' });

    const [route] = json(await get(at, '/.well-known/onceward')).routes as { task: unknown }[];

    expect(route?.task).toEqual({ respond: 'prefer', onRepeat: 'attach', waitMs: 7000 });
  });

  it('tells a response over the limit by its status', async () => {
    const at = await standTasks(stage);
    const { location } = (await startTask(at, 'k1')).headers;
    (await at.arrived(1)).answer(200, 'x'.repeat(1_100_000));

    const answer = await get(at, location, { Prefer: 'wait=30' });

    expect(json(answer)).toMatchObject({ state: 'succeeded', response: { status: 200, kept: false } });
    expect(problemCode(await get(at, `${location}/response`))).toBe('response-not-stored');
  });
});
