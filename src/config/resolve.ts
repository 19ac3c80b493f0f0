import type { RouteMatch, RoutePolicy } from '../core/policy.ts';
import { resolveStatusTable } from '../core/status-table.ts';
import { unreachable } from '../core/unreachable.ts';
import { STORE_SIZE_DEFAULTS } from './defaults.ts';
import { frozen } from './frozen.ts';
import { resolveDialect } from './resolve-dialect.ts';
import { resolveAuthorization, resolveFingerprint, resolveScope, resolveSource } from './resolve-identity.ts';
import { resolveJwt } from './resolve-jwt.ts';
import { resolveLimits } from './resolve-limits.ts';
import { resolveLock } from './resolve-lock.ts';
import { resolveMessage } from './resolve-message.ts';
import { resolvePrecondition } from './resolve-precondition.ts';
import { resolveReconcile } from './resolve-reconcile.ts';
import { resolveSequence } from './resolve-sequence.ts';
import { resolveTask } from './resolve-task.ts';
import type { ListenAddress, ResolvedConfig, StoreConfig } from './resolved.ts';
import type { Top } from './schema.ts';
import type { Policy, Route } from './schema-policy.ts';
import { parseSize } from './units.ts';

/** From the words of the file to the shapes of the process. Everything has been judged before. */

const EVERYTHING: RouteMatch = { host: null, path: null, methods: [], headers: [] };

type RedisServers = Pick<Extract<StoreConfig, { kind: 'redis' }>, 'topology' | 'tls' | 'wait'>;

function redisServers({ cluster, sentinel, nodes, tls, wait }: Top['store']): RedisServers {
  const login = { username: sentinel?.user ?? null, password: sentinel?.password ?? null };
  return {
    topology: cluster
      ? { kind: 'cluster', nodes }
      : sentinel === undefined
        ? { kind: 'standalone' }
        : { kind: 'sentinel', nodes, sentinel: { name: sentinel.name, ...login } },
    tls: {
      caFile: tls?.ca ?? null,
      certFile: tls?.cert ?? null,
      keyFile: tls?.key ?? null,
      serverName: tls?.serverName ?? null,
    },
    wait: wait.replicas === 0 ? null : { replicas: wait.replicas, timeoutMs: wait.timeout },
  };
}

/** The name under which a request that matches no route appears; no route may take it. */
export const UNMATCHED_NAME = 'unmatched';

export function resolveConfig(
  top: Top,
  defaults: Policy,
  routes: readonly Route[],
  warnings: readonly string[],
): ResolvedConfig {
  const { upstream, limits } = top;
  return frozen({
    listen: top.listen,
    tls: tlsOf(top.tls),
    jwt: resolveJwt(top.jwt),
    http2: top.http2,
    observe: portOf(top.observe),
    admin: portOf(top.admin),
    adminTokens: tokensOf(top.admin),
    workers: top.workers,
    upstream: upstreamOf(upstream),
    store: storeOf(top.store),
    storePolicy: {
      deadlineMs: top.store.deadline,
      settleWaitMs: top.store.settleWait,
      underWayMax: top.store.operations,
      sweepIntervalMs: top.store.sweepInterval,
    },
    secrets: top.secrets,
    encryption: {
      keys: top.encryption.keys,
      bind: top.encryption.bind === 'client' ? 'client' : 'record',
      responses: top.encryption.responses,
    },
    limits: resolveLimits(limits),
    trustedProxies: top.trustedProxies,
    reserved:
      top.reserved === 'off'
        ? null
        : { prefix: top.reserved.prefix, discovery: top.reserved.discovery ? 'on' : 'off' },
    docsUrl: top.docsUrl,
    drain: { timeoutMs: top.drain.timeout, delayMs: top.drain.delay },
    log: { level: top.log.level },
    safeBody: top.safeBody,
    routes: routes.map((route) => resolvePolicy(route.name, resolveMatch(route.match), route, upstream)),
    fallback: fallbackOf(top, defaults),
    warnings,
  });
}

function portOf(port: Top['observe']): ListenAddress | null {
  return port === null || port === 'off' ? null : port.listen;
}

function tlsOf(tls: Top['tls']): ResolvedConfig['tls'] {
  if (tls === 'off') return null;
  const { certificate, key, clientCa, clientCertificates, minVersion } = tls;
  return {
    certificate,
    key,
    clientCa: clientCa ?? null,
    clientCertificates: clientCertificates ?? 'required',
    minVersion,
  };
}

function upstreamOf(upstream: Top['upstream']): ResolvedConfig['upstream'] {
  return {
    origin: upstream.url,
    connectMs: upstream.connectTimeout,
    connectionsMax: upstream.connections,
    queueMs: upstream.queueTimeout,
    host: upstream.host,
    ...{ protocol: upstream.protocol, reuse: upstream.reuse },
    tls: upstreamTlsOf(upstream.tls),
  };
}

function upstreamTlsOf(tls: Top['upstream']['tls']): ResolvedConfig['upstream']['tls'] {
  if (tls === undefined) return null;
  const { ca, certificate, key, serverName, minVersion } = tls;
  return {
    ca: ca ?? null,
    certificate: certificate ?? null,
    key: key ?? null,
    serverName: serverName ?? null,
    minVersion,
  };
}

function tokensOf(admin: Top['admin']): ResolvedConfig['adminTokens'] {
  if (admin === null || admin === 'off') return [];
  return Object.entries(admin.tokens).map(([name, token]) => ({ name, token }));
}

function storeOf(store: Top['store']): StoreConfig {
  const { url } = store;
  switch (url.kind) {
    case 'memory':
      return { kind: 'memory', bytesMax: store.sizeMax ?? sizeDefault('memory') };
    case 'lmdb':
      return {
        kind: 'lmdb',
        path: url.path,
        durability: store.durability,
        bytesMax: store.sizeMax ?? sizeDefault('lmdb'),
      };
    case 'redis':
      return {
        kind: 'redis',
        url: url.url,
        ...redisServers(store),
        keyPrefix: store.keyPrefix,
        acceptLoss: store.acceptLoss ? 'accept' : 'refuse',
      };
    case 'postgres':
      return {
        kind: 'postgres',
        url: url.url,
        schema: store.schema,
        connectionsMax: store.connections,
        acceptLoss: store.acceptLoss ? 'accept' : 'refuse',
      };
    default:
      return unreachable(url);
  }
}

function sizeDefault(kind: keyof typeof STORE_SIZE_DEFAULTS): number {
  const parsed = parseSize(STORE_SIZE_DEFAULTS[kind]);
  if (parsed.kind === 'ok') return parsed.value;
  throw new Error(`the default size of ${kind} ${parsed.message}`);
}

function fallbackOf(top: Top, defaults: Policy): ResolvedConfig['fallback'] {
  switch (top.unmatched) {
    case 'not-found':
      return { kind: 'not-found' };
    case 'bypass':
      // Without a place to look for a key, every request is one without a key; nothing is demanded of it, and it waits
      // for nothing.
      return {
        kind: 'policy',
        policy: resolvePolicy(
          UNMATCHED_NAME,
          EVERYTHING,
          {
            ...defaults,
            key: { ...defaults.key, sources: [], required: false },
            message: 'off',
            ticket: 'off',
            precondition: 'off',
            task: 'off',
            lock: 'off',
            sequence: 'off',
            dialect: { ...defaults.dialect, repeatability: 'off', jsonRpc: 'off', grpc: 'off' },
          },
          top.upstream,
        ),
      };
    case 'defaults':
      return { kind: 'policy', policy: resolvePolicy(UNMATCHED_NAME, EVERYTHING, defaults, top.upstream) };
    default:
      return unreachable(top.unmatched);
  }
}

function resolveMatch(match: Route['match']): RouteMatch {
  return {
    host: match.host ?? null,
    path: match.path ?? null,
    methods: match.methods,
    headers: Object.entries(match.headers).map(([name, value]) => ({ name, value })),
  };
}

function resolvePolicy(
  name: string,
  match: RouteMatch,
  policy: Policy,
  upstream: Top['upstream'],
): RoutePolicy {
  const { key, timeouts } = policy;
  return {
    name,
    match,
    profile: policy.profile,
    dialect: resolveDialect(policy.dialect),
    mode: policy.mode,
    keyspace: policy.keyspace,
    key: {
      sources: policy.sequence === 'off' ? key.sources.map(resolveSource) : [],
      syntax: key.syntax,
      charsMin: key.minLength,
      charsMax: key.maxLength,
      characters: key.characters,
      presence: key.required ? 'required' : 'optional',
    },
    idempotentMethods: policy.keyIdempotentMethods ? 'keyed' : 'bypass',
    message: resolveMessage(policy.message),
    scope: resolveScope(policy.scope),
    rotated: policy.rotated,
    fingerprint: resolveFingerprint(policy.fingerprint),
    ticket: policy.ticket === 'off' ? null : { lifeMs: policy.ticket.life, rate: policy.ticket.rate },
    inFlight:
      policy.inFlight === 'reject'
        ? { kind: 'reject' }
        : { kind: 'join', waitMs: policy.inFlight.wait, waitersMax: policy.inFlight.waiters },
    leaseMs: policy.lease,
    retainMs: policy.retain,
    unknownRetainMs: policy.unknownRetain,
    // What waits for a lock has not been dispatched, and a process that dies meanwhile must leave a free key.
    dispatchMark: policy.markDispatch || policy.lock !== 'off' ? 'separate' : 'together',
    status: resolveStatusTable(policy.status),
    replay: { withheldHeaders: policy.replay.withhold, setCookie: policy.replay.setCookie },
    replayAuthorization: resolveAuthorization(policy),
    onUnknown: policy.onUnknown,
    quietMs: policy.quiet,
    reconcile: resolveReconcile(policy.reconcile),
    precondition: resolvePrecondition(policy.precondition),
    task: resolveTask(policy.task),
    lock: resolveLock(policy.lock, match.path),
    sequence: resolveSequence(policy.sequence),
    onStoreDown: policy.onStoreDown,
    unprovenEnd: policy.unprovenEnd,
    requestBytesMax: policy.limits.request,
    responseBytesMax: policy.limits.response,
    timeouts: {
      headMs: timeouts.head ?? upstream.headTimeout,
      bodyIdleMs: timeouts.body ?? upstream.bodyTimeout,
      totalMs: timeouts.total ?? upstream.totalTimeout,
      lateAnswerMs: timeouts.lateAnswer ?? upstream.lateAnswer,
    },
  };
}
