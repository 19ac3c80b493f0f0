// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
import { z } from 'zod';
import { DEFAULTS as D } from './defaults.ts';
import { choice, count, countOr, duration, flag, list, section, size } from './field.ts';
import {
  addressRange,
  listenAddress,
  reservedPrefix,
  secret,
  storeUrl,
  token,
  upstreamOrigin,
  webAddress,
} from './field-http.ts';
import { encryption } from './schema-encryption.ts';
import { policySchema, routeSchema } from './schema-policy.ts';
import { storeSchema } from './schema-store.ts';

/** More processes than any machine has use for; a slip of the finger must not start thousands. */
const WORKERS_MAX = 256;

/** The configuration file: one schema from which come types, validation, `onceward.schema.json` and the reference. */

function port(address: string, what: string) {
  return z
    .union(
      [z.null(), choice(['off']), section({ listen: listenAddress().prefault(address).describe(what) })],
      {
        error: 'must be { listen: host:port } or off',
      },
    )
    .prefault({});
}

const upstream = section({
  url: upstreamOrigin().describe(
    'The backend: scheme, host and port. Every request goes there, with its own path and query.',
  ),
  connectTimeout: duration('1ms')
    .prefault(D.upstream.connectTimeout)
    .describe(
      'How long connecting may take. After it the request has not been executed and its key is free.',
    ),
  headTimeout: duration('0s')
    .prefault(D.upstream.headTimeout)
    .describe(
      'How long the backend may take from the first byte of the request to the head of its response; after it the client gets 504. `0s`: for ever. Keep it above the slowest honest answer.',
    ),
  bodyTimeout: duration('0s')
    .prefault(D.upstream.bodyTimeout)
    .describe('How long the backend may be silent between two bytes of a response body. `0s`: for ever.'),
  totalTimeout: duration('0s')
    .prefault(D.upstream.totalTimeout)
    .describe('How long an exchange may take as a whole. `0s`: no limit.'),
  lateAnswer: duration('0s')
    .prefault(D.upstream.lateAnswer)
    .describe(
      'How long a backend that missed a time-out is still listened to. A late answer completes the key for the retries to come; without one the outcome stays unknown. `0s`: not at all.',
    ),
  connections: count(1, 65_535)
    .prefault(D.upstream.connections)
    .describe('Most connections to the backend at once, of all workers together; each has an equal share.'),
  queueTimeout: duration('1ms')
    .prefault(D.upstream.queueTimeout)
    .describe(
      'How long a request may wait for a free connection. After it the request has not been executed and its key is free.',
    ),
  host: choice(['keep', 'upstream'])
    .prefault(D.upstream.host)
    .describe(
      "Which Host goes to the backend: `keep` sends the client's, `upstream` that of `upstream.url`. Use `upstream` where the backend or a balancer before it routes by its own name.",
    ),
});

const memory = section({
  refusePercent: count(50, 100)
    .prefault(D.limits.memory.refusePercent)
    .describe(
      'From this part of the memory on, keyed requests with a body and requests that would wait for another get 429, until it is 5 percent points below. What is above it is the room for connections that have been accepted and answers that are under way: lower it where the heap is smaller than some 500 MB and clients may come by the thousand.',
    ),
  stopPercent: count(50, 100)
    .prefault(D.limits.memory.stopPercent)
    .describe(
      'From this part on all keyed requests get 429 and new connections are closed at once; `/readyz` says so.',
    ),
});

const newKeys = section({
  burst: count(1, 1_000_000_000).describe('How many at once.'),
  perHour: count(1, 1_000_000_000).describe('How many more each hour.'),
});

const principal = section({
  inFlight: count(1, 1_000_000)
    .optional()
    .describe(
      'Most keyed requests at once; one more gets 429. Left out: no bound but that of all. Set it where many tenants share a process, above what the busiest honest one needs.',
    ),
  newKeys: newKeys
    .optional()
    .describe(
      'How many keys may be used for the first time; beyond it a new one gets 429, while repeats of keys that are known are answered. One principal then has at most `burst` + `perHour` × `retain` records of each process. Left out: no bound but `store.sizeMax`.',
    ),
});

const limits = section({
  head: size('1KiB', '1MiB')
    .prefault(D.limits.head)
    .describe('Greatest head of a request, all fields together; above it 431.'),
  headers: count(1, 2000).prefault(D.limits.headers).describe('Most header fields in a request.'),
  target: size('128B', '1MiB').prefault(D.limits.target).describe('Longest path and query.'),
  headTimeout: duration('100ms')
    .prefault(D.limits.headTimeout)
    .describe('How long a client may take to send the head of a request.'),
  bodyTimeout: duration('100ms')
    .prefault(D.limits.bodyTimeout)
    .describe('How long a client may be silent between two bytes of a request body.'),
  idleTimeout: duration('100ms')
    .prefault(D.limits.idleTimeout)
    .describe(
      'How long an idle connection of a client is kept. Keep it above that of a balancer in front, or the balancer sends requests into closed connections.',
    ),
  connections: count(1, 1_000_000)
    .prefault(D.limits.connections)
    .describe(
      'Most connections of clients at once, for each worker: it bounds the descriptors of a process.',
    ),
  buffer: size('1MiB', '1024GiB')
    .prefault(D.limits.buffer)
    .describe(
      'Request and response bodies held in memory at once, over all requests; above it a keyed request gets 429. Several workers share it equally. Keep it well below the memory of the machine or container.',
    ),
  inFlight: count(1, 1_000_000)
    .prefault(D.limits.inFlight)
    .describe(
      'Most requests at once; one more gets 429. Several workers share it equally; connections spread over them almost evenly, so leave some room.',
    ),
  joiners: count(1, 1_000_000)
    .prefault(D.limits.joiners)
    .describe(
      'Most requests waiting at once for the response of another with their key, over all keys and workers; one more gets 429. Each asks the store four times a second.',
    ),
  tasks: count(1, 1_000_000)
    .prefault(D.limits.tasks)
    .describe(
      'Most executions in the background at once (`task`), over all routes; one more gets 429. Several workers share it equally. Each holds a connection to the backend: keep it below `upstream.connections`, or other requests find none.',
    ),
  memory: memory
    .prefault({})
    .describe(
      'When load is shed so that memory does not run out: the heap, and the memory of the container.',
    ),
  principal: principal
    .prefault({})
    .describe(
      'Bounds for one principal (`scope`) in one process. Callers without credentials are one. They keep tenants apart whose credentials something in front has verified, and hold back nobody who makes up a new credential for each request.',
    ),
});

export const topFields = {
  listen: listenAddress()
    .prefault(D.listen)
    .describe(
      'Where clients connect. The default takes connections of this machine only; in a container use `0.0.0.0:8080`.',
    ),
  observe: port(
    D.observe.listen,
    'Where liveness, readiness and metrics are served; nothing else is.',
  ).describe('The port for probes and metrics; `off` for none.'),
  admin: z
    .union(
      [
        z.null(),
        choice(['off']),
        section({
          listen: listenAddress()
            .prefault(D.admin.listen)
            .describe(
              'Where keys are inspected and settled by hand, and a drain is begun. Keep it on this machine: to look and to drain needs no token.',
            ),
          tokens: z
            .record(token('a name'), secret(), {
              error: 'must be a mapping such as { ops: "${ONCEWARD_ADMIN_TOKEN}" }',
            })
            .prefault({})
            .meta({ 'x-type': 'name to secret' })
            .describe(
              'Who may resolve and forget keys, by the name that the audit line shows: at least 32 random characters each, sent as `Authorization: Bearer …`. Without any, nobody may. Take them from variables. A change needs no restart.',
            ),
        }),
      ],
      { error: 'must be { listen: host:port } or off' },
    )
    .prefault({})
    .describe('The port for the operator; `off` for none.'),
  workers: countOr('auto', 1, WORKERS_MAX)
    .prefault(D.workers)
    .describe(
      'How many processes take requests on `listen`; `auto`: one for each core that is available. With more than one, a primary process besides them has the ports for probes and the operator, and starts a worker that dies again. They share one store, so `memory` takes only 1. Leave it at 1 until one core is not enough: every process costs memory of its own.',
    ),
  upstream: upstream.describe('The backend.'),
  store: storeSchema.prefault({}).describe('Where records are kept, and what is promised of them.'),
  secrets: list(secret(), 4, 'secrets')
    .prefault([...D.secrets])
    .describe(
      'What keys are hashed with, current one first: at least 32 random characters each, such as `openssl rand -hex 32` makes. Redis needs one, the same for every replica; LMDB makes its own, which stays in use for what it made when others are configured. A start without the one that the records were made with is refused. To change it, put the new one behind the old one on every replica, then first on every replica, and keep the old one until `unknownRetain` is over: a replica that does not have the new one yet executes again what others have made with it. Take it from a variable, never write it into the file.',
    ),
  encryption: encryption
    .prefault({})
    .describe(
      'Encrypts stored responses, head and body, with AES-256-GCM. Off without keys. Taken over by a reload.',
    ),
  limits: limits.prefault({}).describe('Bounds on what clients can ask of this process.'),
  trustedProxies: list(addressRange(), 256, 'address ranges')
    .prefault([...D.trustedProxies])
    .describe(
      'Peers whose `Forwarded` and `X-Forwarded-*` fields are believed and extended; from all others they are dropped. Name only proxies that set these fields themselves.',
    ),
  reserved: z
    .union(
      [
        choice(['off']),
        section({
          prefix: reservedPrefix()
            .prefault(D.reserved.prefix)
            .describe('A path that the backend does not use; requests below it are never forwarded.'),
          discovery: flag()
            .prefault(D.reserved.discovery)
            .describe(
              "Whether a GET of the prefix tells every client how each route wants its keys: field, syntax, retention. Answers to OPTIONS link to it. It also shows the names and patterns of the routes; turn it off where they are nobody's business.",
            ),
        }),
      ],
      { error: 'must be { prefix: /path } or off' },
    )
    .prefault({})
    .meta({ 'x-type': '`off` or a section' })
    .describe('The paths that Onceward answers itself, on the port of the clients; `off` for none.'),
  docsUrl: z
    .union([z.null(), webAddress()], {
      error: 'must be a URL, such as https://docs.example.com/errors, or left out',
    })
    .prefault(D.docsUrl)
    .describe(
      'A page that explains the problem types to your clients; every problem links to it. Left out: no link.',
    ),
  drain: section({
    timeout: duration('0s')
      .prefault(D.drain.timeout)
      .describe(
        'How long requests in flight may go on after SIGTERM. Keep it below the grace period of what stops the process.',
      ),
    delay: duration('0s')
      .prefault(D.drain.delay)
      .describe(
        'How long new requests are still taken after SIGTERM, so that a balancer learns of it first.',
      ),
  })
    .prefault({})
    .describe('How the process ends.'),
  log: section({
    level: choice(['debug', 'info', 'warn', 'error', 'silent'])
      .prefault(D.log.level)
      .describe('The least severe lines that are written. `info` writes one line for each request.'),
  })
    .prefault({})
    .describe('What is logged.'),
  unmatched: choice(['defaults', 'bypass', 'not-found'])
    .prefault(D.unmatched)
    .describe(
      'What happens to requests that match no route: `defaults` treats them by the policy in `defaults`, `bypass` forwards them without a record, `not-found` answers 404.',
    ),
};

/** Everything but the policies, which are judged one by one after the inheritance is done. */
export const topSchema = section(topFields);

/** The whole file. `store` may be short here; the loader writes it out before it is judged. */
export const configSchema = section({
  ...topFields,
  store: z
    .union([storeUrl(), storeSchema])
    .prefault({})
    .describe(
      'Where records are kept, and what is promised of them. `store: lmdb:PATH` is short for `store: { url: lmdb:PATH }`.',
    ),
  defaults: policySchema.prefault({}),
  routes: list(routeSchema, 1000, 'routes')
    .prefault([])
    .describe('Which requests have a policy of their own. The first route that matches holds.'),
}).meta({ title: 'Onceward configuration' });

export type Top = z.output<typeof topSchema>;
