import { createMetrics, type Metrics, type MetricsOptions } from '../../src/observe/metrics.ts';

/** Metrics of two routes over a store that answers. */
export function sampleMetrics(options: Partial<MetricsOptions> = {}): Metrics {
  return createMetrics({
    routeNames: ['payments', 'refunds'],
    store: 'memory',
    version: '1.2.3',
    nodeVersion: 'v26.10.0',
    stats: async () => ({ records: 7, bytes: 4_096 }),
    statsDeadlineMs: 1_000,
    load: () => ({
      joinedWaiters: 2,
      tasksRunning: 9,
      bufferBytes: 1_024,
      pressure: 'refuse',
      settlementsPending: 3,
      principals: 4,
      connections: 6,
      connectionsRefused: 8,
      handshakesFailed: 9,
      certificateNotAfterMs: 1_800_000_000_000,
    }),
    logLinesDropped: () => 5,
    workersListening: () => 1,
    ...options,
  });
}

/** Every method called with every kind of value, so that no series is missing from the output. */
export function useAll(metrics: Metrics): void {
  metrics.requestEnded('payments', 'unsafe', 'executed', 0.012);
  metrics.requestEnded('payments', 'unsafe', 'replayed', 0.001);
  metrics.requestEnded('unmatched', 'none', 'rejected', 0.0001);
  metrics.upstreamEnded('payments', 0.01);
  metrics.storeOperation('claim', 'ok', 0.0004);
  metrics.storeOperation('complete', 'timeout', 1.5);
  metrics.inFlight.inc();
  metrics.unknownRecord('payments', 'reset');
  metrics.unknownSeen(9);
  metrics.claimLost('refunds');
  metrics.lockWaited('payments', 'held', 0.02);
  metrics.lockLost('refunds');
  metrics.observed('refunds', 'mismatch');
  metrics.precondition('payments', 'required');
  metrics.jsonRpcMessage('payments', 'call');
  metrics.signature('payments', 'genuine');
  metrics.taskEnded('payments', 'executed');
  metrics.sequenced('payments', 'gap');
  metrics.producer('issued');
  metrics.ticket('payments', 'issued');
  metrics.replayAuthorized('payments', 'denied');
  metrics.rotatedCredential('payments', 'executed');
  metrics.version('payments', 'advanced');
  metrics.problem('in-flight');
  metrics.overloaded('buffer');
  metrics.configReload('applied');
  metrics.workerRestarted();
}
