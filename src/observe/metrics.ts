// tidy: one method for each thing that is counted.
import type { TokenResult } from '../core/caller.ts';
import { JSON_RPC_KINDS, type JsonRpcMessage } from '../core/json-rpc.ts';
import { OUTCOMES, type Outcome, type RequestClass } from '../core/outcome.ts';
import type { Overload } from '../core/overload.ts';
import type { ParkReason } from '../core/settle.ts';
import { SIGNATURE_VERDICTS, type SignatureVerdict } from '../core/signature.ts';
import type { ProblemCode } from '../problems/registry.ts';
import type { Store } from '../store/contract.ts';
import type { StoreOperation } from '../store/guard.ts';
import type { UnreadableReason } from '../store/seal.ts';
import { type Scrape, scrapeOf } from './exposition.ts';
import { Children, type HistogramCell, type NumberCell, observe } from './instruments.ts';
import {
  type AdminResult,
  type AdminWrite,
  type AuthorizationResult,
  LOCK_RESULTS,
  type LockResult,
  METRICS,
  type PreconditionResult,
  type ProbeVerdict,
  type ProducerEvent,
  type ReloadResult,
  type ResealResult,
  type Resolver,
  type RotationResult,
  type SequencePlace,
  STORE_RESULTS,
  type StoreResult,
  type TicketEvent,
  UNMATCHED,
  type VersionEffect,
} from './metric-table.ts';
import { createFamilies, createScraped, type Families, type Scraped, type ScrapedOptions } from './series.ts';

export type MetricsOptions = ScrapedOptions & {
  readonly routeNames: readonly string[];
  readonly store: Store['kind'];
  readonly version: string;
  readonly nodeVersion: string;
};

/** Nothing here throws: an unknown route counts as `unmatched`, any other unknown value as `other`. */
export type Metrics = Scraped & {
  /** `none`: refused before the method was looked at. */
  requestEnded(route: string, requestClass: RequestClass | 'none', outcome: Outcome, seconds: number): void;
  upstreamEnded(route: string, seconds: number): void;
  storeOperation(operation: StoreOperation, result: StoreResult, seconds: number): void;
  readonly inFlight: { inc(): void; dec(): void; value(): number };
  unknownRecord(route: string, reason: ParkReason): void;
  /** All that a whole pass over the store saw. */
  unknownSeen(records: number): void;
  claimLost(route: string): void;
  lockWaited(route: string, result: LockResult, seconds: number): void;
  lockLost(route: string): void;
  responseUnreadable(reason: UnreadableReason): void;
  responseResealed(result: ResealResult): void;
  probed(route: string, verdict: ProbeVerdict): void;
  resolved(by: Resolver, to: 'completed' | 'released'): void;
  adminWrite(action: AdminWrite, result: AdminResult): void;
  observed(route: string, outcome: Outcome): void;
  precondition(route: string, result: PreconditionResult): void;
  jsonRpcMessage(route: string, message: JsonRpcMessage['kind']): void;
  ticket(route: string, event: TicketEvent): void;
  rotatedCredential(route: string, result: RotationResult): void;
  replayAuthorized(route: string, result: AuthorizationResult): void;
  signature(route: string, verdict: SignatureVerdict): void;
  taskEnded(route: string, outcome: Outcome): void;
  sequenced(route: string, place: SequencePlace): void;
  producer(event: ProducerEvent): void;
  version(route: string, effect: VersionEffect): void;
  tokenRead(result: TokenResult): void;
  problem(code: ProblemCode): void;
  overloaded(overload: Overload): void;
  configReload(result: ReloadResult): void;
  workerRestarted(): void;
  /** Series of a route that came with a reload. Those of a route that went stay: counters only grow. */
  ensureRoute(name: string): void;
  /** `accept`: the field of the scrape, for OpenMetrics. Never rejects because of the store. */
  render(accept: string | undefined): Promise<Scrape>;
};

type RouteCells = {
  readonly requests: Children<Children<NumberCell>>;
  readonly seconds: Children<HistogramCell>;
  readonly upstream: Children<HistogramCell>;
  readonly unknown: Children<NumberCell>;
  readonly lost: NumberCell;
  readonly lockSeconds: Children<HistogramCell>;
  readonly locksLost: NumberCell;
  readonly probes: Children<NumberCell>;
  readonly observed: Children<NumberCell>;
  readonly preconditions: Children<NumberCell>;
  readonly jsonRpcMessages: Children<NumberCell>;
  readonly tickets: Children<NumberCell>;
  readonly rotated: Children<NumberCell>;
  readonly authorizations: Children<NumberCell>;
  readonly signatures: Children<NumberCell>;
  readonly tasks: Children<NumberCell>;
  readonly sequenced: Children<NumberCell>;
  readonly versions: Children<NumberCell>;
};

// tidy: a method for each thing that is counted, a line or two each.
export function createMetrics(options: MetricsOptions): Metrics {
  const families = createFamilies();
  const routes = new Map<string, RouteCells>();
  const unmatched = routeCells(families, UNMATCHED);
  routes.set(UNMATCHED, unmatched);
  const cellsOf = (route: string): RouteCells => routes.get(route) ?? unmatched;
  const ensureRoute = (name: string): void => {
    if (!routes.has(name)) routes.set(name, routeCells(families, name));
  };
  for (const name of options.routeNames) ensureRoute(name);
  const operations = new Children(METRICS.storeSeconds.labels[1].values, (operation) => {
    return new Children(STORE_RESULTS, (result) =>
      families.storeSeconds.child([options.store, operation, result]),
    );
  });
  const problems = preset(METRICS.problems.labels[0].values, (code) => families.problems.child([code]));
  const overloads = preset(METRICS.overloads.labels[0].values, (of) => families.overloads.child([of]));
  const producers = preset(METRICS.producers.labels[0].values, (event) => families.producers.child([event]));
  const resolutions = preset2(METRICS.resolutions, (labels) => families.resolutions.child(labels));
  const adminWrites = preset2(METRICS.adminWrites, (labels) => families.adminWrites.child(labels));
  families.buildInfo.child([options.version, options.nodeVersion, options.store]).value = 1;
  const inFlight = families.inFlight.child([]);
  const requestBounds = METRICS.requestSeconds.buckets;
  const upstreamBounds = METRICS.upstreamSeconds.buckets;
  const storeBounds = METRICS.storeSeconds.buckets;

  const scraped = createScraped(families, options);
  return {
    ...scraped,
    requestEnded(route, requestClass, outcome, seconds) {
      const cells = cellsOf(route);
      cells.requests.get(requestClass).get(outcome).value += 1;
      observe(cells.seconds.get(outcome), requestBounds, seconds);
    },
    upstreamEnded(route, seconds) {
      observe(cellsOf(route).upstream.get(''), upstreamBounds, seconds);
    },
    storeOperation(operation, result, seconds) {
      observe(operations.get(operation).get(result), storeBounds, seconds);
    },
    inFlight: {
      inc() {
        inFlight.value += 1;
      },
      dec() {
        inFlight.value -= 1;
      },
      value: () => inFlight.value,
    },
    unknownRecord(route, reason) {
      cellsOf(route).unknown.get(reason).value += 1;
    },
    unknownSeen(records) {
      families.unknownSeen.child([]).value = records;
    },
    claimLost(route) {
      cellsOf(route).lost.value += 1;
    },
    lockWaited(route, result, seconds) {
      observe(cellsOf(route).lockSeconds.get(result), METRICS.lockSeconds.buckets, seconds);
    },
    lockLost(route) {
      cellsOf(route).locksLost.value += 1;
    },
    ...sealedResponses(families),
    probed(route, verdict) {
      cellsOf(route).probes.get(verdict).value += 1;
    },
    resolved(by, to) {
      resolutions.get(by).get(to).value += 1;
    },
    adminWrite(action, result) {
      adminWrites.get(action).get(result).value += 1;
    },
    observed(route, outcome) {
      cellsOf(route).observed.get(outcome).value += 1;
    },
    precondition(route, result) {
      cellsOf(route).preconditions.get(result).value += 1;
    },
    jsonRpcMessage(route, message) {
      cellsOf(route).jsonRpcMessages.get(message).value += 1;
    },
    ticket(route, event) {
      cellsOf(route).tickets.get(event).value += 1;
    },
    rotatedCredential(route, result) {
      cellsOf(route).rotated.get(result).value += 1;
    },
    replayAuthorized(route, result) {
      cellsOf(route).authorizations.get(result).value += 1;
    },
    signature(route, verdict) {
      cellsOf(route).signatures.get(verdict).value += 1;
    },
    taskEnded(route, outcome) {
      cellsOf(route).tasks.get(outcome).value += 1;
    },
    sequenced(route, place) {
      cellsOf(route).sequenced.get(place).value += 1;
    },
    producer(event) {
      producers.get(event).value += 1;
    },
    version(route, effect) {
      cellsOf(route).versions.get(effect).value += 1;
    },
    problem(code) {
      problems.get(code).value += 1;
    },
    overloaded(overload) {
      overloads.get(overload).value += 1;
    },
    ...createLifeCounts(families),
    tokenRead: createTokenCount(families),
    ensureRoute,
    render: async (accept) => {
      const [facts, ofProcess] = await Promise.all([scraped.facts(), scraped.ofProcess()]);
      return scrapeOf([...scraped.counted(), ...facts, ...ofProcess], accept);
    },
  };
}

function createTokenCount(families: Families): Metrics['tokenRead'] {
  const tokens = preset(METRICS.tokens.labels[0].values, (result) => families.tokens.child([result]));
  return (result) => {
    tokens.get(result).value += 1;
  };
}

/** Of the life of the process. */
function createLifeCounts(families: Families): Pick<Metrics, 'configReload' | 'workerRestarted'> {
  const reloads = preset(METRICS.configReloads.labels[0].values, (result) =>
    families.configReloads.child([result]),
  );
  const restarts = families.workerRestarts.child([]);
  return {
    configReload(result) {
      reloads.get(result).value += 1;
    },
    workerRestarted() {
      restarts.value += 1;
    },
  };
}

function sealedResponses(families: Families): Pick<Metrics, 'responseUnreadable' | 'responseResealed'> {
  const unreadable = preset(METRICS.responsesUnreadable.labels[0].values, (reason) =>
    families.responsesUnreadable.child([reason]),
  );
  const resealed = preset(METRICS.responsesResealed.labels[0].values, (result) =>
    families.responsesResealed.child([result]),
  );
  return {
    responseUnreadable(reason) {
      unreadable.get(reason).value += 1;
    },
    responseResealed(result) {
      resealed.get(result).value += 1;
    },
  };
}

function routeCells(families: Families, route: string): RouteCells {
  return {
    requests: new Children(METRICS.requests.labels[1].values, (requestClass) => {
      return new Children(OUTCOMES, (outcome) => families.requests.child([route, requestClass, outcome]));
    }),
    seconds: new Children(OUTCOMES, (outcome) => families.requestSeconds.child([route, outcome])),
    // One series, and none before its first use.
    upstream: new Children([''], () => families.upstreamSeconds.child([route])),
    unknown: preset(METRICS.unknownRecords.labels[1].values, (reason) =>
      families.unknownRecords.child([route, reason]),
    ),
    lost: families.claimsLost.child([route]),
    lockSeconds: new Children(LOCK_RESULTS, (result) => families.lockSeconds.child([route, result])),
    locksLost: families.locksLost.child([route]),
    probes: preset(METRICS.probes.labels[1].values, (verdict) => families.probes.child([route, verdict])),
    observed: new Children(OUTCOMES, (outcome) => families.observed.child([route, outcome])),
    preconditions: new Children(METRICS.preconditions.labels[1].values, (result) =>
      families.preconditions.child([route, result]),
    ),
    jsonRpcMessages: new Children(JSON_RPC_KINDS, (message) =>
      families.jsonRpcMessages.child([route, message]),
    ),
    tickets: new Children(METRICS.tickets.labels[1].values, (event) =>
      families.tickets.child([route, event]),
    ),
    rotated: preset(METRICS.rotatedCredentials.labels[1].values, (result) =>
      families.rotatedCredentials.child([route, result]),
    ),
    authorizations: new Children(METRICS.replayAuthorizations.labels[1].values, (result) =>
      families.replayAuthorizations.child([route, result]),
    ),
    signatures: new Children(SIGNATURE_VERDICTS, (verdict) => families.signatures.child([route, verdict])),
    tasks: new Children(OUTCOMES, (outcome) => families.tasksEnded.child([route, outcome])),
    sequenced: new Children(METRICS.sequenced.labels[1].values, (place) =>
      families.sequenced.child([route, place]),
    ),
    versions: new Children(METRICS.versions.labels[1].values, (effect) =>
      families.versions.child([route, effect]),
    ),
  };
}

/** All at 0 from the start: `increase()` does not see a series whose first value is 1. */
function preset<Cell>(values: readonly string[], make: (value: string) => Cell): Children<Cell> {
  const children = new Children(values, make);
  for (const value of values) children.get(value);
  return children;
}

/** The same for two labels. */
function preset2<Cell>(
  { labels }: { readonly labels: readonly [Labels, Labels] },
  make: (values: readonly [string, string]) => Cell,
): Children<Children<Cell>> {
  return preset(labels[0].values, (first) => preset(labels[1].values, (second) => make([first, second])));
}

type Labels = { readonly values: readonly string[] };
