import type { Client } from 'pg';
import { type Store, StoreUnavailable } from '../contract.ts';
import { type Address, maskedUrl, readAddress } from './address.ts';
import { createPostgresCells } from './cells.ts';
import { watchFitness } from './fitness.ts';
import { listRecords } from './listing.ts';
import { migrate } from './migrations.ts';
import { refuseSharedSessions } from './pooling.ts';
import { createRecordSteps } from './record-steps.ts';
import { readAwaitRows, readCount, readCountOrNull } from './reply.ts';
import { createSecretGuard, type SecretGuard } from './secret-guard.ts';
import { judgeServer } from './server-facts.ts';
import { asker, beginSession, connect, createClient, type SessionLimits } from './session.ts';
import { createSettlements } from './settlements.ts';
import { createStatementRunner, type StatementRunner } from './statement-runner.ts';
import { checkSchema, loadStatements, type Statements, settledChannel } from './statements.ts';
import { Refused, toUnavailable } from './unavailable.ts';

export type PostgresStoreOptions = SessionLimits & {
  /** `postgres://user[:password]@host[:port][/database]`, with `?sslmode=verify-full` for TLS. */
  readonly url: string;
  /** Of the tables, created at the first start; stores in different schemas know nothing of each other. */
  readonly schema: string;
  /** Connections of this process for statements; one more listens for joiners. */
  readonly connectionsMax: number;
  /** accept: asynchronous commit and a server without fsync are warnings instead of refusals. */
  readonly acceptLoss: 'accept' | 'refuse';
  /** A short public digest of each HMAC secret, current first. */
  readonly secretIds: readonly string[];
  /** Between two looks at the settings of the server. Default 5 s. */
  readonly fitnessMs?: number;
};

export type OpenedPostgresStore = { readonly store: Store; readonly warnings: readonly string[] };

/** Rows that stats counts; above it the server's estimate will do. */
const COUNTED_MAX = 10_000;

/**
 * Records in the primary of a PostgreSQL, one row each; every step is one statement, judged by the server's clock. Many
 * processes may share it. A pooler between must run in session mode, which is tried out at start: transaction mode
 * breaks LISTEN, the time limits of the session and named statements.
 * @throws StoreUnavailable when the server cannot be reached, Error when it must not be used; one line each
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<OpenedPostgresStore> {
  checkSchema(options.schema);
  const address = readAddress(options.url);
  const statements = loadStatements(options.schema);
  const guard = createSecretGuard(options.secretIds);
  const warnings = await prepare(options, address, statements, guard);
  const runner = createStatementRunner({ ...options, address, statements, guard });
  try {
    // The first connection of the pool, and the proof that it writes.
    await runner.prove();
  } catch (error) {
    await runner.close();
    throw error;
  }
  return { store: createStore({ runner, options, address }), warnings };
}

/** Judges the server, brings the schema up to date and makes it this secret's, on a connection of its own. */
async function prepare(
  options: PostgresStoreOptions,
  address: Address,
  statements: Statements,
  guard: SecretGuard,
): Promise<readonly string[]> {
  const where = `postgres at ${maskedUrl(options.url)}`;
  const limits = { ...options, commandTimeoutMs: MIGRATION_MS };
  const client = createClient(address, limits);
  await connect(client, options.url);
  try {
    const facts = await beginSession(client, statements, limits);
    const { faults, warnings } = judgeServer(facts, options.acceptLoss);
    if (faults.length > 0) throw new Refused(faults.join('; '));
    await refusePooling(client, options, address);
    await migrate(client, options.schema);
    await guard.adopt(asker(client, statements));
    return warnings.map((warning) => `${where}: ${warning}`);
  } catch (error) {
    if (error instanceof Refused) throw new Error(`${where} is refused: ${error.message}`);
    const { reason, message } = toUnavailable(error);
    throw new StoreUnavailable(reason, `${where} cannot be used: ${message}`);
  } finally {
    await client.end();
  }
}

async function refusePooling(client: Client, options: PostgresStoreOptions, address: Address): Promise<void> {
  const other = createClient(address, options);
  try {
    await other.connect();
    await refuseSharedSessions(client, other, NOTIFY_MS);
  } finally {
    await other.end();
  }
}

/** A message takes a few milliseconds. */
const NOTIFY_MS = 3_000;

/** A migration rewrites what is there, and waits for the replica that began it. */
const MIGRATION_MS = 60_000;

type Parts = {
  readonly runner: StatementRunner;
  readonly options: PostgresStoreOptions;
  readonly address: Address;
};

function createStore({ runner, options, address }: Parts): Store {
  const channel = settledChannel(options.schema);
  const fitness = watchFitness(runner.run, options.acceptLoss, options.fitnessMs);
  const settlements = createSettlements({
    createClient: () => createClient(address, options),
    channel,
    note: async (recordKey) => readAwaitRows(await runner.run('await', [recordKey])),
  });
  return {
    kind: 'postgres',
    cells: createPostgresCells(runner.run, channel, fitness.demand, settlements.hear),
    ...createRecordSteps(runner.run, channel, fitness.demand),
    list: (cursor, filter) => listRecords(runner.run, cursor, filter),
    settled: (recordKey, signal) => settlements.wait(recordKey, signal),
    async sweep(recordsMax) {
      const [records] = await runner.run('sweep', [recordsMax]);
      const [cells] = await runner.run('cell-sweep', [recordsMax]);
      return readCount(records?.[0]) + readCount(cells?.[0]);
    },
    async stats() {
      const [row] = await runner.run('stats', [COUNTED_MAX]);
      return { records: readCountOrNull(row?.[0]), bytes: readCountOrNull(row?.[1]) };
    },
    async ping() {
      await runner.prove();
      fitness.demand();
    },
    async close() {
      fitness.stop();
      await Promise.all([settlements.close(), runner.close()]);
    },
  };
}
