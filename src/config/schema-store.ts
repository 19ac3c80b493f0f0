import { DEFAULTS as D } from './defaults.ts';
import { choice, count, duration, flag, list, section, size, text } from './field.ts';
import { hostPort, sqlName, storeUrl } from './field-http.ts';

/** Where records are kept. Which field belongs to which store: STORE_FIELDS. */

const sentinel = section({
  name: text('text', 128).describe('Of the primary, as the sentinels know it (`sentinel monitor NAME …`).'),
  user: text('text', 128)
    .optional()
    .describe('For the login at the sentinels, where they ask for one; not that of the servers.'),
  password: text('text', 1024)
    .optional()
    .describe('The same. Take it from a variable, never write it into the file.'),
});

const tls = section({
  ca: text('path', 4096)
    .optional()
    .describe(
      "PEM file with the certificates that a server's own must be signed by; those of the system unless given.",
    ),
  cert: text('path', 4096)
    .optional()
    .describe('PEM file with the certificate of this client, where the servers ask for one; with `key`.'),
  key: text('path', 4096).optional().describe('PEM file with the private key of `cert`.'),
  serverName: text('host', 253)
    .optional()
    .describe(
      'The name that the certificates of the servers must carry. Only where they are reached by addresses that stand in no certificate, as nodes of a cluster often are.',
    ),
});

const wait = section({
  replicas: count(0, 16)
    .prefault(D.store.wait.replicas)
    .describe(
      'How many replicas must have confirmed that a request was dispatched before it goes out (`WAIT`). `0`: none; then a failover can forget a request that was just dispatched, and its retry is executed again. Name all replicas that may become primary: then no failover to one of them forgets one. Fewer confirmations: 503, and nothing is dispatched. Each execution takes a round trip to the replicas longer; replays do not wait.',
    ),
  timeout: duration('1ms')
    .prefault(D.store.wait.timeout)
    .describe('How long the replicas may take. At most a third of `deadline`.'),
});

export const storeSchema = section({
  url: storeUrl()
    .prefault(D.store.url)
    .describe(
      'Where records are kept: `lmdb:PATH` (one machine or pod), `redis://USER:PASSWORD@HOST:PORT/DB` or `rediss://…` (many replicas), `postgres://HOST:PORT/DB` (many replicas; strongest), `memory` (tests; lost at the end).',
    ),
  durability: choice(['fsync', 'commit'])
    .prefault(D.store.durability)
    .describe(
      'LMDB only. `fsync`: a record survives loss of power. `commit`: it survives the end of the process, however sudden, and not loss of power; cheaper.',
    ),
  sizeMax: size('1MiB', '1024GiB')
    .optional()
    .describe(
      'LMDB and memory. Most space for records, 8GiB in LMDB and 256MiB in memory unless given. When it is full, new keys get 503 and replays go on; nothing that still counts is thrown away.',
    ),
  acceptLoss: flag()
    .prefault(D.store.acceptLoss)
    .describe(
      'Redis and PostgreSQL. Whether to start although the server may lose acknowledged writes: a Redis that evicts or keeps no append-only file, a PostgreSQL that commits asynchronously or does not sync. A lost record is a request that can be executed twice.',
    ),
  keyPrefix: text('text', 64)
    .prefault(D.store.keyPrefix)
    .describe(
      'Redis only. Begins the name of every key, so that several users can share a server. Changing it forgets every record.',
    ),
  cluster: flag()
    .prefault(D.store.cluster)
    .describe(
      'Redis only. Whether `url` is a node of a Redis Cluster; the others are found through it and `nodes`.',
    ),
  sentinel: sentinel
    .optional()
    .describe(
      'Redis only. The primary is found through Sentinels: `url` and `nodes` are theirs, and user, password and database of `url` are those of the servers behind them.',
    ),
  nodes: list(hostPort(), 64, 'addresses')
    .prefault([...D.store.nodes])
    .describe(
      'Redis only. Further sentinels, or further nodes of a cluster to begin with, as `host:port`. Name several: with one, a start needs exactly that one.',
    ),
  tls: tls
    .optional()
    .describe('Redis only, with `rediss://`. How servers prove themselves, and this client to them.'),
  wait: wait.prefault({}).describe('Redis only. Whether a dispatch waits until replicas know of it.'),
  schema: sqlName()
    .prefault(D.store.schema)
    .describe(
      'PostgreSQL only. Of the tables, created at the first start. Changing it forgets every record.',
    ),
  connections: count(1, 200)
    .prefault(D.store.connections)
    .describe(
      'PostgreSQL only. Most connections for statements; one more listens for settled records. With several workers each has an equal share, at least 2, and one that listens, as has the primary. All replicas together must stay below the `max_connections` of the server.',
    ),
  deadline: duration('10ms')
    .prefault(D.store.deadline)
    .describe('How long one operation of the store may take before it counts as unavailable.'),
  settleWait: duration('0s')
    .prefault(D.store.settleWait)
    .describe('How long the last byte of a response waits for a record that could not be written.'),
  operations: count(16, 1_000_000)
    .prefault(D.store.operations)
    .describe(
      'Most operations of this process that the store has and has not answered. Above it a new request gets 503 at once instead of waiting behind them; requests in flight are still settled.',
    ),
  sweepInterval: duration('100ms')
    .prefault(D.store.sweepInterval)
    .describe(
      'How often the store looks for expired records; it then removes them in small steps until none is left. A store of seldom used keys needs no shorter interval.',
    ),
  singleReplica: flag()
    .prefault(D.store.singleReplica)
    .describe(
      'LMDB and memory. Inside Kubernetes these stores are refused unless this is true: every replica would have records of its own, and a retry that reaches another one would execute again. Set it only for a StatefulSet of one.',
    ),
});
