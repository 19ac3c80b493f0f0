import { Client, type ClientBase, type ClientConfig } from 'pg';
import { StoreUnavailable } from '../contract.ts';
import { type Address, maskedUrl } from './address.ts';
import type { Ask, Row } from './reply.ts';
import { readServerFacts, type ServerFacts } from './server-facts.ts';
import type { StatementName, Statements } from './statements.ts';
import { sqlState, toUnavailable } from './unavailable.ts';

export type SessionLimits = {
  /** The caller gives a statement up after it; the server is told to be sooner, so that it says why. */
  readonly commandTimeoutMs: number;
  readonly connectTimeoutMs: number;
};

const STATEMENT_PART = 0.8;
const LOCK_PART = 0.4;
const KEEP_ALIVE_MS = 10_000;

export function clientConfig(address: Address, limits: SessionLimits): ClientConfig {
  return {
    ...address,
    connectionTimeoutMillis: limits.connectTimeoutMs,
    // The driver's own clock: a server that is silent cannot keep its statement_timeout.
    query_timeout: limits.commandTimeoutMs,
    application_name: 'onceward',
    client_encoding: 'UTF8',
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  };
}

/** A client whose `error` events are heard, so that none ends the process. */
export function createClient(address: Address, limits: SessionLimits): Client {
  const client = new Client(clientConfig(address, limits));
  hearErrors(client);
  return client;
}

export function hearErrors(client: ClientBase): void {
  // The statement under way fails with the same error.
  client.on('error', () => undefined);
}

/** One statement on a client, prepared there at its first use. Throws what the driver throws. */
export async function ask(
  client: ClientBase,
  statements: Statements,
  name: StatementName,
  values: readonly unknown[],
): Promise<readonly Row[]> {
  const statement = statements.get(name);
  if (statement === undefined) throw new TypeError(`no statement ${name}`);
  const { rows } = await client.query<unknown[], unknown[]>({
    name: statement.name,
    text: statement.text,
    // The driver wants a list that it could change, and changes none.
    values: values as unknown[],
    rowMode: 'array',
  });
  return rows;
}

export function asker(client: ClientBase, statements: Statements): Ask {
  return (name, values) => ask(client, statements, name, values);
}

/** Sets the limits and asks what the server promises. */
export async function beginSession(
  client: ClientBase,
  statements: Statements,
  { commandTimeoutMs }: SessionLimits,
): Promise<ServerFacts> {
  const limits = [STATEMENT_PART, LOCK_PART].map((part) =>
    String(Math.max(1, Math.floor(commandTimeoutMs * part))),
  );
  const [row] = await ask(client, statements, 'session', limits);
  return readServerFacts(row ?? []);
}

/**
 * Connects once.
 * @throws StoreUnavailable with one line that names the address without its password and what to do
 */
export async function connect(client: Client, url: string): Promise<void> {
  try {
    await client.connect();
  } catch (error) {
    throw unreachableServer(url, error);
  }
}

function unreachableServer(url: string, error: unknown): StoreUnavailable {
  const { reason, message } = toUnavailable(error);
  const where = `postgres at ${maskedUrl(url)}`;
  const state = sqlState(error);
  if (state?.startsWith('28') === true || message.includes(': SASL')) {
    return new StoreUnavailable(
      'error',
      `${where} refuses the login (${message}): check user and password of store.url`,
    );
  }
  if (state === '3D000') {
    return new StoreUnavailable(
      reason,
      `${where} has no such database (${message}): create it, or name another in store.url`,
    );
  }
  if (reason === 'loading') {
    return new StoreUnavailable(reason, `${where} is still starting: start again in a moment`);
  }
  return new StoreUnavailable(
    reason,
    `${where} cannot be used (${message}): check that it runs and that store.url is right`,
  );
}
