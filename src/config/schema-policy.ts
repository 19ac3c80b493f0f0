import { z } from 'zod';
import { POLICY_DEFAULTS as D } from './defaults.ts';
import { choice, count, duration, flag, list, section, size, text } from './field.ts';
import { fieldName, hostPattern, method, pathPattern, token } from './field-http.ts';
import { dialect, profile } from './schema-dialect.ts';
import { fingerprint, key, scope } from './schema-identity.ts';
import { lock } from './schema-lock.ts';
import { message } from './schema-message.ts';
import { precondition } from './schema-precondition.ts';
import { reconcile } from './schema-reconcile.ts';
import { replay } from './schema-replay.ts';
import { sequence } from './schema-sequence.ts';
import { task } from './schema-task.ts';
import { ticket } from './schema-ticket.ts';

/**
 * The fields of a policy, as `defaults` and every route have them. The text of a field is its entry in the reference:
 * effect, then when not to use it. A default stands in `defaults.ts` and nowhere else.
 */

const inFlight = z
  .union(
    [
      choice(['reject']),
      section({
        wait: duration('0s')
          .prefault(D.inFlight.wait)
          .describe(
            'How long a repeat waits for the response to the first request before it gets 409. Keep it below the time-out of your clients.',
          ),
        waiters: count(1, 100_000)
          .prefault(D.inFlight.waiters)
          .describe('How many repeats may wait for one request at once; one more gets 409.'),
      }),
    ],
    { error: 'must be reject or { wait: 2s, waiters: 100 }' },
  )
  .prefault({})
  .meta({ 'x-type': '`reject` or a section' })
  .describe(
    'What happens to a repeat while the first request is still in flight: it waits and gets the same response, or, with `reject`, 409 at once.',
  );

const statusKey = z
  .string()
  .regex(/^(?:[2-5]xx|[2-5][0-9][0-9])$/, {
    error: 'is not a status from 200 to 599 or a class 2xx, 3xx, 4xx, 5xx',
  })
  .meta({ pattern: '^([2-5]xx|[2-5][0-9][0-9])$' });

const status = z
  .record(statusKey, choice(['complete', 'release', 'park']), {
    error: 'must be a mapping such as { 503: park, 5xx: complete }',
  })
  .prefault({})
  .meta({ 'x-type': 'status or class to `complete`, `release` or `park`' })
  .describe(
    'What a response with a status does to the key. `complete`: executed, the response is kept and replayed. `release`: not executed, a retry runs anew. `park`: may have been executed; repeats get 409 until that is known. A single status wins over its class, and both over the built-in table: 401, 425, 429 and 503 release, 408, 502 and 504 park, all others complete. Set `503: park` where a mesh or balancer stands between Onceward and the backend. Never release a status that a backend can send after it has acted.',
  );

const limits = section({
  request: size('0B', '1GiB')
    .prefault(D.limits.request)
    .describe(
      'Greatest body of a keyed request; above it 413, and nothing is forwarded. The body is held in memory until it has been forwarded.',
    ),
  response: size('0B', '1GiB')
    .prefault(D.limits.response)
    .describe(
      'Greatest body of a response that is kept. A larger one reaches the first client whole; repeats get 409 `response-not-stored`, and nothing is executed again.',
    ),
}).prefault({});

const timeouts = section({
  head: duration('0s').optional().describe('As `upstream.headTimeout`, for this policy.'),
  body: duration('0s').optional().describe('As `upstream.bodyTimeout`, for this policy.'),
  total: duration('0s').optional().describe('As `upstream.totalTimeout`, for this policy.'),
  lateAnswer: duration('0s').optional().describe('As `upstream.lateAnswer`, for this policy.'),
})
  .prefault({})
  .describe('Time-outs that differ from those of `upstream`.');

export const policyFields = {
  profile,
  mode: choice(['enforce', 'observe'])
    .prefault(D.mode)
    .describe(
      '`enforce` protects. `observe` forwards every request and only records what would have happened (`onceward report`, docs/adopting.md); use it to try a policy on live traffic, never as protection.',
    ),
  keyspace: token('a name')
    .prefault(D.keyspace)
    .describe(
      'Names the set of keys. Routes in one keyspace share keys; a route in another never sees them. Changing it makes repeats of older requests execute again.',
    ),
  key: key.describe('Where the key is and what it may look like.'),
  keyIdempotentMethods: flag()
    .prefault(D.keyIdempotentMethods)
    .describe(
      'Whether PUT, DELETE and the other idempotent methods are keyed too when they carry a key. Turn it on where their first response matters: a repeated DELETE then gets the first 204 instead of 404.',
    ),
  message: message.prefault(D.message),
  ticket: ticket.prefault(D.ticket),
  scope: scope.describe('Whose key it is.'),
  tenants: choice(['many', 'single'])
    .prefault(D.tenants)
    .describe(
      'Whether callers that `scope` tells apart may know of each other. `single`: all of them act for one tenant, such as the services of one company; it only allows `rotated: refuse`.',
    ),
  rotated: choice(['execute', 'refuse'])
    .prefault(D.rotated)
    .describe(
      'What becomes of a key that comes for the same request from another caller than before, as it does when a credential was renewed between two tries. `execute`: it is a request of that caller, as between tenants it must be; what this process notices of it is counted in `onceward_rotated_credentials_total`. `refuse`: 409 `credential-rotated` as long as the record is kept, for two operations of the store more per execution; needs `tenants: single`, since it tells callers of each other. Better than both is a `scope` that outlives the credential, such as `jwt`.',
    ),
  fingerprint,
  inFlight,
  lease: duration('1s')
    .prefault(D.lease)
    .describe(
      'How long a claim holds without a sign of life from its holder, who renews it at a third of this. It is how long a key stays in flight after a crash. Do not set it below a pause that your machine can make; a long request needs no long lease.',
    ),
  retain: duration('1s', 'retention')
    .prefault(D.retain)
    .describe(
      'How long a completed request is remembered. A repeat after it executes again, so keep it above the time over which clients retry.',
    ),
  unknownRetain: duration('1s', 'retention')
    .prefault(D.unknownRetain)
    .describe(
      'How long a request whose outcome is not known is remembered. Never below `retain`. After it the key is free, whatever happened.',
    ),
  markDispatch: flag()
    .prefault(D.markDispatch)
    .describe(
      'Whether the moment of dispatch is a write of its own. Fewer keys become unknown when a process dies, for one more write per request.',
    ),
  status,
  replay: replay.describe('What a replay leaves out, and who may have it.'),
  onUnknown: choice(['hold', 'retry'])
    .prefault(D.onUnknown)
    .describe(
      'What a repeat of a request with unknown outcome gets: `hold` answers 409 until it is resolved; `retry` executes it again once `quiet` is over. Use `retry` only where the backend itself tolerates a repeat.',
    ),
  quiet: duration('0s', 'retention')
    .prefault(D.quiet)
    .describe(
      'How long an outcome must have been unknown before `onUnknown: retry` or a probe acts on it. Keep it above the time-out of the backend itself, which may still be at work.',
    ),
  reconcile: reconcile.prefault(D.reconcile),
  precondition: precondition.prefault(D.precondition),
  task: task.prefault(D.task),
  lock: lock.prefault(D.lock),
  sequence: sequence.prefault(D.sequence),
  onStoreDown: choice(['refuse', 'forward'])
    .prefault(D.onStoreDown)
    .describe(
      'What a keyed request gets while the store cannot be reached: `refuse` answers 503; `forward` sends it on without protection, so that retries can execute twice; the answer then says `Idempotency-Status: unprotected`.',
    ),
  unprovenEnd: choice(['park', 'trust'])
    .prefault(D.unprovenEnd)
    .describe(
      'What a response does that has neither a length nor chunks and ends with the connection: it may be cut short. `park` keeps it from being replayed; `trust` takes it as whole. Use `trust` only for a backend that cannot do better.',
    ),
  limits: limits.describe('Bounds on what is held in memory for one request and kept in the store.'),
  timeouts,
  dialect,
};

const match = section({
  host: hostPattern()
    .optional()
    .describe(
      'The host of the request, without port, in any case. `*.example.com` stands for every name below it. Left out: every host.',
    ),
  path: pathPattern()
    .optional()
    .describe(
      'The path as the client sends it. `*` is one segment, `{id}` one whose value has a name for `lock`, `**` any number of segments, none included: `/v1/payments/**` also matches `/v1/payments`. Left out: every path.',
    ),
  methods: list(method(), 32, 'methods')
    .prefault([])
    .describe('Methods, in capitals. Left out or empty: every method.'),
  headers: z
    .record(
      fieldName(),
      z.union([z.null(), text('text', 1024)], {
        error: 'must be text, or empty for "the field is there"; put a number in quotes',
      }),
      {
        error: 'must be a mapping such as { X-Env: prod }',
      },
    )
    .prefault({})
    .meta({ 'x-type': 'header name to text' })
    .describe(
      'Fields that must be there, each with exactly this value; an empty value asks only that the field is there.',
    ),
})
  .prefault({})
  .describe(
    'Which requests are on this route; everything given must fit. Left out: all requests. The first route that matches holds, in the order of the file.',
  );

export const policySchema = section(policyFields).describe(
  'The policy of every route, field by field, unless the route has the field itself; and of requests that match no route.',
);

export const routeSchema = section({
  name: token('a name').describe(
    'Names the route in logs, metrics and reports; unique. It is not part of a key, so a route can be renamed freely.',
  ),
  match,
  ...policyFields,
});

export type Policy = z.output<typeof policySchema>;
export type Route = z.output<typeof routeSchema>;
