import { hash } from 'node:crypto';
import type { Store } from './contract.ts';
import { createMemoryStore } from './memory.ts';
import type { RedisStoreOptions } from './redis/redis-store.ts';

/** Which store, as the configuration says it. */
export type StoreSpec =
  | { readonly kind: 'memory'; readonly bytesMax: number }
  | {
      readonly kind: 'lmdb';
      readonly path: string;
      readonly durability: 'fsync' | 'commit';
      readonly bytesMax: number;
    }
  | ({ readonly kind: 'redis' } & Pick<
      RedisStoreOptions,
      'url' | 'topology' | 'tls' | 'wait' | 'keyPrefix' | 'acceptLoss'
    >)
  | {
      readonly kind: 'postgres';
      readonly url: string;
      readonly schema: string;
      readonly connectionsMax: number;
      readonly acceptLoss: 'accept' | 'refuse';
    };

export type OpenedStore = {
  readonly store: Store;
  /** HMAC secrets, current first: configured, or the store's own. */
  readonly secrets: readonly Uint8Array[];
  /** What the store cannot promise, to be said at start. */
  readonly warnings: readonly string[];
};

/** To a server that is there it takes a few milliseconds. */
const CONNECT_TIMEOUT_MS = 3_000;

export type OpenOptions = {
  readonly spec: StoreSpec;
  /** As configured, current first; empty: the store brings its own. */
  readonly secrets: readonly string[];
  readonly commandTimeoutMs: number;
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
  readonly randomBytes: (bytes: number) => Uint8Array;
  readonly warn: (message: string) => void;
};

/**
 * A driver is loaded only with its store: a sidecar pays for what it uses.
 * Rejects with one line that says what is wrong and what to do.
 */
export async function openStore(options: OpenOptions): Promise<OpenedStore> {
  const { spec, wallMs, monotonicMs } = options;
  const configured = options.secrets.map((secret) => Buffer.from(secret, 'utf8'));
  if (spec.kind === 'memory') {
    // Wall time at start, so that tokens grow over a restart; the monotonic clock from there on.
    const startMs = wallMs() - monotonicMs();
    const store = createMemoryStore({
      clock: { nowMs: () => startMs + monotonicMs() },
      bytesMax: spec.bytesMax,
    });
    return { store, secrets: configured.length > 0 ? configured : [options.randomBytes(32)], warnings: [] };
  }
  if (spec.kind === 'lmdb') {
    const { path, durability, bytesMax } = spec;
    const [{ openLmdbStore }, { adoptSecrets, loadOrCreateSecret }, { systemClock }] = await Promise.all([
      import('./lmdb/lmdb-store.ts'),
      import('./lmdb/secret.ts'),
      import('./lmdb/system-clock.ts'),
    ]);
    // The secret first: data that is there without its own is refused.
    const secrets =
      configured.length > 0
        ? await adoptSecrets(path, configured, configured.map(secretId))
        : [await loadOrCreateSecret(path)];
    const store = await openLmdbStore({
      path,
      durability,
      bytesMax,
      clock: systemClock(),
      warn: options.warn,
    });
    return { store, secrets, warnings: [] };
  }
  const { commandTimeoutMs, warn } = options;
  const secretIds = configured.map(secretId);
  if (spec.kind === 'postgres') {
    const { url, schema, connectionsMax, acceptLoss } = spec;
    const limits = { commandTimeoutMs, connectTimeoutMs: CONNECT_TIMEOUT_MS };
    const { openPostgresStore } = await import('./postgres/postgres-store.ts');
    const opened = await openPostgresStore({ ...limits, url, schema, connectionsMax, acceptLoss, secretIds });
    return { store: opened.store, secrets: configured, warnings: opened.warnings };
  }
  const { kind: _kind, ...redis } = spec;
  const { openRedisStore } = await import('./redis/redis-store.ts');
  const opened = await openRedisStore({
    ...redis,
    commandTimeoutMs,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    secretIds,
    warn,
  });
  return { store: opened.store, secrets: configured, warnings: opened.warnings };
}

/** Names a secret without telling it. */
function secretId(secret: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from('onceward secret id\0'), secret]), 'base64url').slice(
    0,
    16,
  );
}
