import { diffPolicies } from './config/diff.ts';
import { diffEncryption } from './config/diff-encryption.ts';
import type { Loaded } from './config/load.ts';
import type { ResolvedConfig } from './config/resolved.ts';
import { restartNeeded } from './config/watch.ts';
import type { Duties } from './duties.ts';
import type { Log } from './observe/log.ts';
import type { Metrics } from './observe/metrics.ts';
import { CLOSE_LOG_MS } from './parts.ts';
import { adopt, drainProxying, type Proxying } from './proxying.ts';

/** A running Onceward: reloading it and ending it. */

export type Address = { readonly host: string; readonly port: number };

export type App = {
  readonly address: Address;
  readonly observeAddress: Address | null;
  readonly adminAddress: Address | null;
  /** Takes over the routes of a newly loaded file; faults leave the old ones in force. */
  reload(loaded: Loaded): void;
  /** Not ready at once, finishes what is in flight within the drain time, closes everything. Once. */
  drain(): Promise<void>;
  /** The admin port asked for a drain. */
  onDrainAsked(listener: () => void): void;
  /** It cannot go on; the message says why in one line. What is left is drained as ever. */
  onFailed(listener: (message: string) => void): void;
  /** Of the workers; empty where there are none besides this process. */
  readonly pids: readonly number[];
  /** Before an end at once: leaves no worker behind. */
  endNow(): void;
};

/** The whole of it in one process. */
export function createApp(config: ResolvedConfig, proxying: Proxying, duties: Duties): App {
  let drained: Promise<void> | null = null;
  return {
    address: proxying.listener.address,
    observeAddress: duties.observe?.address ?? null,
    adminAddress: duties.admin?.address ?? null,
    reload(loaded) {
      const taken = judgeReload(proxying.current.snapshot.config, loaded, proxying.base);
      if (taken !== null) adopt(proxying, taken);
    },
    drain() {
      drained ??= drain(config, proxying, duties);
      return drained;
    },
    onDrainAsked(listener) {
      proxying.drainState.asked = listener;
    },
    onFailed: () => undefined,
    pids: [],
    endNow: () => undefined,
  };
}

/** Tells what was loaded; null where it has faults and nothing changes. */
export function judgeReload(
  before: ResolvedConfig,
  loaded: Loaded,
  { log, metrics }: { readonly log: Log; readonly metrics: Metrics },
): ResolvedConfig | null {
  if (loaded.kind === 'faults') {
    metrics.configReload('refused');
    log.event('warn', 'configuration refused, the old one stays in force', {
      faults: loaded.faults.map((fault) => fault.text),
    });
    return null;
  }
  metrics.configReload('applied');
  log.event('info', 'configuration loaded', {
    changes: [
      ...diffPolicies(before, loaded.config).map(({ text }) => text),
      ...diffEncryption(before, loaded.config),
    ],
    restartNeeded: restartNeeded(before, loaded.config),
  });
  return loaded.config;
}

async function drain(config: ResolvedConfig, proxying: Proxying, duties: Duties): Promise<void> {
  const { log, metrics, opened } = proxying.base;
  log.event('info', 'draining', { inFlight: metrics.inFlight.value() });
  await drainProxying(config, proxying);
  await duties.stop();
  await opened.store.close();
  log.event('info', 'stopped', {});
  await log.close(CLOSE_LOG_MS);
}
