/**
 * Every default of the configuration, as it would be written in the file. The schema, the reference, a run without a
 * file and `config print` all read them here. Where a section has no entry for a field, the field has no default.
 */

/** What holds for a request unless `defaults` or its route says otherwise. */
export const POLICY_DEFAULTS = {
  profile: 'none',
  mode: 'enforce',
  keyspace: 'default',
  key: {
    sources: [{ header: 'Idempotency-Key' }],
    syntax: 'lenient',
    minLength: 1,
    maxLength: 255,
    characters: 'visible-ascii',
    required: false,
  },
  keyIdempotentMethods: false,
  message: 'off',
  ticket: 'off',
  scope: {
    headers: ['Authorization'],
    cookies: [],
    jwt: 'off',
    certificate: 'off',
    anonymous: 'refuse',
    sigv4: false,
  },
  tenants: 'many',
  rotated: 'execute',
  fingerprint: {
    method: true,
    path: true,
    query: 'raw',
    body: 'bytes',
    headers: ['Content-Type', 'Content-Encoding'],
  },
  inFlight: { wait: '2s', waiters: 100 },
  lease: '15s',
  retain: '24h',
  unknownRetain: '7d',
  markDispatch: false,
  status: {},
  replay: { withhold: [], setCookie: 'withhold', authorize: 'none' },
  onUnknown: 'hold',
  quiet: '60s',
  reconcile: 'off',
  precondition: 'off',
  task: 'off',
  lock: 'off',
  sequence: 'off',
  onStoreDown: 'refuse',
  unprovenEnd: 'park',
  limits: { request: '1MiB', response: '1MiB' },
  dialect: {
    errors: 'problem',
    statuses: {},
    echoKey: 'off',
    repeatability: 'off',
    jsonRpc: 'off',
    grpc: 'off',
  },
} as const;

/** Within `replay.authorize.subrequest`, where there is one. */
export const SUBREQUEST_DEFAULTS = { method: 'GET', timeout: '2s' } as const;
/** Within `message`, where there is one. */
export const MESSAGE_DEFAULTS = { secrets: [], tolerance: '5m', certificates: [], topics: [] } as const;
/** Within `dialect.repeatability`, where it is a section. */
export const REPEATABILITY_DEFAULTS = { window: '23h', ahead: '5m' } as const;

/** Within `ticket`, where there is one. */
export const TICKET_DEFAULTS = { life: '10m', rate: { burst: 1_000, perHour: 36_000 } } as const;
/** Within `dialect.grpc`, where it is a section. */
export const GRPC_DEFAULTS = { statuses: {} } as const;
/** Within `dialect.jsonRpc`, where it is a section. */
export const JSON_RPC_DEFAULTS = { methods: ['tools/call'] } as const;

/** Within `reconcile`, where there is one. */
export const RECONCILE_DEFAULTS = {
  request: { method: 'GET', safe: false, callerHeaders: [], timeout: '2s' },
  replay: { body: 'as-is' },
  sweep: { interval: '30s', attempts: 20, maxAge: '24h' },
} as const;

/** Within `precondition`, where there is one. */
export const PRECONDITION_DEFAULTS = {
  methods: ['PUT', 'PATCH', 'DELETE'],
  require: 'if-match',
  versions: 'backend',
  wait: '2s',
  retain: '30d',
  issue: 'reads-and-writes',
} as const;
/** Within `lock`, where there is one. */
export const LOCK_DEFAULTS = { wait: '5s', queue: 100, lease: '15s' } as const;
/** Within `sequence`, where there is one. */
export const SEQUENCE_DEFAULTS = { required: true, producerRetain: '7d', unknownProducer: 'refuse' } as const;

/** Within `task`, where there is one. */
export const TASK_DEFAULTS = {
  respond: 'prefer',
  onRepeat: 'state',
  afterCompletion: 'replay',
  wait: '30s',
  waiters: 100,
  timeout: '15m',
  retryAfter: '2s',
} as const;

/** Within `tls`, where there is one. */
export const TLS_DEFAULTS = { minVersion: '1.2' } as const;

/** Within `upstream.tls`, where there is one. */
export const UPSTREAM_TLS_DEFAULTS = { minVersion: '1.2' } as const;
/** Asymmetric ones only: with a shared secret, whoever verifies can sign. */
export const JWT_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;
/** Within `jwt`, where there is one. */
export const JWT_DEFAULTS = {
  algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
  header: 'Authorization',
  leeway: '30s',
} as const;

export const DEFAULTS = {
  listen: '127.0.0.1:8080',
  tls: 'off',
  jwt: 'off',
  http2: 'alpn',
  observe: { listen: '0.0.0.0:9464' },
  admin: { listen: '127.0.0.1:9465', tokens: {} },
  workers: 1,
  upstream: {
    connectTimeout: '5s',
    headTimeout: '60s',
    bodyTimeout: '60s',
    totalTimeout: '0s',
    lateAnswer: '30s',
    connections: 256,
    queueTimeout: '5s',
    host: 'keep',
    protocol: 'http1',
    reuse: 'recent',
  },
  store: {
    url: 'lmdb:./onceward-data',
    durability: 'fsync',
    acceptLoss: false,
    keyPrefix: 'onceward:',
    cluster: false,
    nodes: [],
    wait: { replicas: 0, timeout: '200ms' },
    schema: 'onceward',
    connections: 16,
    deadline: '1s',
    settleWait: '1s',
    operations: 4_000,
    sweepInterval: '5s',
    singleReplica: false,
  },
  secrets: [],
  encryption: { keys: [], bind: 'none', responses: 'sealed' },
  limits: {
    head: '16KiB',
    headers: 100,
    target: '8KiB',
    headTimeout: '10s',
    bodyTimeout: '30s',
    idleTimeout: '65s',
    connections: 10_000,
    buffer: '256MiB',
    inFlight: 10_000,
    joiners: 2_000,
    tasks: 100,
    memory: { refusePercent: 85, stopPercent: 92 },
  },
  trustedProxies: [],
  reserved: { prefix: '/.well-known/onceward', discovery: true },
  docsUrl: null,
  drain: { timeout: '25s', delay: '0s' },
  log: { level: 'info' },
  unmatched: 'defaults',
  safeBody: 'refuse',
} as const;

/** Stores that many replicas share. */
export const SHARED_STORES: readonly string[] = ['redis', 'postgres'];

/** `store.sizeMax` where the file does not name one: memory is dearer than disk. */
export const STORE_SIZE_DEFAULTS = { memory: '256MiB', lmdb: '8GiB' } as const;

const OF_EVERY_STORE = ['deadline', 'settleWait', 'operations', 'sweepInterval'] as const;

/** Which fields of `store` mean something for which store; those of another are refused, so that none is silently without effect. */
export const STORE_FIELDS = {
  memory: ['url', 'sizeMax', 'singleReplica', ...OF_EVERY_STORE],
  lmdb: ['url', 'durability', 'sizeMax', 'singleReplica', ...OF_EVERY_STORE],
  redis: [
    ...['url', 'cluster', 'sentinel', 'nodes', 'tls', 'wait', 'keyPrefix', 'acceptLoss'],
    ...OF_EVERY_STORE,
  ],
  postgres: ['url', 'schema', 'connections', 'acceptLoss', ...OF_EVERY_STORE],
} as const;
