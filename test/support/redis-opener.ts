import type { Store } from '../../src/store/contract.ts';
import { StoreUnavailable } from '../../src/store/contract.ts';
import {
  openRedisStore,
  type RedisStoreOptions,
  type RedisTopology,
} from '../../src/store/redis/redis-store.ts';
import { type RedisSentinels, SENTINEL_NAME } from './redis-sentinel.ts';

export const COMMAND_TIMEOUT_MS = 400;

export const NO_TLS_FILES = { caFile: null, certFile: null, keyFile: null, serverName: null } as const;

export function sentinelTopology({ nodes }: Pick<RedisSentinels, 'nodes'>): RedisTopology {
  return { kind: 'sentinel', nodes, sentinel: { name: SENTINEL_NAME, username: null, password: null } };
}

/** Opens redis stores for a test and closes them after it. */
export type RedisOpener = {
  open(url: string, change?: Partial<RedisStoreOptions>): Promise<Store>;
  /** What the open stores warned of, oldest first. */
  readonly warnings: readonly string[];
  closeAll(): Promise<void>;
};

export function redisOptions(url: string, change: Partial<RedisStoreOptions> = {}): RedisStoreOptions {
  return {
    url,
    topology: { kind: 'standalone' },
    tls: NO_TLS_FILES,
    wait: null,
    keyPrefix: 'test:',
    acceptLoss: 'refuse',
    secretIds: ['secret-1'],
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    connectTimeoutMs: 2000,
    warn: () => undefined,
    ...change,
  };
}

export function createRedisOpener(): RedisOpener {
  const stores: Store[] = [];
  const warnings: string[] = [];
  return {
    warnings,
    async open(url, change) {
      const { store } = await openRedisStore(
        redisOptions(url, { warn: (message) => warnings.push(message), ...change }),
      );
      stores.push(store);
      return store;
    },
    async closeAll() {
      await Promise.all(stores.splice(0).map((store) => store.close()));
      warnings.length = 0;
    },
  };
}

/** Asks again while the store is unavailable: what recovers by itself needs a moment. */
export async function onceAvailable<T>(ask: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + 15_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || performance.now() > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** The reason for which the store could not answer; `answered` when it did. */
export async function reasonOf(ask: Promise<unknown>): Promise<string> {
  try {
    await ask;
    return 'answered';
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return error.reason;
  }
}
