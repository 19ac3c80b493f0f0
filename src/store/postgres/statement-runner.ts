import { StoreUnavailable } from '../contract.ts';
import { type ConnectionsOptions, createConnections } from './connections.ts';
import type { Row } from './reply.ts';
import { ask } from './session.ts';
import type { StatementName } from './statements.ts';
import { leavesSessionWhole, toUnavailable } from './unavailable.ts';

/** Runs statements, and only while the store is known to be this secret's. */
export type StatementRunner = {
  /** Never sends a statement twice. Throws StoreUnavailable. */
  run(name: StatementName, values: readonly unknown[]): Promise<readonly Row[]>;
  /** Throws StoreUnavailable where writes would fail. */
  prove(): Promise<void>;
  /** Statements on their way are answered first. */
  close(): Promise<void>;
};

export function createStatementRunner(options: ConnectionsOptions): StatementRunner {
  const { statements, guard } = options;
  const connections = createConnections(options);
  let trust: 'trusted' | 'unverified' = 'trusted';
  let looking: Promise<void> | null = null;

  async function runTrusted(name: StatementName, values: readonly unknown[]): Promise<readonly Row[]> {
    const client = await connections.acquire();
    let session: 'whole' | 'broken' = 'broken';
    try {
      const rows = await ask(client, statements, name, values);
      if (connections.standbyLeft(client) === 'left') {
        throw new StoreUnavailable(
          'error',
          'postgres did not wait for its standby at a commit: a failover could lose the write',
        );
      }
      session = 'whole';
      return rows;
    } catch (error) {
      session = leavesSessionWhole(error);
      throw toUnavailable(error);
    } finally {
      client.release(session === 'broken');
    }
  }

  /** One look for all that wait for it. */
  function look(): Promise<void> {
    looking ??= guard
      .look(runTrusted)
      .then(() => {
        trust = 'trusted';
      })
      .finally(() => {
        looking = null;
      });
    return looking;
  }

  return {
    async run(name, values) {
      if (trust === 'unverified') await look();
      return runTrusted(name, values);
    },
    async prove() {
      try {
        await guard.prove(runTrusted);
      } catch (error) {
        trust = 'unverified';
        throw error;
      }
    },
    close: () => connections.close(),
  };
}
