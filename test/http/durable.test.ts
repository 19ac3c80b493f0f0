import { afterEach, expect, it, vi } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import type * as open from '../../src/store/open.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw, type RawClient, rawExchange } from '../support/raw-client.ts';
import { startScriptedUpstream } from '../support/scripted-upstream.ts';
import { keyedPost, requestText } from './request-text.ts';

/** The record is durable before the client sees the last byte. The store is the memory store, its writes held back. */

type Held = { complete: Promise<void> | null; asked: () => void };

const held = vi.hoisted((): Held => ({ complete: null, asked: () => undefined }));

vi.mock('../../src/store/open.ts', async (original) => {
  const actual = await original<typeof open>();
  return {
    ...actual,
    openStore: async (options: open.OpenOptions) => {
      const opened = await actual.openStore(options);
      return { ...opened, store: withHeldComplete(opened.store) };
    },
  };
});

function withHeldComplete(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (name === 'complete') {
        return async (...args: Parameters<Store['complete']>) => {
          held.asked();
          await held.complete;
          return await target.complete(...args);
        };
      }
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  held.complete = null;
  for (const close of closers.splice(0).reverse()) await close();
});

type Stage = {
  readonly client: RawClient;
  /** Lets the store answer. */
  readonly release: () => void;
  /** The store has been asked to complete. */
  readonly asked: Promise<void>;
  /** One exchange of somebody else. */
  readonly passedBy: () => Promise<void>;
};

async function stage(play: string): Promise<Stage> {
  const upstream = await startScriptedUpstream();
  closers.push(() => upstream.close());
  upstream.script('durable', [[{ kind: 'bytes', bytes: play }]]);
  const proxy = await startProxy({ upstreamPort: upstream.port });
  closers.push(() => proxy.close());
  const client = await connectRaw(proxy.port);
  closers.push(async () => void client.socket.destroy());
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  held.complete = gate.promise;
  held.asked = asked.resolve;
  const passedBy = async (): Promise<void> => {
    upstream.script('other', [[{ kind: 'bytes', bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' }]]);
    await rawExchange(proxy.port, requestText('GET', '/conf/other/x'), 'GET');
  };
  return { client, release: gate.resolve, asked: asked.promise, passedBy };
}

it.for([
  ['with a length', 'HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n0123456789', 'proven'],
  [
    'in chunks',
    'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n',
    'proven',
  ],
  ['without a body', 'HTTP/1.1 204 No Content\r\n\r\n', 'proven'],
] as const)('the end of a keyed response %s waits for its record', async ([, play, end]) => {
  const { client, release, asked, passedBy } = await stage(play);

  client.send(keyedPost('/conf/durable/x'));
  await asked;
  // The store has been asked and has not answered. What was sent before an exchange began has arrived when that is over.
  await passedBy();
  const before = client.received();
  release();
  const answer = await client.answer();

  expect(isWhole(before)).toBe(false);
  expect(answer.end).toBe(end);
  expect(answer.body.toString()).toBe(play.includes('0123456789') ? '0123456789' : '');
});

function isWhole(text: string): boolean {
  return (
    text.includes('0123456789\r\n0\r\n\r\n') ||
    /\r\n\r\n0123456789$/.test(text) ||
    text.includes('204 No Content')
  );
}

it('a store that does not answer delays the last byte by the time that is configured, not for ever', async () => {
  const { client, release, asked } = await stage('HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nmade');

  client.send(keyedPost('/conf/durable/x'));
  await asked;
  const answer = await client.answer();
  release();

  expect([answer.status, answer.body.toString(), answer.end]).toEqual([201, 'made', 'proven']);
});
