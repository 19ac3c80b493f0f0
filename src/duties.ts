import { setTimeout } from 'node:timers/promises';
import { type AdminServer, type AdminStatus, startAdminServer } from './admin/admin-server.ts';
import { createHealth, drainCheck, type HealthCheck, storeCheck } from './admin/health.ts';
import { keysRoutes } from './admin/keys-routes.ts';
import { observeReportRoutes } from './admin/observe-report.ts';
import { type ObserveServer, startObserveServer } from './admin/observe-server.ts';
import type { AdminRoute } from './admin/route-table.ts';
import type { ResolvedConfig } from './config/resolved.ts';
import { STRANGER } from './core/caller.ts';
import { type ObservedRoute, observedKeyspace } from './core/observed.ts';
import { policiesOf } from './core/plan.ts';
import type { RoutePolicy } from './core/policy.ts';
import { recordKey } from './core/record-key.ts';
import { readScope } from './core/scope.ts';
import { createReconciler } from './engine/reconcile.ts';
import { createReconcileSweeper } from './engine/reconcile-sweeper.ts';
import { sealResponse } from './engine/sealing.ts';
import { createByteBudget } from './http/byte-budget.ts';
import { createUpstream } from './http/choose-upstream.ts';
import type { Upstream } from './http/seam.ts';
import { type Job, startJob } from './job.ts';
import type { Metrics } from './observe/metrics.ts';
import { type Base, type DrainState, monotonicMs, STORE_PING_MS, upstreamOptions, wallMs } from './parts.ts';
import { sealingOf } from './snapshot.ts';
import { sweepPass } from './sweep.ts';

/**
 * What is done once, however many processes take requests: the ports for probes, scrapes and operators, and the jobs
 * in the background. The one process does it, or the primary of several.
 */
export type Duties = {
  readonly observe: ObserveServer | null;
  readonly admin: AdminServer | null;
  stop(): Promise<void>;
};

export type DutyOptions = {
  readonly config: ResolvedConfig;
  readonly configFile: string | null;
  readonly version: string;
  readonly base: Base;
  readonly drainState: DrainState;
  /** The configuration in force: what a job reads at every run. */
  readonly current: () => ResolvedConfig;
  readonly render: Metrics['render'];
  readonly inFlight: () => number | Promise<number>;
  readonly workers: () => AdminStatus['workers'];
  /** What routes with `mode: observe` saw, in all processes that take requests. */
  readonly observed: () => readonly ObservedRoute[] | Promise<readonly ObservedRoute[]>;
  /** Besides store and drain. */
  readonly checks: readonly HealthCheck[];
};

/** Routes of the admin port besides drain and status. */
function adminRoutes({ base, current, observed }: DutyOptions): readonly AdminRoute[] {
  const policies = (): readonly RoutePolicy[] => policiesOf(current());
  const report = observeReportRoutes({ observed, routes: policies, sinceMs: wallMs() });
  const keys = keysRoutes({
    store: base.store,
    metrics: base.metrics,
    log: base.log,
    tokens: () => current().adminTokens,
    storedForm: (key, response) => sealResponse(sealingOf(current()), key, null, response),
    retainMs: () => Math.max(1_000, ...policies().map(({ retainMs }) => retainMs)),
    responseBytesMax: () => Math.max(0, ...policies().map(({ responseBytesMax }) => responseBytesMax)),
    find(lookup) {
      const policy = policies().find(({ name }) => name === lookup.route);
      if (policy === undefined) return null;
      const head = { method: 'POST', target: '/', httpVersion: '1.1', rawHeaders: lookup.rawHeaders };
      const scope = readScope(policy.scope, head, STRANGER);
      if (scope.kind !== 'scope') return null;
      const key = policy.key.characters.startsWith('uuid') ? lookup.key.toLowerCase() : lookup.key;
      // What is only observed has its records apart.
      const keyspace = policy.mode === 'observe' ? observedKeyspace(policy.keyspace) : policy.keyspace;
      return base.opened.secrets.map((secret) => recordKey(secret, keyspace, scope.scope, key));
    },
    ...{ wallMs, monotonicMs },
  });
  return [...report, ...keys];
}

const RECONCILE_PASS_MS = 1_000;
const SWEEP_PROBES_MAX = 8;
const SWEEP_BUFFER_BYTES_MAX = 64 * 1024 * 1024;

/** A backend is connected to only once there is something to ask it. */
function reconcileJob({ config, base, current }: DutyOptions): { readonly job: Job; close(): Promise<void> } {
  const { store, metrics, log, opened } = base;
  let upstream: Upstream | null = null;
  const sweeper = createReconcileSweeper({
    ...{ store, metrics },
    reconciler: createReconciler({
      ...{ store, metrics, log, wallMs, monotonicMs },
      budget: createByteBudget(SWEEP_BUFFER_BYTES_MAX),
      probesMax: SWEEP_PROBES_MAX,
    }),
    secrets: opened.secrets,
    sealing: () => sealingOf(current()),
    policies: () => policiesOf(current()),
    upstream: () => {
      upstream ??= createUpstream({ ...upstreamOptions(config, base), connectionsMax: SWEEP_PROBES_MAX });
      return upstream;
    },
    monotonicMs,
  });
  const onError = (error: unknown): void =>
    log.storeUnavailable('error', `reconcile: ${error instanceof Error ? error.message : 'failed'}`);
  return {
    job: { intervalMs: RECONCILE_PASS_MS, run: () => sweeper.run(), onError },
    close: async () => await upstream?.close(),
  };
}

function jobs({ config, base }: DutyOptions, reconcile: Job): readonly Job[] {
  return [
    reconcile,
    {
      intervalMs: config.storePolicy.sweepIntervalMs,
      run: (stopping) =>
        sweepPass({ sweep: (most) => base.opened.store.sweep(most), monotonicMs, rest }, stopping),
      onError: (error) =>
        base.log.storeUnavailable('error', `sweep: ${error instanceof Error ? error.message : 'failed'}`),
    },
  ];
}

/** Rejects with one line when a port cannot be had; what was opened here is closed again. */
export async function startDuties(options: DutyOptions): Promise<Duties> {
  const { config, base, drainState } = options;
  const health = createHealth({
    checks: [
      storeCheck({
        ping: () => base.opened.store.ping(),
        monotonicMs,
        deadlineMs: STORE_PING_MS,
        cacheMs: STORE_PING_MS,
      }),
      drainCheck(() => (drainState.phase === 'serving' ? 'serving' : 'draining')),
      ...options.checks,
    ],
  });
  const observeParts = { health, metrics: { render: options.render } };
  const onError = (error: unknown): void => base.log.unexpected(error);
  const observe =
    config.observe === null
      ? null
      : await startObserveServer({ ...observeParts, listen: config.observe, onError });
  try {
    const admin = await startAdmin(options, observeParts);
    const reconcile = reconcileJob(options);
    const running = jobs(options, reconcile.job).map(startJob);
    return {
      observe,
      admin,
      async stop() {
        for (const job of running) job.stop();
        await Promise.all([observe?.close(), admin?.close(), reconcile.close()]);
      },
    };
  } catch (error) {
    await observe?.close();
    throw error;
  }
}

async function startAdmin(
  options: DutyOptions,
  observeParts: NonNullable<Parameters<typeof startAdminServer>[0]['observe']>,
): Promise<AdminServer | null> {
  const { config, base, drainState } = options;
  if (config.admin === null) return null;
  const loadedAt = new Date(wallMs()).toISOString();
  const startedMs = monotonicMs();
  return await startAdminServer({
    listen: config.admin,
    actions: { drain: () => drainState.asked() },
    status: async () => ({
      version: options.version,
      uptimeSeconds: Math.round((monotonicMs() - startedMs) / 1000),
      store: base.opened.store.kind,
      inFlight: await options.inFlight(),
      workers: options.workers(),
      state: drainState.phase === 'serving' ? 'serving' : 'draining',
      config: { file: options.configFile, loadedAt },
    }),
    routes: adminRoutes(options),
    // Without a port of their own, health and metrics are served here.
    observe: config.observe === null ? observeParts : null,
    onError: (error) => base.log.unexpected(error),
  });
}

/** An end before its time is no failure. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
