import type { Store } from '../../src/store/contract.ts';
import { openPostgresStore, type PostgresStoreOptions } from '../../src/store/postgres/postgres-store.ts';

/** Where the deadline is what is tested. */
export const COMMAND_TIMEOUT_MS = 600;
/** Where it is not: on a busy machine an answer may take seconds, and a test must not learn of that. */
const PATIENT_TIMEOUT_MS = 15_000;

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
    commandTimeoutMs: PATIENT_TIMEOUT_MS,
    connectTimeoutMs: PATIENT_TIMEOUT_MS,
    ...change,
  };
}

/** `all`: of every store that is opened, unless it says otherwise. */
export function createPostgresOpener(all: Partial<PostgresStoreOptions> = {}): PostgresOpener {
  const stores: Store[] = [];
  return {
    async open(url, change) {
      const { store } = await openPostgresStore(postgresOptions(url, { ...all, ...change }));
      stores.push(store);
      return store;
    },
    async closeAll() {
      await Promise.all(stores.splice(0).map((store) => store.close()));
    },
  };
}
