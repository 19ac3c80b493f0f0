import type { AdminServer } from './admin/admin-server.ts';
import type { Health } from './admin/health.ts';
import type { ObserveServer } from './admin/observe-server.ts';
import { diffPolicies } from './config/diff.ts';
import type { Loaded } from './config/load.ts';
import type { ResolvedConfig } from './config/resolved.ts';
import { restartNeeded } from './config/watch.ts';
import type { Engine, Snapshot } from './engine/types.ts';
import type { Listener } from './http/listener.ts';
import type { Upstream } from './http/seam.ts';
import type { Tunnel } from './http/tunnel.ts';
import type { Log } from './observe/log.ts';
import type { Metrics } from './observe/metrics.ts';
import type { Serving } from './serving.ts';
import { createSnapshot } from './snapshot.ts';
import type { OpenedStore } from './store/open.ts';

/** A running process: reloading it and ending it. */

export type App = {
  readonly address: { readonly host: string; readonly port: number };
  readonly observeAddress: { readonly host: string; readonly port: number } | null;
  readonly adminAddress: { readonly host: string; readonly port: number } | null;
  /** Takes over the routes of a newly loaded file; faults leave the old ones in force. */
  reload(loaded: Loaded): void;
  /** Not ready at once, finishes what is in flight within the drain time, closes everything. Once. */
  drain(): Promise<void>;
  /** The admin port asked for a drain. */
  onDrainAsked(listener: () => void): void;
};

export type Parts = {
  readonly opened: OpenedStore;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly engine: Engine;
  readonly health: Health;
  readonly drainState: DrainState;
};

export type DrainState = { phase: 'serving' | 'not-ready' | 'draining' | 'ended'; asked: () => void };

export type Ports = { readonly observe: ObserveServer | null; readonly admin: AdminServer | null };

/** After the drain time: for settlements of what was broken off. */
const SETTLE_REST_MS = 2_000;
export const CLOSE_LOG_MS = 1_000;

export type Running = {
  readonly parts: Parts;
  readonly current: { snapshot: Snapshot };
  readonly upstream: Upstream;
  readonly listener: Listener;
  readonly ports: Ports;
  readonly serving: Serving;
  readonly tunnel: Tunnel;
  readonly sweeper: { stop(): void };
};

export function createApp(config: ResolvedConfig, running: Running): App {
  const { parts, current, listener, ports } = running;
  let drained: Promise<void> | null = null;
  return {
    address: listener.address,
    observeAddress: ports.observe?.address ?? null,
    adminAddress: ports.admin?.address ?? null,
    reload(loaded) {
      if (loaded.kind === 'faults') {
        parts.metrics.configReload('refused');
        parts.log.event('warn', 'configuration refused, the old one stays in force', {
          faults: loaded.faults.map((fault) => fault.text),
        });
        return;
      }
      const before = current.snapshot.config;
      parts.metrics.configReload('applied');
      for (const name of routeNames(loaded.config)) parts.metrics.ensureRoute(name);
      parts.log.event('info', 'configuration loaded', {
        changes: diffPolicies(before, loaded.config).map(({ text }) => text),
        restartNeeded: restartNeeded(before, loaded.config),
      });
      // Listeners, store and upstream stay; a request keeps the snapshot it began with.
      current.snapshot = createSnapshot(
        keptOver(before, loaded.config),
        running.upstream,
        current.snapshot.secrets,
      );
    },
    drain() {
      drained ??= drain(config, running);
      return drained;
    },
    onDrainAsked(listener) {
      parts.drainState.asked = listener;
    },
  };
}

/** What waits for the next start (docs/configuration.md) stays as it is in force. */
function keptOver(before: ResolvedConfig, loaded: ResolvedConfig): ResolvedConfig {
  const { listen, observe, admin, upstream, store, storePolicy, secrets, limits, log } = before;
  return { ...loaded, listen, observe, admin, upstream, store, storePolicy, secrets, limits, log };
}

async function drain(config: ResolvedConfig, running: Running): Promise<void> {
  const { parts, listener, ports, serving, tunnel, sweeper, upstream } = running;
  const { log, drainState, engine } = parts;
  drainState.phase = 'not-ready';
  log.event('info', 'draining', { inFlight: parts.metrics.inFlight.value() });
  // Endpoints take a moment to learn that this one is not ready; until then it serves as before.
  if (config.drain.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, config.drain.delayMs));
  drainState.phase = 'draining';
  listener.stopAccepting();
  const outcome = await serving.idleWithin(config.drain.timeoutMs, () => listener.closeIdle());
  if (outcome === 'still-busy') {
    log.event('warn', 'drain time is over, breaking off what is in flight', {
      inFlight: parts.metrics.inFlight.value(),
    });
    engine.shutDown();
    await serving.idleWithin(SETTLE_REST_MS, () => listener.closeIdle());
  }
  tunnel.destroyAll();
  listener.destroyConnections();
  sweeper.stop();
  await Promise.all([ports.observe?.close(), ports.admin?.close(), upstream.close()]);
  engine.keepAlive.stop();
  await parts.opened.store.close();
  log.event('info', 'stopped', {});
  await log.close(CLOSE_LOG_MS);
}

export function routeNames(config: ResolvedConfig): readonly string[] {
  const names = config.routes.map((route) => route.name);
  return config.fallback.kind === 'policy' ? [...names, config.fallback.policy.name] : names;
}
