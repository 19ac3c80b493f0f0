import { openServerCertificate } from './certificates.ts';
import type { ResolvedConfig } from './config/resolved.ts';
import { keptOver } from './config/watch.ts';
import { clientName } from './core/client-address.ts';
import type { Engine, Snapshot } from './engine/types.ts';
import { createUpstream } from './http/choose-upstream.ts';
import { connectionsWithin, openFilesMax } from './http/descriptors.ts';
import { type Listener, type ListenerOptions, startListener } from './http/listener.ts';
import type { Upstream } from './http/seam.ts';
import type { ServerTls } from './http/tls-server.ts';
import { createTunnel, type Tunnel } from './http/tunnel.ts';
import { type Identity, openIdentity } from './identity.ts';
import { type Base, type DrainState, routeNames, upstreamOptions } from './parts.ts';
import { createServing, type Serving } from './serving.ts';
import { createSnapshot } from './snapshot.ts';

/** What takes requests: the listener, the pipeline behind it and the connections to the backend. */
export type Proxying = {
  readonly base: Base;
  readonly engine: Engine;
  readonly drainState: DrainState;
  readonly current: { snapshot: Snapshot };
  readonly upstream: Upstream;
  readonly identity: Identity;
  readonly tunnel: Tunnel;
  readonly serving: Serving;
  readonly listener: Listener;
  /** Files that are read again while it runs. */
  readonly certificates: readonly { checkNow(): void; stop(): void }[];
};

/** After the drain time: for settlements of what was broken off. */
export const DRAIN_REST_MS = 2_000;

/** Rejects with one line when the address cannot be bound, or a certificate not be used; what was opened here is closed again. */
export async function startProxying(
  config: ResolvedConfig,
  base: Base,
  engine: Engine,
  drainState: DrainState,
): Promise<Proxying> {
  const identity = await openIdentity(config, base);
  const upstream = createUpstream(upstreamOptions(config, base));
  const current = { snapshot: createSnapshot(config, upstream, base.opened.secrets, identity.desk(config)) };
  const tunnel = createTunnel({
    origin: config.upstream.origin,
    tls: () => base.backendTls?.current() ?? null,
    upgradeMs: config.upstream.connectMs + 10_000,
    unreachable: (message) =>
      serving.rawProblem('upstream-unreachable', `The backend could not be reached (${message}).`),
  });
  const serving: Serving = createServing({ engine, snapshot: () => current.snapshot, tunnel });
  let own: Awaited<ReturnType<typeof openServerCertificate>> = null;
  try {
    own = await openServerCertificate(config, base.log, engine.wallMs);
    const listener = await startListener(
      { ...listenerOptions(config, base, own?.current() ?? null), admit: admission(base, current) },
      serving.handler,
    );
    base.overload.attach({ listener });
    own?.onRenewed((tls) => listener.renewTls(tls));
    const certificates = [own, base.backendTls].filter((one) => one !== null);
    return { base, engine, drainState, current, upstream, identity, tunnel, serving, listener, certificates };
  } catch (error) {
    own?.stop();
    identity.keySets.stop();
    await upstream.close();
    throw error;
  }
}

/** Takes over what a running process can; a request keeps the snapshot it began with. */
export function adopt(
  { base, current, upstream, identity, certificates }: Proxying,
  loaded: ResolvedConfig,
): void {
  identity.keySets.checkNow();
  for (const files of certificates) files.checkNow();
  for (const name of routeNames(loaded)) base.metrics.ensureRoute(name);
  const kept = keptOver(current.snapshot.config, loaded);
  current.snapshot = createSnapshot(kept, upstream, current.snapshot.secrets, identity.desk(kept));
}

/** Lets what is in flight end within the drain time, breaks off the rest; closes all that is not `Base`. */
export async function drainProxying(config: ResolvedConfig, proxying: Proxying): Promise<void> {
  const { base, engine, drainState, listener, serving, tunnel, upstream } = proxying;
  drainState.phase = 'not-ready';
  // Endpoints take a moment to learn that this one is not ready; until then it serves as before.
  if (config.drain.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, config.drain.delayMs));
  drainState.phase = 'draining';
  listener.stopAccepting();
  const outcome = await serving.idleWithin(config.drain.timeoutMs, () => listener.closeIdle());
  if (outcome === 'still-busy') {
    base.log.event('warn', 'drain time is over, breaking off what is in flight', {
      inFlight: base.metrics.inFlight.value(),
    });
    engine.shutDown();
    await serving.idleWithin(DRAIN_REST_MS, () => listener.closeIdle());
  }
  proxying.identity.keySets.stop();
  for (const files of proxying.certificates) files.stop();
  tunnel.destroyAll();
  listener.destroyConnections();
  await upstream.close();
  engine.keepAlive.stop();
  engine.locks.stop();
  engine.versions.stop();
  base.overload.stop();
}

function listenerOptions(
  config: ResolvedConfig,
  { log, overload }: Base,
  tls: ServerTls | null,
): Omit<ListenerOptions, 'admit'> {
  const { listen, limits, upstream, store } = config;
  const elsewhereMax = upstream.connectionsMax + (store.kind === 'postgres' ? store.connectionsMax : 0);
  const connectionsMax = connectionsWithin(limits.connectionsMax, elsewhereMax, openFilesMax());
  if (connectionsMax < limits.connectionsMax) {
    log.event('warn', 'fewer connections of clients than limits.connections: raise the limit of open files', {
      connectionsMax,
      openFilesMax: openFilesMax(),
    });
  }
  return {
    host: listen.host,
    port: listen.port,
    headBytesMax: limits.headBytesMax,
    headTimeoutMs: limits.headTimeoutMs,
    bodyTimeoutMs: limits.bodyTimeoutMs,
    idleMs: limits.idleMs,
    connectionsMax,
    tls,
    http2: config.http2,
    headersMax: limits.headersMax,
    onConnection: () => void overload.pressure(),
  };
}

/** A trusted proxy has as many connections as it needs; who has no address is nobody to be bounded. */
function admission({ overload: { clients } }: Base, current: Proxying['current']): ListenerOptions['admit'] {
  if (clients === null) return null;
  return (address) => {
    const name = clientName(address);
    return name === null || current.snapshot.forwardingOf(address) === 'trusted'
      ? () => undefined
      : clients.connect(name);
  };
}
