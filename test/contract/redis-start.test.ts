import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openRedisStore } from '../../src/store/redis/redis-store.ts';
import { freePort } from '../support/free-port.ts';
import { createRedisOpener, redisOptions } from '../support/redis-opener.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { granted, newRecordKey, requestOf } from './harness.ts';

const opener = createRedisOpener();
const servers: RedisServer[] = [];

async function server(...options: Parameters<typeof startRedisServer>): Promise<RedisServer> {
  const started = await startRedisServer(...options);
  servers.push(started);
  return started;
}

afterEach(async () => {
  await opener.closeAll();
  await Promise.all(servers.splice(0).map((started) => started.remove()));
});

async function refusalOf(opening: Promise<unknown>): Promise<string> {
  try {
    await opening;
    return 'opened';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe('a redis store at its start', () => {
  it('says in one line where it could not connect and what to do', async () => {
    const gone = await server();
    await gone.stop();

    const message = await refusalOf(opener.open(`redis://user:pa55word@127.0.0.1:${gone.port}/3`));

    expect(message).toBe(
      `redis at redis://user:***@127.0.0.1:${gone.port}/3 cannot be used (no connection to redis: connect ECONNREFUSED 127.0.0.1:${gone.port}): check that it runs and that store.url is right`,
    );
  });

  it.each([
    ['a wrong password', 'pa55wrong'],
    ['no password', ''],
  ])('refuses %s without telling it', async (_name, password) => {
    const { port } = await server({ password: 'pa55word' });
    const login = password === '' ? '' : `:${password}@`;

    const message = await refusalOf(opener.open(`redis://${login}127.0.0.1:${port}`));

    expect(message).toContain('refuses the login');
    expect(message).not.toContain('pa55');
    expect(message).not.toContain('\n');
  });

  it('opens with the right password', async () => {
    const { url } = await server({ password: 'pa55word' });

    const store = await opener.open(url);

    await expect(store.ping()).resolves.toBeUndefined();
  });

  it.each([
    ['http://127.0.0.1:6379', 'store.url must be redis://'],
    ['127.0.0.1:6379', 'store.url must be redis://'],
    ['redis://127.0.0.1:6379/?autoResendUnfulfilledCommands=true', 'store.url takes no query'],
    ['redis://127.0.0.1:6379/main', 'store.url must end in the number of a database'],
  ])('refuses the address %s', async (url, reason) => {
    expect(await refusalOf(openRedisStore(redisOptions(url)))).toContain(reason);
  });

  it('refuses a server that evicts', async () => {
    const { url } = await server({ maxmemory: '100mb', maxmemoryPolicy: 'allkeys-lru' });

    expect(await refusalOf(opener.open(url))).toMatch(
      /is refused: its maxmemory-policy is allkeys-lru.*set maxmemory-policy noeviction/,
    );
  });

  it('refuses a server without an append-only file', async () => {
    const { url } = await server({ appendonly: 'no' });

    expect(await refusalOf(opener.open(url))).toMatch(
      /is refused: it keeps no append-only file.*set appendonly yes/,
    );
  });

  it('tells all faults together', async () => {
    const { url } = await server({ appendonly: 'no', maxmemoryPolicy: 'volatile-ttl' });

    expect(await refusalOf(opener.open(url))).toMatch(/maxmemory-policy.*; it keeps no append-only file/);
  });

  it('opens such a server with warnings where loss is accepted', async () => {
    const { url } = await server({ appendonly: 'no', maxmemoryPolicy: 'allkeys-lru' });

    const { store, warnings } = await openRedisStore(redisOptions(url, { acceptLoss: 'accept' }));

    await store.close();
    expect(warnings.map((warning) => warning.includes(`redis at ${url}: `))).toEqual([true, true]);
    expect(warnings.join()).toMatch(/allkeys-lru.*append-only/);
  });

  it('warns that a power loss can lose the last second', async () => {
    const { url } = await server({ appendfsync: 'everysec' });

    const { store, warnings } = await openRedisStore(redisOptions(url));

    await store.close();
    expect(warnings).toEqual([expect.stringContaining('appendfsync is everysec')]);
  });

  it('has nothing to warn of on a server that keeps every write', async () => {
    const { url } = await server({ appendfsync: 'always' });

    const { store, warnings } = await openRedisStore(redisOptions(url));

    await store.close();
    expect(warnings).toEqual([]);
  });

  it('refuses a replica', async () => {
    const { url, command } = await server();
    await command('REPLICAOF', '127.0.0.1', '1');

    expect(await refusalOf(opener.open(url))).toContain('it is a replica, which takes no writes');
  });

  it('refuses a member of a cluster', async () => {
    // Its bus would else be 10,000 above its port, where the kernel may have a connection going out.
    const { url } = await server({
      config: ['cluster-enabled', 'yes', 'cluster-port', String(await freePort())],
    });

    expect(await refusalOf(opener.open(url))).toContain('it is part of a cluster');
  });
});

describe('the secret of a redis store', () => {
  let shared: RedisServer | null = null;
  const url = (): string => shared?.url ?? '';

  beforeAll(async () => {
    shared = await startRedisServer();
  });

  afterAll(async () => {
    await shared?.remove();
  });

  it('must be the one that the records were made with', async () => {
    await opener.open(url(), { keyPrefix: 'a:', secretIds: ['one'] });

    expect(await refusalOf(opener.open(url(), { keyPrefix: 'a:', secretIds: ['two'] }))).toContain(
      'another HMAC secret',
    );
  });

  it('may be another under another prefix', async () => {
    await opener.open(url(), { keyPrefix: 'b:', secretIds: ['one'] });

    expect(await refusalOf(opener.open(url(), { keyPrefix: 'c:', secretIds: ['two'] }))).toBe('opened');
  });

  it('is replaced by a new one that comes with it, and then stands alone', async () => {
    await opener.open(url(), { keyPrefix: 'd:', secretIds: ['one'] });
    await opener.open(url(), { keyPrefix: 'd:', secretIds: ['two', 'one'] });

    expect(await refusalOf(opener.open(url(), { keyPrefix: 'd:', secretIds: ['two'] }))).toBe('opened');
    expect(await refusalOf(opener.open(url(), { keyPrefix: 'd:', secretIds: ['one'] }))).toContain(
      'another HMAC secret',
    );
  });

  it('stops a running store that does not know the new one', async () => {
    const old = await opener.open(url(), { keyPrefix: 'e:', secretIds: ['one'] });
    const key = newRecordKey();
    await granted(old, key, requestOf(1000));
    await opener.open(url(), { keyPrefix: 'e:', secretIds: ['two', 'one'] });

    await expect(old.ping()).rejects.toMatchObject({ reason: 'error' });
    await expect(old.claim(key, requestOf(1000))).rejects.toMatchObject({ reason: 'error' });
  });

  it('does not let records of a newer format be misread', async () => {
    await shared?.command('SET', 'f:secret-id', '2:one');

    expect(await refusalOf(opener.open(url(), { keyPrefix: 'f:', secretIds: ['one'] }))).toContain(
      'records of format 2',
    );
  });

  it('must have an id', async () => {
    expect(await refusalOf(opener.open(url(), { keyPrefix: 'g:', secretIds: [] }))).toContain(
      'needs the id of its secret',
    );
  });
});
