// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
import { z } from 'zod';
import { DEFAULTS as D } from './defaults.ts';
import { choice, countOr, duration, flag, list, section } from './field.ts';
import {
  addressRange,
  listenAddress,
  reservedPrefix,
  secret,
  storeUrl,
  token,
  webAddress,
} from './field-http.ts';
import { encryption } from './schema-encryption.ts';
import { jwt } from './schema-jwt.ts';
import { limitsSchema } from './schema-limits.ts';
import { policySchema, routeSchema } from './schema-policy.ts';
import { storeSchema } from './schema-store.ts';
import { http2, tls } from './schema-tls.ts';
import { upstreamSchema } from './schema-upstream.ts';

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

export const topFields = {
  listen: listenAddress()
    .prefault(D.listen)
    .describe(
      'Where clients connect. The default takes connections of this machine only; in a container use `0.0.0.0:8080`.',
    ),
  tls: tls.prefault(D.tls),
  jwt: jwt.prefault(D.jwt),
  http2: http2.prefault(D.http2),
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
  upstream: upstreamSchema.describe('The backend.'),
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
  limits: limitsSchema.prefault({}).describe('Bounds on what clients can ask of this process.'),
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
  safeBody: choice(['refuse', 'forward'])
    .prefault(D.safeBody)
    .describe(
      'What happens to a GET, HEAD, OPTIONS or TRACE with a body. It has no meaning in HTTP, and a backend or balancer that does not expect it takes it for the next request. `forward` is for backends that want it, such as Elasticsearch.',
    ),
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
