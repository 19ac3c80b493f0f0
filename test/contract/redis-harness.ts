import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Store } from '../../src/store/contract.ts';
import { openRedisStore, type RedisStoreOptions } from '../../src/store/redis/redis-store.ts';
import { onceAvailable, redisOptions } from '../support/redis-opener.ts';
import type { StoreHarness } from './harness.ts';

/** Redis has the only clock: the suite really waits, in short units. */
const UNIT_MS = 100;

export type RedisHarnessOptions = {
  readonly url: string;
  readonly change?: Partial<RedisStoreOptions>;
  /** Ends every server without ceremony and starts it again. */
  readonly restart: () => Promise<void>;
  /** Longer where every write waits for other processes, or a busy machine ends leases. */
  readonly unitMs?: number;
  /** After each test. */
  readonly clear?: () => Promise<void>;
};

/** One set of servers for all tests: every harness has a prefix of its own. */
export async function openRedisHarness({
  url,
  change,
  unitMs = UNIT_MS,
  restart,
  clear,
}: RedisHarnessOptions): Promise<StoreHarness> {
  const keyPrefix = `test-${randomBytes(6).toString('hex')}:`;
  const opened: Store[] = [];

  async function open(): Promise<Store> {
    const { store } = await openRedisStore(
      redisOptions(url, { keyPrefix, commandTimeoutMs: 5000, ...change }),
    );
    opened.push(store);
    return store;
  }

  return {
    store: await open(),
    unitMs,
    advance: (ms) => wait(ms),
    async reopen() {
      await restart();
      return onceAvailable(open);
    },
    second: open,
    expiry: 'by-itself',
    async cleanup() {
      await Promise.all(opened.map((store) => store.close()));
      await clear?.();
    },
  };
}
