import { crc32 } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { baseConfig, type ChildProxy, startChildProxy, temporaryFolder } from '../support/child-proxy.ts';
import { type CountingBackend, executeAndAnswer, startCountingBackend } from '../support/counting-backend.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';

/** Records that somebody changed in the store, with a checksum that fits: nothing of them goes out, nothing is executed. */

const SECRET = '0123456789abcdef0123456789abcdef';

/** As src/store/codec.ts has it, written down anew. */
function record(status: number, head: string, body: string): Buffer {
  const fixed = Buffer.alloc(16);
  fixed[0] = 1;
  fixed[1] = 1;
  fixed.writeUInt16BE(status, 2);
  fixed.writeDoubleBE(Date.now(), 4);
  fixed.writeUInt32BE(Buffer.byteLength(head, 'latin1'), 12);
  const bytes = Buffer.concat([fixed, Buffer.from(head, 'latin1'), Buffer.from(body)]);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(bytes));
  return Buffer.concat([bytes, sum]);
}

const CHANGED: readonly (readonly [string, Buffer])[] = [
  ['a line break in a value', record(200, 'X: a\nSet-Cookie: b\r\n', 'x')],
  ['a carriage return in a value', record(200, 'X: a\rb\r\n', 'x')],
  ['a NUL in a value', record(200, 'X: a\0\r\n', 'x')],
  ['an escape character in a value', record(200, 'X: \x1b[2J\r\n', 'x')],
  ['a second response', record(200, 'X: a\r\n\r\nHTTP/1.1 200 OK\r\n', 'x')],
  ['a name with a space', record(200, 'X y: a\r\n', 'x')],
  ['no name', record(200, ': a\r\n', 'x')],
  ['a status of 42', record(42, 'X: a\r\n', 'x')],
  ['a status of 101', record(101, 'X: a\r\n', '')],
  ['a status of 999', record(999, 'X: a\r\n', 'x')],
  ['a transfer coding', record(200, 'Transfer-Encoding: chunked\r\n', '0\r\n\r\n')],
  ['a word on the connection', record(200, 'Connection: keep-alive\r\n', 'x')],
  ['a length that is too small', record(200, 'Content-Length: 1\r\n', 'xHTTP/1.1 200 OK\r\n\r\n')],
  ['a length that is too large', record(200, 'Content-Length: 100\r\n', 'x')],
  ['two lengths', record(200, 'Content-Length: 1\r\ncontent-length: 1\r\n', 'x')],
  ['a length that is none', record(200, 'Content-Length: +1\r\n', 'x')],
];

type Changeable = {
  readonly config: Readonly<Record<string, unknown>>;
  /** Puts the bytes into the one record there is. */
  change(bytes: Buffer): Promise<void>;
  remove(): Promise<void>;
};

const STORES: Readonly<Record<string, () => Promise<Changeable>>> = {
  redis: async () => {
    const server = await startRedisServer();
    return {
      config: { url: server.url },
      change: async (bytes) => {
        await server.command(
          'EVAL',
          `local bytes = ARGV[1]:gsub('%x%x', function(pair) return string.char(tonumber(pair, 16)) end)
           local changed = 0
           for _, key in ipairs(redis.call('KEYS', '*')) do
             if redis.call('TYPE', key).ok == 'hash' and redis.call('HEXISTS', key, 'response') == 1 then
               redis.call('HSET', key, 'response', bytes)
               changed = changed + 1
             end
           end
           return changed`,
          '0',
          bytes.toString('hex'),
        );
      },
      remove: () => server.remove(),
    };
  },
  postgres: async () => {
    const server = await startPostgresServer();
    return {
      config: { url: server.url },
      change: async (bytes) => {
        const hex = bytes.toString('hex');
        await server.command(
          `UPDATE onceward.record SET response = decode('${hex}', 'hex') WHERE response IS NOT NULL`,
        );
      },
      remove: () => server.remove(),
    };
  },
};

describe.each(Object.keys(STORES))('a record that was changed in %s', (name) => {
  let backend: CountingBackend;
  let store: Changeable;
  let proxy: ChildProxy;
  const folder = temporaryFolder();

  beforeAll(async () => {
    backend = await startCountingBackend();
    const made = await STORES[name]?.();
    if (made === undefined) throw new Error('no such store');
    store = made;
    const file = folder.config({
      ...baseConfig(backend.origin, store.config),
      secrets: [SECRET],
      routes: [{ name: 'forward', match: { path: '/forward' }, onStoreDown: 'forward' }],
    });
    proxy = await startChildProxy(['--config', file]);
    await ask('/charges');
  }, 60_000);

  afterEach(() => backend.behave(executeAndAnswer));

  afterAll(async () => {
    await proxy?.kill();
    await store?.remove();
    await backend?.close();
    folder.remove();
  });

  const ask = (path: string): Promise<Answer> =>
    sendRequest(proxy.port, { path, headers: keyed('changed', 'Bearer mine') });

  it.each(CHANGED)('by %s is not served, and nothing is executed', async (_what, bytes) => {
    const before = backend.executionsOfAll();

    await store.change(bytes);
    const answer = await ask('/charges');

    expect([answer.status, problemCode(answer)]).toEqual([503, 'store-unavailable']);
    expect(answer.body.toString()).toContain('corrupt');
    expect(backend.executionsOfAll()).toBe(before);
  });

  it('is executed by no route that forwards while its store is down: this one is there', async () => {
    const before = backend.executionsOfAll();
    await store.change(record(999, 'X: a\r\n', 'x'));

    expect((await ask('/forward')).status).toBe(503);
    expect(backend.executionsOfAll()).toBe(before);
  });

  it('into another sound one is served: a checksum is no seal', async () => {
    await store.change(record(200, 'Content-Length: 1\r\n', 'x'));

    const answer = await ask('/charges');

    expect([answer.status, answer.body.toString()]).toEqual([200, 'x']);
  });
});
