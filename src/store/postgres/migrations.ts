import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientBase } from 'pg';
import { inSchema } from './statements.ts';
import { Refused, sqlState } from './unavailable.ts';

/**
 * Each `migrations/<number>-<what>.sql` runs once, in the order of the numbers. While replicas are replaced one by one,
 * the version before still runs: a migration leaves it able to read and write.
 */
export const MIGRATIONS_FOLDER = join(import.meta.dirname, 'migrations');

export type Migration = { readonly version: number; readonly name: string; readonly text: string };

/** Spells `once`; the second half of the lock is the schema's. */
const LOCK_CLASS = 0x6f6e6365;
const INSUFFICIENT_PRIVILEGE = '42501';

export function loadMigrations(): readonly Migration[] {
  return readdirSync(MIGRATIONS_FOLDER)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => ({
      version: Number.parseInt(file, 10),
      name: file.replace(/\.sql$/, ''),
      text: readFileSync(join(MIGRATIONS_FOLDER, file), 'utf8'),
    }));
}

/**
 * Brings the schema to this program's version. Where it is there already, nothing is written and no right to create
 * is needed.
 * @throws Refused for a schema of a newer program, and where the user may not create it
 */
export async function migrate(client: ClientBase, schema: string): Promise<void> {
  const migrations = loadMigrations();
  const known = migrations.at(-1)?.version ?? 0;
  if (checkVersion(await currentVersion(client, schema), known, schema) === known) return;
  // Many replicas start at once: one migrates, the others find it done. Before the transaction, which would go on
  // seeing the catalogue as it was when it began.
  await client.query('SELECT pg_advisory_lock($1, hashtext($2))', [LOCK_CLASS, schema]);
  try {
    const version = checkVersion(await currentVersion(client, schema), known, schema);
    await runAll(
      client,
      schema,
      migrations.filter((migration) => migration.version > version),
    );
  } finally {
    await client.query('SELECT pg_advisory_unlock($1, hashtext($2))', [LOCK_CLASS, schema]);
  }
}

/** All or none. */
async function runAll(client: ClientBase, schema: string, migrations: readonly Migration[]): Promise<void> {
  await client.query('BEGIN');
  try {
    if (migrations[0]?.version === 1) await createSchema(client, schema);
    for (const { version, name, text } of migrations) {
      await client.query(inSchema(text, schema));
      await client.query(`INSERT INTO ${schema}.onceward_migration (version, name) VALUES ($1, $2)`, [
        version,
        name,
      ]);
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new Refused(
      `its user may not create the tables in the schema ${schema}: start once with one that may, or create the schema for it (CREATE SCHEMA ${schema} AUTHORIZATION …)`,
    );
  }
}

/** 0 where there is nothing yet. */
async function currentVersion(client: ClientBase, schema: string): Promise<number> {
  const { rows } = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
    `${schema}.onceward_migration`,
  ]);
  if (rows[0]?.there !== true) return 0;
  const found = await client.query<{ version: number }>(
    `SELECT coalesce(max(version), 0) AS version FROM ${schema}.onceward_migration`,
  );
  return found.rows[0]?.version ?? 0;
}

function checkVersion(version: number, known: number, schema: string): number {
  if (version > known) {
    throw new Refused(
      `its schema ${schema} is of version ${version}, this program knows ${known}: use the version of Onceward that wrote it, or a newer one`,
    );
  }
  return version;
}

async function createSchema(client: ClientBase, schema: string): Promise<void> {
  // Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create also where the schema exists.
  const { rows } = await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema]);
  if (rows.length === 0) await client.query(`CREATE SCHEMA ${schema}`);
  await client.query(
    `CREATE TABLE ${schema}.onceward_migration (
      version integer PRIMARY KEY,
      name text NOT NULL,
      migrated_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`,
  );
}
