import { type ClientBase, Pool, type PoolClient } from 'pg';
import { StoreUnavailable } from '../contract.ts';
import type { Address } from './address.ts';
import type { SecretGuard } from './secret-guard.ts';
import { crashLosses } from './server-facts.ts';
import { asker, beginSession, clientConfig, hearErrors, type SessionLimits } from './session.ts';
import type { Statements } from './statements.ts';
import { toUnavailable } from './unavailable.ts';

export type ConnectionsOptions = SessionLimits & {
  readonly address: Address;
  readonly statements: Statements;
  readonly guard: SecretGuard;
  readonly connectionsMax: number;
  readonly acceptLoss: 'accept' | 'refuse';
};

/** A bounded number of connections, each looked at before its first use: the right secret, a primary, no loss. */
export type Connections = {
  /** Throws StoreUnavailable. */
  acquire(): Promise<PoolClient>;
  /** Whether a commit on this connection gave up waiting for its standby. */
  standbyLeft(client: PoolClient): 'left' | 'no';
  /** Statements on their way are answered first. */
  close(): Promise<void>;
};

const IDLE_MS = 60_000;
/** The routine of the server that warns of it; the text is in any language. */
const STANDBY_WAIT = 'SyncRepWaitForLSN';

export function createConnections(options: ConnectionsOptions): Connections {
  const left = new WeakSet<ClientBase>();
  let life: 'open' | 'closed' = 'open';
  const pool = new Pool({
    // Also the time for which a statement waits for its turn.
    ...clientConfig(options.address, {
      ...options,
      connectTimeoutMs: Math.min(options.connectTimeoutMs, options.commandTimeoutMs),
    }),
    max: options.connectionsMax,
    min: 1,
    idleTimeoutMillis: IDLE_MS,
    async onConnect(client) {
      hearErrors(client);
      client.on('notice', ({ routine }) => {
        if (routine === STANDBY_WAIT) left.add(client);
      });
      await greet(client, options);
    },
  });
  // Of a connection that broke while idle: the pool has dropped it.
  pool.on('error', () => undefined);
  return {
    async acquire() {
      if (life === 'closed') throw new StoreUnavailable('closed', 'the postgres store is closed');
      try {
        return await pool.connect();
      } catch (error) {
        throw toUnavailable(error);
      }
    },
    standbyLeft: (client) => (left.has(client) ? 'left' : 'no'),
    async close() {
      if (life === 'closed') return;
      life = 'closed';
      await pool.end();
    },
  };
}

/** Behind the same address may be another server from now on, or the same one with other settings. */
async function greet(client: ClientBase, options: ConnectionsOptions): Promise<void> {
  const facts = await beginSession(client, options.statements, options);
  if (facts.role === 'standby') {
    throw new StoreUnavailable('readonly', 'postgres is a standby, which takes no writes');
  }
  const losses = options.acceptLoss === 'refuse' ? crashLosses(facts) : [];
  if (losses.length > 0) throw new StoreUnavailable('unsafe', `postgres is refused: ${losses.join('; ')}`);
  await options.guard.look(asker(client, options.statements));
}
