import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../src/store/contract.ts';
import { openPostgresStore, type PostgresStoreOptions } from '../../src/store/postgres/postgres-store.ts';
import { judgeServer, type ServerFacts } from '../../src/store/postgres/server-facts.ts';
import { createPostgresOpener, postgresOptions } from '../support/postgres-opener.ts';
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts';
import { FULL, granted, newRecordKey, requestOf } from './harness.ts';

const PASSWORD = 'pa55word';

const opener = createPostgresOpener();
let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgresServer({ password: PASSWORD });
});

afterEach(async () => {
  await opener.closeAll();
});

afterAll(async () => {
  await server.remove();
});

async function refusalOf(opening: Promise<unknown>): Promise<string> {
  try {
    await opening;
    return 'opened';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function refusal(change: Partial<PostgresStoreOptions> & { readonly at?: string } = {}): Promise<string> {
  const { at = server.url, ...rest } = change;
  return refusalOf(opener.open(at, rest));
}

describe('the address of a postgres store', () => {
  it('is named in one line without its password where nothing listens', async () => {
    const gone = await startPostgresServer();
    await gone.remove();

    const message = await refusal({ at: `postgres://user:pa55word@127.0.0.1:${gone.port}/shop` });

    expect(message).toBe(
      `postgres at postgres://user:***@127.0.0.1:${gone.port}/shop cannot be used (no connection to postgres: connect ECONNREFUSED 127.0.0.1:${gone.port}): check that it runs and that store.url is right`,
    );
  });

  it.each([
    ['a wrong password', ':pa55wrong'],
    ['no password', ''],
  ])('is refused with %s, which is not told', async (_name, login) => {
    const message = await refusal({ at: `postgres://onceward${login}@127.0.0.1:${server.port}/postgres` });

    expect(message).toContain('refuses the login');
    expect(message).not.toContain('pa55');
    expect(message).not.toContain('\n');
  });

  it('that names a database which is not there says so', async () => {
    const message = await refusal({ at: server.url.replace(/postgres$/, 'nowhere') });

    expect(message).toContain('has no such database');
    expect(message).not.toContain(PASSWORD);
  });

  it('of a server without TLS is refused where TLS is asked for', async () => {
    expect(await refusal({ at: `${server.url}?sslmode=require` })).toMatch(/cannot be used .*SSL/);
  });

  it.each([
    ['http://127.0.0.1:5432', 'store.url must be postgres://'],
    ['127.0.0.1:5432', 'store.url must be postgres://'],
    ['postgres://127.0.0.1:5432/shop', 'store.url must name a host and a user'],
    ['postgres://user@/shop', 'store.url must'],
    ['postgres://user:pa55@host/shop?statement_timeout=0', 'store.url takes no parameters but sslmode'],
    ['postgres://user@host/shop?password=pa55', 'store.url takes no parameters but sslmode'],
    ['postgres://user@host/shop?sslmode=prefer', 'store.url knows sslmode disable'],
    ['postgres://user@host/shop?sslmode=verify-ca&sslrootcert=/no/file', 'cannot be read (/no/file)'],
    ['postgres://user@other/shop?host=/run', 'that is no folder of a Unix socket'],
  ])('%s is refused', async (at, reason) => {
    const message = await refusal({ at });

    expect(message).toContain(reason);
    expect(message).not.toContain('pa55');
  });
});

describe('what a postgres server promises', () => {
  afterEach(async () => {
    await server.command('ALTER ROLE onceward RESET ALL');
  });

  it('has nothing to warn of where every write is kept', async () => {
    const { store, warnings } = await openPostgresStore(postgresOptions(server.url));

    await store.close();
    expect(warnings).toEqual([]);
  });

  it('is refused with asynchronous commit', async () => {
    await server.command('ALTER ROLE onceward SET synchronous_commit = off');

    expect(await refusal()).toMatch(/is refused: its synchronous_commit is off.*set synchronous_commit on/);
  });

  it('is accepted with asynchronous commit where loss is, with a warning', async () => {
    await server.command('ALTER ROLE onceward SET synchronous_commit = off');

    const { store, warnings } = await openPostgresStore(
      postgresOptions(server.url, { acceptLoss: 'accept' }),
    );

    await store.close();
    expect(warnings).toEqual([expect.stringMatching(/^postgres at .*:\*\*\*@.*synchronous_commit is off/)]);
  });

  it('is refused with asynchronous commit also by a connection that comes later', async () => {
    const store = await opener.open(server.url, { connectionsMax: 1 });
    await server.command('ALTER ROLE onceward SET synchronous_commit = off');
    await server.command(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'onceward'",
    );

    const claim = (): Promise<unknown> => store.claim(newRecordKey(), requestOf(1000));
    // The connection that was ended is noticed first.
    await claim().catch(() => undefined);

    await expect(claim()).rejects.toThrow('synchronous_commit is off');
  });

  it('is refused when it is read only', async () => {
    await server.command(
      `CREATE ROLE reader LOGIN PASSWORD '${PASSWORD}'; ALTER ROLE reader SET default_transaction_read_only = on`,
    );

    expect(await refusal({ at: server.url.replace('onceward:', 'reader:') })).toMatch(
      /is refused: it is read only/,
    );
  });

  const SOUND: ServerFacts = {
    version: 150_018,
    role: 'primary',
    access: 'read-write',
    synchronousCommit: 'on',
    synchronousStandbys: '',
    fsync: 'on',
    fullPageWrites: 'on',
    standbys: 0,
  };

  it.each<readonly [Partial<ServerFacts>, 'faults' | 'warnings', string]>([
    [{ version: 110_022 }, 'faults', 'its version is 11: use 12'],
    [{ role: 'standby', access: 'read-only' }, 'faults', 'it is a standby'],
    [{ fsync: 'off' }, 'faults', 'its fsync is off'],
    [{ fullPageWrites: 'off' }, 'faults', 'its full_page_writes is off'],
    [{ standbys: 1 }, 'warnings', 'replication is asynchronous'],
    [{ synchronousStandbys: 'b', synchronousCommit: 'local' }, 'warnings', 'synchronous_commit is local'],
    [{ synchronousStandbys: 'b', synchronousCommit: 'remote_write' }, 'warnings', 'remote_write'],
  ])('%j is told among the %s', (change, among, what) => {
    const judgement = judgeServer({ ...SOUND, ...change }, 'refuse');

    expect(judgement[among]).toEqual([expect.stringContaining(what)]);
  });

  it.each<Partial<ServerFacts>>([
    {},
    { synchronousCommit: 'local' },
    { synchronousStandbys: 'b', standbys: 1 },
    { synchronousStandbys: 'b', synchronousCommit: 'remote_apply', standbys: 1 },
  ])('%j is sound', (change) => {
    expect(judgeServer({ ...SOUND, ...change }, 'refuse')).toEqual({ faults: [], warnings: [] });
  });

  it('tells all faults together', () => {
    const { faults } = judgeServer({ ...SOUND, fsync: 'off', synchronousCommit: 'off' }, 'refuse');

    expect(faults).toHaveLength(2);
  });
});

describe('a standby', () => {
  it('is refused at the start, and ends the service of a store until it is promoted', async () => {
    const demoted = await startPostgresServer();
    const store = await opener.open(demoted.url);
    const { claim } = await granted(store, newRecordKey(), requestOf(60_000));
    const [row] = await demoted.command("SELECT current_setting('data_directory') AS folder");
    await demoted.stop();
    writeFileSync(join(String(row?.folder), 'standby.signal'), '');
    await demoted.restart();

    expect(await refusal({ at: demoted.url })).toMatch(/is refused: it is a standby/);
    const reasons: unknown[] = [];
    while (reasons.at(-1) !== 'readonly') {
      await store.complete(claim, FULL, 60_000).catch((error) => {
        reasons.push(error instanceof StoreUnavailable ? error.reason : error);
      });
    }
    await demoted.command('SELECT pg_promote()');

    expect(await store.complete(claim, FULL, 60_000)).toBe('ok');
    await store.close();
    await demoted.remove();
  });
});

describe('the secret of a postgres store', () => {
  it('must be the one that the records were made with', async () => {
    await opener.open(server.url, { schema: 'a', secretIds: ['one'] });

    expect(await refusal({ schema: 'a', secretIds: ['two'] })).toContain('another HMAC secret');
  });

  it('is one also when two replicas with different ones start first', async () => {
    const messages = await Promise.all(['one', 'two'].map((id) => refusal({ schema: 'b', secretIds: [id] })));

    expect(messages.filter((message) => message === 'opened')).toHaveLength(1);
    expect(messages.filter((message) => message.includes('another HMAC secret'))).toHaveLength(1);
  });

  it('is replaced by a new one that comes with it, and then stands alone', async () => {
    await opener.open(server.url, { schema: 'c', secretIds: ['one'] });
    await opener.open(server.url, { schema: 'c', secretIds: ['two', 'one'] });

    expect(await refusal({ schema: 'c', secretIds: ['two'] })).toBe('opened');
    expect(await refusal({ schema: 'c', secretIds: ['one'] })).toContain('another HMAC secret');
  });

  it('stops a running store that does not know the new one', async () => {
    const old = await opener.open(server.url, { schema: 'd', secretIds: ['one'] });
    await opener.open(server.url, { schema: 'd', secretIds: ['two', 'one'] });

    await expect(old.ping()).rejects.toMatchObject({ reason: 'error' });
    await expect(old.claim(newRecordKey(), requestOf(1000))).rejects.toMatchObject({ reason: 'error' });
  });

  it('must have an id', async () => {
    expect(await refusal({ secretIds: [] })).toContain('needs the id of its secret');
  });
});
