import type { ResolvedConfig, StoreConfig } from './resolved.ts';

/** What each of several processes may use of what the file grants to all of them together. */

/** PostgreSQL: a statement that waits for another must not hold the last connection. */
const STORE_CONNECTIONS_LEAST = 2;

/** Rounded up: a bound below the number of workers must still let each of them work. */
export function shareOfWorker(config: ResolvedConfig, workers: number): ResolvedConfig {
  const part = (whole: number): number => Math.ceil(whole / workers);
  const { upstream, limits, store } = config;
  return {
    ...config,
    upstream: { ...upstream, connectionsMax: part(upstream.connectionsMax) },
    limits: {
      ...limits,
      bufferBytesMax: part(limits.bufferBytesMax),
      inFlightMax: part(limits.inFlightMax),
      joinersMax: part(limits.joinersMax),
      tasksMax: part(limits.tasksMax),
    },
    store: withConnections(store, (whole) => Math.max(part(whole), STORE_CONNECTIONS_LEAST)),
  };
}

/** The primary asks the store only for health, sweeps and the operator. */
export function shareOfPrimary(config: ResolvedConfig): ResolvedConfig {
  return { ...config, store: withConnections(config.store, () => STORE_CONNECTIONS_LEAST) };
}

function withConnections(store: StoreConfig, share: (whole: number) => number): StoreConfig {
  return store.kind === 'postgres' ? { ...store, connectionsMax: share(store.connectionsMax) } : store;
}
