// tidy: one table.

import { TOKEN_RESULTS } from '../core/caller.ts';
import { JSON_RPC_KINDS } from '../core/json-rpc.ts';
import { OUTCOMES, REQUEST_CLASSES } from '../core/outcome.ts';
import { OVERLOADS } from '../core/overload.ts';
import type { ParkReason } from '../core/settle.ts';
import { SIGNATURE_VERDICTS } from '../core/signature.ts';
import { PROBLEM_CODES } from '../problems/registry.ts';
import { STORE_UNAVAILABLE_REASONS, type Store } from '../store/contract.ts';
import { STORE_OPERATIONS } from '../store/guard.ts';
import { UNREADABLE_REASONS } from '../store/seal.ts';

/**
 * Every metric of Onceward. The one table: the series, docs/metrics.md and the tests are made from it. Label values
 * come from closed sets only, so that no client can make series: a label never holds a path, a key or a peer.
 */

/** `route` of a request that was refused before a route was found, or that no route matches. */
export const UNMATCHED = 'unmatched';

// Records, not lists: the compiler then refuses a set that lacks a member of the type.
const STORE_KINDS: Readonly<Record<Store['kind'], true>> = {
  memory: true,
  lmdb: true,
  redis: true,
  postgres: true,
};

const PARK_REASONS: Readonly<Record<ParkReason, true>> = {
  reset: true,
  'bad-framing': true,
  truncated: true,
  aborted: true,
  'timed-out': true,
  'unproven-end': true,
  status: true,
  shutdown: true,
};

export const STORE_RESULTS = ['ok', ...STORE_UNAVAILABLE_REASONS] as const;
/** `ok`: the store answered, whatever it said (a lost claim is an answer). */
export type StoreResult = (typeof STORE_RESULTS)[number];

const PROBE_VERDICTS = [
  'completed',
  'did-not-happen',
  'not-quiet',
  'unsure',
  'no-answer',
  'not-asked',
] as const;
export type ProbeVerdict = (typeof PROBE_VERDICTS)[number];

const RESOLVERS = ['probe', 'operator', 'late-answer'] as const;
export type Resolver = (typeof RESOLVERS)[number];

const ADMIN_WRITES = ['resolve', 'forget'] as const;
export type AdminWrite = (typeof ADMIN_WRITES)[number];
const ADMIN_RESULTS = ['done', 'refused', 'denied'] as const;
export type AdminResult = (typeof ADMIN_RESULTS)[number];

const TICKET_EVENTS = ['issued', 'limited', 'valid', 'expired', 'unknown'] as const;
export type TicketEvent = (typeof TICKET_EVENTS)[number];

const ROTATION_RESULTS = ['executed', 'refused'] as const;
export type RotationResult = (typeof ROTATION_RESULTS)[number];

const AUTHORIZATION_RESULTS = ['allowed', 'denied', 'unavailable'] as const;
export type AuthorizationResult = (typeof AUTHORIZATION_RESULTS)[number];

const RELOAD_RESULTS = ['applied', 'refused'] as const;
export type ReloadResult = (typeof RELOAD_RESULTS)[number];

/** `lost`: the record was another one's by then. */
const RESEAL_RESULTS = ['ok', 'lost', 'failed'] as const;
export type ResealResult = (typeof RESEAL_RESULTS)[number];

const PRECONDITION_RESULTS = ['passed', 'required', 'invalid', 'stale', 'busy', 'unsure'] as const;
const VERSION_EFFECTS = ['advanced', 'unchanged', 'parked', 'lost'] as const;
export type VersionEffect = (typeof VERSION_EFFECTS)[number];
export type PreconditionResult = (typeof PRECONDITION_RESULTS)[number];
export const LOCK_RESULTS = ['held', 'locked'] as const;
export type LockResult = (typeof LOCK_RESULTS)[number];
/** Of requests by the number of a producer: what followed from it before anything was executed. */
const SEQUENCE_PLACES = [
  'in-turn',
  'repeat',
  'gap',
  'waiting',
  'blocked',
  'too-old',
  'fenced',
  'unknown-producer',
] as const;
export type SequencePlace = (typeof SEQUENCE_PLACES)[number];

const PRODUCER_EVENTS = ['issued', 'epoch', 'unknown', 'fenced'] as const;
export type ProducerEvent = (typeof PRODUCER_EVENTS)[number];

export type LabelDefinition = {
  readonly name: string;
  /** The whole set; `routes`: route names of the configuration and `unmatched`; `facts`: one value, fixed at start. */
  readonly values: 'routes' | 'facts' | readonly string[];
};

export type MetricDefinition = {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly LabelDefinition[];
  /** Upper bounds, ascending, in the unit of the name; empty but for histograms. */
  readonly buckets: readonly number[];
  /** Of several processes the greatest value is told, not the sum. */
  readonly across?: 'highest';
  /** `zero`: all series of a route are there from the start, so that an alert sees the first increase. */
  readonly start: 'zero' | 'first-use';
};

const ROUTE: LabelDefinition = { name: 'route', values: 'routes' };
const OUTCOME: LabelDefinition = { name: 'outcome', values: OUTCOMES };

const REQUEST_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;
const STORE_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
] as const;

const plain = { labels: [], buckets: [], start: 'zero' } as const;

export const METRICS = {
  requests: {
    name: 'onceward_requests_total',
    kind: 'counter',
    help: 'Requests answered, by route, method class and the one outcome each ends with.',
    labels: [ROUTE, { name: 'class', values: [...REQUEST_CLASSES, 'none'] }, OUTCOME],
    buckets: [],
    start: 'first-use',
  },
  requestSeconds: {
    name: 'onceward_request_duration_seconds',
    kind: 'histogram',
    help: 'Time from the whole request head to the end of the answer.',
    labels: [ROUTE, OUTCOME],
    buckets: REQUEST_SECONDS,
    start: 'first-use',
  },
  upstreamSeconds: {
    name: 'onceward_upstream_duration_seconds',
    kind: 'histogram',
    help: 'Time from the hand-over of a request to the backend to the end of its answer or failure.',
    labels: [ROUTE],
    buckets: REQUEST_SECONDS,
    start: 'first-use',
  },
  storeSeconds: {
    name: 'onceward_store_operation_duration_seconds',
    kind: 'histogram',
    help: 'Time of a store operation. Result ok: the store answered; else why it could not.',
    labels: [
      { name: 'store', values: Object.keys(STORE_KINDS) },
      { name: 'operation', values: STORE_OPERATIONS },
      { name: 'result', values: STORE_RESULTS },
    ],
    buckets: STORE_SECONDS,
    start: 'first-use',
  },
  inFlight: {
    ...plain,
    name: 'onceward_in_flight',
    kind: 'gauge',
    help: 'Requests being handled at this moment.',
  },
  joinedWaiters: {
    ...plain,
    name: 'onceward_joined_waiters',
    kind: 'gauge',
    help: 'Requests waiting for the response of an execution in flight with the same key.',
  },
  tasksRunning: {
    ...plain,
    name: 'onceward_tasks_running',
    kind: 'gauge',
    help: 'Executions in the background at this moment.',
  },
  tasksEnded: {
    name: 'onceward_tasks_ended_total',
    kind: 'counter',
    help: 'Executions in the background that have ended, by the outcome that a client waiting for it would have had.',
    labels: [ROUTE, OUTCOME],
    buckets: [],
    start: 'first-use',
  },
  overloads: {
    name: 'onceward_overloads_total',
    kind: 'counter',
    help: 'Requests refused with 429, by what there was too much of.',
    labels: [{ name: 'of', values: OVERLOADS }],
    buckets: [],
    start: 'zero',
  },
  bufferBytes: {
    ...plain,
    name: 'onceward_buffer_bytes',
    kind: 'gauge',
    help: 'Request and response bodies held in memory, counted against limits.buffer.',
  },
  memoryPressure: {
    ...plain,
    name: 'onceward_memory_pressure',
    kind: 'gauge',
    across: 'highest',
    help: '0: none. 1: keyed requests with bodies are refused. 2: connections are refused too. Of several processes, the highest.',
  },
  settlementsPending: {
    ...plain,
    name: 'onceward_settlements_pending',
    kind: 'gauge',
    help: 'Writes that end a claim and are still being tried, each holding its response.',
  },
  principals: {
    ...plain,
    name: 'onceward_principals',
    kind: 'gauge',
    help: 'Principals whose bounds are being counted; 0 where none are configured. Of several workers the sum: each counts those it serves itself.',
  },
  connections: {
    ...plain,
    name: 'onceward_connections',
    kind: 'gauge',
    help: 'Connections of clients.',
  },
  connectionsRefused: {
    ...plain,
    name: 'onceward_connections_refused_total',
    kind: 'counter',
    help: 'Connections of clients closed as soon as they came: for want of room, or because of limits.client.connections.',
  },
  handshakesFailed: {
    ...plain,
    name: 'onceward_tls_handshakes_failed_total',
    kind: 'counter',
    help: 'TLS handshakes with clients that failed, for want of a certificate that verifies among others.',
  },
  certificateNotAfter: {
    ...plain,
    name: 'onceward_tls_certificate_not_after_timestamp_seconds',
    kind: 'gauge',
    help: 'When the certificate that clients are shown ends, in Unix time; 0 without TLS.',
    across: 'highest',
  },
  unknownRecords: {
    name: 'onceward_unknown_records_total',
    kind: 'counter',
    help: 'Claims parked because the backend may have executed the request; somebody has to find out.',
    labels: [ROUTE, { name: 'reason', values: Object.keys(PARK_REASONS) }],
    buckets: [],
    start: 'zero',
  },
  unknownSeen: {
    ...plain,
    name: 'onceward_unknown_records_seen',
    kind: 'gauge',
    help: 'Unknown records in the store, as the last whole pass of the probe in the background counted them; absent where no route is probed so.',
    start: 'first-use',
  },
  claimsLost: {
    name: 'onceward_claims_lost_total',
    kind: 'counter',
    help: 'Claims the store no longer knew as ours when their end was written: an incident.',
    labels: [ROUTE],
    buckets: [],
    start: 'zero',
  },
  lockSeconds: {
    name: 'onceward_lock_wait_seconds',
    kind: 'histogram',
    help: 'Time a request waited for its locks, all of them together. Result locked: in vain, and it got 423.',
    labels: [ROUTE, { name: 'result', values: LOCK_RESULTS }],
    buckets: REQUEST_SECONDS,
    start: 'first-use',
  },
  locksLost: {
    name: 'onceward_locks_lost_total',
    kind: 'counter',
    help: 'Locks that another could have taken while their holder was still at work: an incident, in which only the token tells the backend who is older.',
    labels: [ROUTE],
    buckets: [],
    start: 'zero',
  },
  responsesUnreadable: {
    name: 'onceward_responses_unreadable_total',
    kind: 'counter',
    help: 'Stored responses that did not open and were not served: an incident, and with not-authentic or not-sealed a sign of tampering.',
    labels: [{ name: 'reason', values: UNREADABLE_REASONS }],
    buckets: [],
    start: 'zero',
  },
  responsesResealed: {
    name: 'onceward_responses_resealed_total',
    kind: 'counter',
    help: 'Stored responses sealed anew under the current key when they were read. Result failed: tried again at the next read.',
    labels: [{ name: 'result', values: RESEAL_RESULTS }],
    buckets: [],
    start: 'zero',
  },
  probes: {
    name: 'onceward_probes_total',
    kind: 'counter',
    help: 'Probes of unknown outcomes, by verdict. not-quiet: did not happen, said before `quiet` was over; no-answer: failed or took too long; not-asked: a value for the question was missing.',
    labels: [ROUTE, { name: 'verdict', values: PROBE_VERDICTS }],
    buckets: [],
    start: 'zero',
  },
  resolutions: {
    name: 'onceward_resolutions_total',
    kind: 'counter',
    help: 'Outcomes that had become unknown, or were about to, and were found out, by whom. Released: it did not happen.',
    labels: [
      { name: 'by', values: RESOLVERS },
      { name: 'to', values: ['completed', 'released'] },
    ],
    buckets: [],
    start: 'zero',
  },
  adminWrites: {
    name: 'onceward_admin_writes_total',
    kind: 'counter',
    help: 'Writes asked for on the admin port. refused: the record did not allow it; denied: no token that fits.',
    labels: [
      { name: 'action', values: ADMIN_WRITES },
      { name: 'result', values: ADMIN_RESULTS },
    ],
    buckets: [],
    start: 'zero',
  },
  observed: {
    name: 'onceward_observed_requests_total',
    kind: 'counter',
    help: 'Requests of routes with mode observe, by the outcome that mode enforce would have given.',
    labels: [ROUTE, OUTCOME],
    buckets: [],
    start: 'first-use',
  },
  preconditions: {
    name: 'onceward_preconditions_total',
    kind: 'counter',
    help: 'Writes of routes with a precondition. passed: as conditional as the route wants it, or 428 (required), 400 (invalid). Of those that passed, where versions are kept: refused with 412 (stale), or 409 because another write was in flight (busy) or its outcome unknown (unsure).',
    labels: [ROUTE, { name: 'result', values: PRECONDITION_RESULTS }],
    buckets: [],
    start: 'first-use',
  },
  jsonRpcMessages: {
    name: 'onceward_json_rpc_messages_total',
    kind: 'counter',
    help: 'Bodies on routes with dialect.jsonRpc, by what was read in them. call: a method that is keyed; other: passed on without a record; none: no message of JSON-RPC; refused: a batch with a call, or one that can be read in two ways.',
    labels: [ROUTE, { name: 'message', values: JSON_RPC_KINDS }],
    buckets: [],
    start: 'first-use',
  },
  tickets: {
    name: 'onceward_tickets_total',
    kind: 'counter',
    help: 'Tickets, by what became of them. issued and limited (429): where they are fetched. valid, expired and unknown: where they are presented; an expired one is answered if it was spent in time.',
    labels: [ROUTE, { name: 'event', values: TICKET_EVENTS }],
    buckets: [],
    start: 'first-use',
  },
  rotatedCredentials: {
    name: 'onceward_rotated_credentials_total',
    kind: 'counter',
    help: 'New keys that another caller had used for the same request before: a credential was renewed between two tries, or keys are weak. executed: as far as one process notices it; refused: routes with rotated: refuse.',
    labels: [ROUTE, { name: 'result', values: ROTATION_RESULTS }],
    buckets: [],
    start: 'zero',
  },
  replayAuthorizations: {
    name: 'onceward_replay_authorizations_total',
    kind: 'counter',
    help: 'Repeats on routes with replay.authorize, by what was found before they were told anything. unavailable (503): what would have said it could not be asked.',
    labels: [ROUTE, { name: 'result', values: AUTHORIZATION_RESULTS }],
    buckets: [],
    start: 'first-use',
  },
  signatures: {
    name: 'onceward_signatures_total',
    kind: 'counter',
    help: 'Deliveries of messages whose signature was looked at, by what it was; all but genuine were refused.',
    labels: [ROUTE, { name: 'verdict', values: SIGNATURE_VERDICTS }],
    buckets: [],
    start: 'first-use',
  },
  sequenced: {
    name: 'onceward_sequenced_requests_total',
    kind: 'counter',
    help: 'Requests with the number of a producer, by where it stands. in-turn: reserved and executed; repeat: of one of the last, replayed or tried again; waiting: refused while an earlier one was outstanding; blocked: an earlier outcome is unknown.',
    labels: [ROUTE, { name: 'place', values: SEQUENCE_PLACES }],
    buckets: [],
    start: 'first-use',
  },
  producers: {
    name: 'onceward_producers_total',
    kind: 'counter',
    help: 'Requests for producers, by what came of them. issued: a new one; epoch: a newer epoch of one, which fences its older holder.',
    labels: [{ name: 'event', values: PRODUCER_EVENTS }],
    buckets: [],
    start: 'zero',
  },
  versions: {
    name: 'onceward_version_writes_total',
    kind: 'counter',
    help: 'Writes let out to resources whose versions are kept here, by what they did. parked: may have been made, other writes wait for it to become certain; lost: made after the resource had been given to another, an incident.',
    labels: [ROUTE, { name: 'effect', values: VERSION_EFFECTS }],
    buckets: [],
    start: 'first-use',
  },
  storeRecords: {
    ...plain,
    name: 'onceward_store_records',
    kind: 'gauge',
    help: 'Records in the store, read when scraped; absent while the store cannot tell.',
  },
  storeBytes: {
    ...plain,
    name: 'onceward_store_bytes',
    kind: 'gauge',
    help: 'Size of the store, read when scraped; absent while the store cannot tell.',
  },
  problems: {
    name: 'onceward_problems_total',
    kind: 'counter',
    help: 'Answers made by Onceward itself, by problem code.',
    labels: [{ name: 'code', values: PROBLEM_CODES }],
    buckets: [],
    start: 'zero',
  },
  tokens: {
    name: 'onceward_tokens_read_total',
    kind: 'counter',
    help: 'Tokens that were looked for to tell whose key it is, by what came of it; cached: verified before by the same keys.',
    labels: [{ name: 'result', values: TOKEN_RESULTS }],
    buckets: [],
    start: 'zero',
  },
  logLinesDropped: {
    ...plain,
    name: 'onceward_log_lines_dropped_total',
    kind: 'counter',
    help: 'Log lines given up because their reader was too slow.',
  },
  configReloads: {
    name: 'onceward_config_reloads_total',
    kind: 'counter',
    help: 'Configurations read while running: applied, or refused with the old one kept.',
    labels: [{ name: 'result', values: RELOAD_RESULTS }],
    buckets: [],
    start: 'zero',
  },
  workers: {
    ...plain,
    name: 'onceward_workers',
    kind: 'gauge',
    help: 'Processes that take requests at this moment.',
  },
  workerRestarts: {
    ...plain,
    name: 'onceward_worker_restarts_total',
    kind: 'counter',
    help: 'Workers started again after an end that nobody had asked for.',
  },
  buildInfo: {
    name: 'onceward_build_info',
    kind: 'gauge',
    help: 'Always 1; the labels say what runs.',
    labels: [
      { name: 'version', values: 'facts' },
      { name: 'node', values: 'facts' },
      { name: 'store', values: Object.keys(STORE_KINDS) },
    ],
    buckets: [],
    start: 'first-use',
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;
