import type { Store } from '../../src/store/contract.ts';
import { openPostgresStore, type PostgresStoreOptions } from '../../src/store/postgres/postgres-store.ts';

export const COMMAND_TIMEOUT_MS = 600;

/** Opens postgres stores for a test and closes them after it. */
export type PostgresOpener = {
  open(url: string, change?: Partial<PostgresStoreOptions>): Promise<Store>;
  closeAll(): Promise<void>;
};

export function postgresOptions(
  url: string,
  change: Partial<PostgresStoreOptions> = {},
): PostgresStoreOptions {
  return {
    url,
    schema: 'test',
    connectionsMax: 4,
    acceptLoss: 'refuse',
    secretIds: ['secret-1'],
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    connectTimeoutMs: 5000,
    ...change,
  };
}

export function createPostgresOpener(): PostgresOpener {
  const stores: Store[] = [];
  return {
    async open(url, change) {
      const { store } = await openPostgresStore(postgresOptions(url, change));
      stores.push(store);
      return store;
    },
    async closeAll() {
      await Promise.all(stores.splice(0).map((store) => store.close()));
    },
  };
}
