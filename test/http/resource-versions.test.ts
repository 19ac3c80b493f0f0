import { afterEach, describe, expect, it } from 'vitest';
import type { Arrival } from '../support/counting-backend.ts';
import { startCountingBackend } from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { until } from '../support/until.ts';
import { createStage } from './stage.ts';

/** What an exchange that does not end well does to a version that is kept here. */

const PRECONDITION = 'precondition: { versions: store, wait: 0s }';
const stage = createStage();
afterEach(() => stage.close());

type Stand = {
  readonly proxy: TestProxy;
  readonly behave: (behaviour: (arrival: Arrival) => void) => void;
  readonly heads: readonly Readonly<Record<string, unknown>>[];
};

async function stand(route = ''): Promise<Stand> {
  const heads: Readonly<Record<string, unknown>>[] = [];
  let write: (arrival: Arrival) => void = ({ answer }) => answer(200, '{}', { ETag: '"own"' });
  const backend = await startCountingBackend((arrival) => {
    heads.push(arrival.request.headers);
    if (arrival.request.method === 'GET') arrival.answer(200, '{}');
    else write(arrival);
  });
  stage.atEnd(() => backend.close());
  const proxy = await startProxyWith(`
listen: 127.0.0.1:0
observe: { listen: 127.0.0.1:0 }
admin: off
store: "memory:"
drain: { timeout: 0s }
upstream: { url: "http://127.0.0.1:${backend.port}", headTimeout: 100ms }
defaults: { scope: { anonymous: allow }, keyIdempotentMethods: true, lease: 3s, quiet: 0s }
routes:
  - { name: documents, ${route === '' ? PRECONDITION : route} }
`);
  stage.atEnd(() => proxy.close());
  return {
    proxy,
    heads,
    behave: (behaviour) => {
      write = behaviour;
    },
  };
}

const get = ({ proxy }: Stand): Promise<Answer> => sendRequest(proxy.port, { method: 'GET', path: '/a' });

const put = (
  { proxy }: Stand,
  headers: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<Answer> =>
  sendRequest(proxy.port, {
    method: 'PUT',
    path: '/a',
    headers,
    ...(signal === undefined ? {} : { signal }),
  });

const versionTold = (stood: Stand): Promise<string> =>
  until('a version is told', async () => {
    const { etag } = (await get(stood)).headers;
    return etag === undefined ? null : String(etag);
  });

describe('a version kept here', () => {
  it.each([
    ['with a key', keyed('k')],
    ['without one', {}],
  ])('moves by an answer that comes after the client got 504, %s', async (_how, key) => {
    const stood = await stand();
    const before = await versionTold(stood);
    let answerLate = (): void => undefined;
    stood.behave((arrival) => {
      answerLate = () => arrival.answer(200, '{}');
    });

    const late = await put(stood, { 'If-Match': before, ...key });
    const meanwhile = await get(stood);
    const other = await put(stood, { 'If-Match': before });
    answerLate();
    const after = await versionTold(stood);

    expect([late.status, meanwhile.headers.etag, problemCode(other)]).toEqual([
      504,
      undefined,
      'version-busy',
    ]);
    expect(after).not.toBe(before);
    stood.behave((arrival) => arrival.answer(200, '{}'));
    expect((await put(stood, { 'If-Match': before })).status).toBe(412);
    expect((await put(stood, { 'If-Match': after })).status).toBe(200);
  });

  it('moves though the client has left, by a write that goes on', async () => {
    const stood = await stand(`${PRECONDITION}, timeouts: { head: 10s }`);
    const before = await versionTold(stood);
    const abort = new AbortController();
    let answer = (): void => undefined;
    stood.behave((arrival) => {
      answer = () => arrival.answer(200, '{}');
      abort.abort();
    });

    const left = await put(stood, { 'If-Match': before }, abort.signal).catch(() => 'left');
    answer();

    expect(left).toBe('left');
    expect(await versionTold(stood)).not.toBe(before);
  });

  it('is in doubt after a reset, and says how long', async () => {
    const stood = await stand(`${PRECONDITION}, quiet: 30s`);
    const before = await versionTold(stood);
    stood.behave((arrival) => arrival.reset());

    const broken = await put(stood, { 'If-Match': before });
    const other = await put(stood, { 'If-Match': before });

    expect([broken.status, other.status, problemCode(other)]).toEqual([502, 409, 'version-unknown']);
    expect(Number(other.headers['retry-after'])).toBeGreaterThan(25);
    expect((await get(stood)).headers.etag).toBeUndefined();
  });

  it('is in doubt no more once the backend has told what became of the key', async () => {
    const stood = await stand(
      `${PRECONDITION}, quiet: 30s, reconcile: { request: { path: "/asked?key={key}" }, rules: [{ when: { status: 200 }, verdict: completed }] }`,
    );
    const before = await versionTold(stood);
    stood.behave((arrival) => arrival.reset());
    const condition = { 'If-Match': before, ...keyed('k') };

    const broken = await put(stood, condition);
    const doubtful = await put(stood, { 'If-Match': before });
    const repeat = await put(stood, condition);
    const after = await versionTold(stood);

    expect([broken.status, problemCode(doubtful), repeat.status]).toEqual([502, 'version-unknown', 200]);
    expect(after).not.toBe(before);
    expect((await put(stood, { 'If-Match': before })).status).toBe(412);
  });

  it('stays when nothing was sent, or the backend says that it did nothing', async () => {
    const stood = await stand();
    const before = await versionTold(stood);
    const statuses: number[] = [];
    for (const status of [503, 422, 401]) {
      stood.behave((arrival) => arrival.answer(status, '{}'));
      statuses.push((await put(stood, { 'If-Match': before })).status);
    }
    stood.behave((arrival) => arrival.answer(200, '{}'));

    expect(statuses).toEqual([503, 422, 401]);
    expect((await put(stood, { 'If-Match': before })).status).toBe(200);
  });

  it('is the only ETag, of which the backend hears nothing', async () => {
    const stood = await stand();
    const before = await versionTold(stood);

    const written = await put(stood, { 'If-Match': before, 'If-Unmodified-Since': 'x' });

    expect(written.headers['onceward-upstream-etag']).toBe('"own"');
    expect(written.headers.etag).toMatch(/^"v[0-9a-f]{32}"$/);
    expect(stood.heads.at(-1)).not.toHaveProperty('if-match');
    expect(stood.heads.at(-1)).not.toHaveProperty('if-unmodified-since');
  });

  it('is left out of the answer to a write where the route says so', async () => {
    const stood = await stand('precondition: { versions: store, require: none, issue: reads }');

    const written = await put(stood, {});

    expect([written.status, written.headers.etag]).toEqual([200, undefined]);
    expect(await versionTold(stood)).toMatch(/^"v/);
  });
});
