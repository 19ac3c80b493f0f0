import type { Pressure } from '../core/overload.ts';
import type { StoreStats } from '../store/contract.ts';
import { boundedStats } from './bounded-stats.ts';
import { histogramSamples, numberSamples, type SampleFamily, singleSample } from './exposition.ts';
import { histogramFamily, numberFamily } from './instruments.ts';
import { METRICS } from './metric-table.ts';
import { createProcessMetrics } from './process-metrics.ts';

/** The families of the table, and what a scrape reads of them. */

/** What is held at this moment, read at scrape time. */
export type LoadFigures = {
  readonly joinedWaiters: number;
  readonly tasksRunning: number;
  readonly bufferBytes: number;
  readonly pressure: Pressure;
  readonly settlementsPending: number;
  readonly principals: number;
  readonly connections: number;
  readonly connectionsRefused: number;
  readonly handshakesFailed: number;
  /** Unix time; 0 without TLS. */
  readonly certificateNotAfterMs: number;
};

export type ScrapedOptions = {
  /** Read at scrape time, one call at once, given up after statsDeadlineMs. */
  readonly stats: () => Promise<StoreStats>;
  readonly statsDeadlineMs: number;
  readonly load: () => LoadFigures;
  readonly logLinesDropped: () => number;
  /** Processes that take requests at this moment. */
  readonly workersListening: () => number;
};

export type Scraped = {
  /** What this process has counted: adds up over all that take requests. */
  counted(): readonly SampleFamily[];
  /** What is true once, however many processes there are: the store, the build, reloads, workers. */
  facts(): Promise<readonly SampleFamily[]>;
  ofProcess(): Promise<readonly SampleFamily[]>;
};

const PRESSURE_VALUES: Readonly<Record<Pressure, number>> = { none: 0, refuse: 1, stop: 2 };

export type Families = ReturnType<typeof createFamilies>;

export function createFamilies() {
  return {
    requests: numberFamily(METRICS.requests),
    requestSeconds: histogramFamily(METRICS.requestSeconds),
    upstreamSeconds: histogramFamily(METRICS.upstreamSeconds),
    storeSeconds: histogramFamily(METRICS.storeSeconds),
    inFlight: numberFamily(METRICS.inFlight),
    tasksEnded: numberFamily(METRICS.tasksEnded),
    unknownRecords: numberFamily(METRICS.unknownRecords),
    unknownSeen: numberFamily(METRICS.unknownSeen),
    claimsLost: numberFamily(METRICS.claimsLost),
    lockSeconds: histogramFamily(METRICS.lockSeconds),
    locksLost: numberFamily(METRICS.locksLost),
    responsesUnreadable: numberFamily(METRICS.responsesUnreadable),
    responsesResealed: numberFamily(METRICS.responsesResealed),
    probes: numberFamily(METRICS.probes),
    resolutions: numberFamily(METRICS.resolutions),
    adminWrites: numberFamily(METRICS.adminWrites),
    observed: numberFamily(METRICS.observed),
    preconditions: numberFamily(METRICS.preconditions),
    jsonRpcMessages: numberFamily(METRICS.jsonRpcMessages),
    tickets: numberFamily(METRICS.tickets),
    rotatedCredentials: numberFamily(METRICS.rotatedCredentials),
    replayAuthorizations: numberFamily(METRICS.replayAuthorizations),
    signatures: numberFamily(METRICS.signatures),
    sequenced: numberFamily(METRICS.sequenced),
    producers: numberFamily(METRICS.producers),
    versions: numberFamily(METRICS.versions),
    problems: numberFamily(METRICS.problems),
    tokens: numberFamily(METRICS.tokens),
    overloads: numberFamily(METRICS.overloads),
    configReloads: numberFamily(METRICS.configReloads),
    workerRestarts: numberFamily(METRICS.workerRestarts),
    buildInfo: numberFamily(METRICS.buildInfo),
  };
}

export function createScraped(families: Families, options: ScrapedOptions): Scraped {
  const readStats = boundedStats(options);
  return {
    counted: () => [
      numberSamples(families.requests),
      histogramSamples(families.requestSeconds),
      histogramSamples(families.upstreamSeconds),
      histogramSamples(families.storeSeconds),
      numberSamples(families.inFlight),
      ...loadSamples(options.load()),
      numberSamples(families.overloads),
      numberSamples(families.tasksEnded),
      numberSamples(families.unknownRecords),
      numberSamples(families.claimsLost),
      histogramSamples(families.lockSeconds),
      numberSamples(families.locksLost),
      numberSamples(families.responsesUnreadable),
      numberSamples(families.responsesResealed),
      numberSamples(families.probes),
      numberSamples(families.resolutions),
      numberSamples(families.adminWrites),
      numberSamples(families.observed),
      numberSamples(families.preconditions),
      numberSamples(families.jsonRpcMessages),
      numberSamples(families.tickets),
      numberSamples(families.rotatedCredentials),
      numberSamples(families.replayAuthorizations),
      numberSamples(families.signatures),
      numberSamples(families.sequenced),
      numberSamples(families.producers),
      numberSamples(families.versions),
      numberSamples(families.problems),
      numberSamples(families.tokens),
      singleSample(METRICS.logLinesDropped, options.logLinesDropped()),
    ],
    async facts() {
      const stats = await readStats();
      return [
        singleSample(METRICS.storeRecords, stats.records),
        singleSample(METRICS.storeBytes, stats.bytes),
        numberSamples(families.unknownSeen),
        numberSamples(families.configReloads),
        singleSample(METRICS.workers, options.workersListening()),
        numberSamples(families.workerRestarts),
        numberSamples(families.buildInfo),
      ];
    },
    ofProcess: createProcessMetrics(),
  };
}

function loadSamples(load: LoadFigures): readonly SampleFamily[] {
  return [
    singleSample(METRICS.joinedWaiters, load.joinedWaiters),
    singleSample(METRICS.tasksRunning, load.tasksRunning),
    singleSample(METRICS.bufferBytes, load.bufferBytes),
    singleSample(METRICS.memoryPressure, PRESSURE_VALUES[load.pressure]),
    singleSample(METRICS.settlementsPending, load.settlementsPending),
    singleSample(METRICS.principals, load.principals),
    singleSample(METRICS.connections, load.connections),
    singleSample(METRICS.connectionsRefused, load.connectionsRefused),
    singleSample(METRICS.handshakesFailed, load.handshakesFailed),
    singleSample(METRICS.certificateNotAfter, load.certificateNotAfterMs / 1000),
  ];
}
