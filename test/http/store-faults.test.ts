import { afterEach, expect, it, vi } from 'vitest';
import { type Store, StoreUnavailable } from '../../src/store/contract.ts';
import type * as open from '../../src/store/open.ts';
import { fieldValues } from '../support/answer-reader.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { rawExchange } from '../support/raw-client.ts';
import { type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { keyedPost } from './request-text.ts';

/** A store that is the memory store until one of its operations is made to fail (edge cases 72 and 73). */

const broken = vi.hoisted(() => ({ operations: new Set<string>(), lost: new Set<string>() }));

vi.mock('../../src/store/open.ts', async (original) => {
  const actual = await original<typeof open>();
  return {
    ...actual,
    openStore: async (options: open.OpenOptions) => {
      const opened = await actual.openStore(options);
      return { ...opened, store: breakable(opened.store) };
    },
  };
});

function breakable(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      if (typeof name === 'string' && broken.operations.has(name)) {
        return () => Promise.reject(new StoreUnavailable('connection', 'made to fail'));
      }
      if (typeof name === 'string' && broken.lost.has(name)) return () => Promise.resolve('lost');
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  broken.operations.clear();
  broken.lost.clear();
  for (const close of closers.splice(0).reverse()) await close();
});

async function stage(
  defaults?: string,
): Promise<{ readonly upstream: ScriptedUpstream; readonly proxy: TestProxy }> {
  const upstream = await startScriptedUpstream();
  closers.push(() => upstream.close());
  const made = { kind: 'bytes', bytes: 'HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nmade' } as const;
  upstream.script('fault', [[made], [made]]);
  const proxy = await startProxy({
    upstreamPort: upstream.port,
    top: 'drain: { timeout: 100ms }',
    ...(defaults === undefined ? {} : { defaults }),
  });
  closers.push(() => proxy.close());
  return { upstream, proxy };
}

const REQUEST = keyedPost('/conf/fault/x');
const codeOf = (body: Buffer): unknown => JSON.parse(body.toString()).code;

it('without its store a keyed request gets 503 and is not sent', async () => {
  const { upstream, proxy } = await stage();
  broken.operations.add('claim');

  const down = await rawExchange(proxy.port, REQUEST);
  broken.operations.clear();
  const up = await rawExchange(proxy.port, REQUEST);

  expect([down.status, codeOf(down.body), fieldValues(down.headers, 'retry-after')]).toEqual([
    503,
    'store-unavailable',
    ['1'],
  ]);
  expect([up.status, upstream.seen('fault').length]).toEqual([201, 1]);
});

it('without its store a keyed request is forwarded where the route says so, and marked', async () => {
  const { upstream, proxy } = await stage('onStoreDown: forward');
  broken.operations.add('claim');

  const answer = await rawExchange(proxy.port, REQUEST);

  expect([answer.status, answer.body.toString(), fieldValues(answer.headers, 'idempotency-status')]).toEqual([
    201,
    'made',
    ['unprotected'],
  ]);
  expect(upstream.seen('fault').length).toBe(1);
});

it('a request whose record cannot be written gets its true answer, and its key is not free', async () => {
  const { upstream, proxy } = await stage('inFlight: reject');
  broken.operations.add('complete');

  const first = await rawExchange(proxy.port, REQUEST);
  const second = await rawExchange(proxy.port, REQUEST);

  expect([first.status, first.body.toString(), first.end]).toEqual([201, 'made', 'proven']);
  // Which of the two depends on whether so many failures have already tripped the breaker.
  expect(['in-flight', 'store-unavailable']).toContain(codeOf(second.body));
  expect(upstream.seen('fault').length).toBe(1);
});

it('a record that could be written in the end is replayed', async () => {
  const { upstream, proxy } = await stage();
  broken.operations.add('complete');
  await rawExchange(proxy.port, REQUEST);

  broken.operations.clear();
  // A client that does as it is told: 503 says that the same request may be sent again.
  let second = await rawExchange(proxy.port, REQUEST);
  for (let tries = 1; second.status === 503 && tries < 100; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    second = await rawExchange(proxy.port, REQUEST);
  }

  expect([second.status, second.body.toString(), upstream.seen('fault').length]).toEqual([201, 'made', 1]);
  expect(fieldValues(second.headers, 'idempotent-replayed')).toEqual(['true']);
});

it('without a proven dispatch mark nothing is sent', async () => {
  const { upstream, proxy } = await stage('markDispatch: true');
  broken.operations.add('dispatch');

  const answer = await rawExchange(proxy.port, REQUEST);

  expect([answer.status, codeOf(answer.body), upstream.seen('fault').length]).toEqual([
    503,
    'store-unavailable',
    0,
  ]);
});

it('a joiner whose store fails is told so, and never forwarded', async () => {
  const { upstream, proxy } = await stage();
  broken.operations.add('complete');
  broken.operations.add('inspect');
  await rawExchange(proxy.port, REQUEST);

  const joiner = await rawExchange(proxy.port, REQUEST);

  expect([joiner.status, codeOf(joiner.body), upstream.seen('fault').length]).toEqual([
    503,
    'store-unavailable',
    1,
  ]);
});

// Found by the simulation: the word speaks of the key, and this attempt has proved nothing of it.
it.each([
  { what: 'the release finds another claim', lost: 'release', operation: null, defaults: undefined },
  { what: 'the release cannot be proven', lost: null, operation: 'release', defaults: undefined },
  {
    what: 'the store was not asked',
    lost: null,
    operation: 'claim',
    defaults: 'onStoreDown: forward',
  },
])(
  'an attempt that was not sent does not say that the key was not executed where $what',
  async ({ lost, operation, defaults }) => {
    const { upstream, proxy } = await stage(defaults);
    await upstream.close();
    if (lost !== null) broken.lost.add(lost);
    if (operation !== null) broken.operations.add(operation);

    const { body } = await rawExchange(proxy.port, REQUEST);

    expect(JSON.parse(body.toString())).toMatchObject({ code: 'upstream-unreachable', executed: 'unknown' });
  },
);

it('an attempt that was not sent says that the key was not executed once its release is proven', async () => {
  const { upstream, proxy } = await stage();
  await upstream.close();

  const { body } = await rawExchange(proxy.port, REQUEST);

  expect(JSON.parse(body.toString())).toMatchObject({ code: 'upstream-unreachable', executed: 'no' });
});
