import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../src/store/contract.ts';
import { loadMigrations } from '../../src/store/postgres/migrations.ts';
import type { PostgresStoreOptions } from '../../src/store/postgres/postgres-store.ts';
import { inSchema } from '../../src/store/postgres/statements.ts';
import { createPostgresOpener } from '../support/postgres-opener.ts';
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts';
import { newRecordKey, requestOf } from './harness.ts';

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

async function refusal(change: Partial<PostgresStoreOptions> & { readonly at?: string }): Promise<string> {
  const { at = server.url, ...rest } = change;
  return opener.open(at, rest).then(
    () => 'opened',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

describe('the schema of a postgres store', () => {
  it('is made once when many replicas start at the same time', async () => {
    const stores = await Promise.all(
      Array.from({ length: 6 }, () => opener.open(server.url, { schema: 'fleet', connectionsMax: 1 })),
    );

    await Promise.all(stores.map((store) => store.ping()));
    expect(await server.command('SELECT version FROM fleet.onceward_migration ORDER BY version')).toEqual(
      loadMigrations().map(({ version }) => ({ version })),
    );
  });

  it('of an older version is brought up to date once, by replicas that start together, and keeps its records', async () => {
    const [first] = loadMigrations();
    await server.command(`CREATE SCHEMA older; ${inSchema(first?.text ?? '', 'older')};
      CREATE TABLE older.onceward_migration (
        version integer PRIMARY KEY, name text NOT NULL, migrated_at timestamptz NOT NULL DEFAULT clock_timestamp()
      );
      INSERT INTO older.onceward_migration (version, name) VALUES (1, '0001-records');
      INSERT INTO older.record (record_key, state, token, owner, attempt, fingerprint, policy_id, claimed_at_us,
        lease_until_us, unknown_retain_us, unknown_since_us, reason, expires_at_us, sweep_at_us)
      VALUES ('kept', 'unknown', 7, 'o', 1, 'f', 'p', 1, 1, 1, 1, 'reset', 9000000000000000, 9000000000000000)`);

    const stores = await Promise.all(
      Array.from({ length: 6 }, () => opener.open(server.url, { schema: 'older', connectionsMax: 1 })),
    );

    expect(await server.command('SELECT version FROM older.onceward_migration ORDER BY version')).toEqual(
      loadMigrations().map(({ version }) => ({ version })),
    );
    for (const store of stores)
      expect(await store.inspect('kept')).toMatchObject({ state: 'unknown', token: 7 });
  });

  it('of a newer version is refused', async () => {
    await opener.open(server.url, { schema: 'newer' });
    await server.command("INSERT INTO newer.onceward_migration VALUES (99, '0099-later')");

    expect(await refusal({ schema: 'newer' })).toMatch(
      /is refused: its schema newer is of version 99, this program knows \d+: use the version/,
    );
  });

  it('needs no right to create once it is there, and says so where it is not', async () => {
    await server.command(`CREATE ROLE clerk LOGIN PASSWORD '${PASSWORD}'`);
    const at = server.url.replace('onceward:', 'clerk:');
    expect(await refusal({ at, schema: 'office' })).toMatch(
      /is refused: its user may not create the tables in the schema office: start once with one that may/,
    );
    await opener.open(server.url, { schema: 'office' });
    await server.command(
      'GRANT USAGE ON SCHEMA office TO clerk; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA office TO clerk',
    );

    const store = await opener.open(at, { schema: 'office' });

    expect((await store.claim(newRecordKey(), requestOf(1000))).kind).toBe('claimed');
  });

  it('that is gone under a running store makes it unavailable', async () => {
    const store = await opener.open(server.url, { schema: 'gone' });
    await server.command('DROP SCHEMA gone CASCADE');

    await expect(store.ping()).rejects.toThrow('its tables are gone');
    await expect(store.claim(newRecordKey(), requestOf(1000))).rejects.toBeInstanceOf(StoreUnavailable);
  });
});
