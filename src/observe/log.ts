import { pino, stdTimeFunctions } from 'pino';
import type { RecordKey } from '../core/record.ts';
import type { StoreUnavailableReason } from '../store/contract.ts';
import type { UnreadableReason } from '../store/seal.ts';
import { createIncidentLimit, type Schedule, scheduleUnref } from './incident-limit.ts';
import type { RotationResult } from './metric-table.ts';
import { type RequestFields, requestLine, shortRecordKey } from './request-line.ts';

/**
 * Where log lines go. A reader that stops reading must cost nothing but lines: one write is under way at a time, what
 * comes meanwhile is kept up to a bound, the rest is counted and forgotten (fault 52).
 */
export type LogDestination = {
  /** One line with its newline. Never throws, never waits. */
  write(line: string): void;
  linesDropped(): number;
  /** Writes what is kept, for deadlineMs at most; then takes no more lines. Safe to call twice. */
  close(deadlineMs: number): Promise<void>;
};

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export type Log = {
  /** One line at level info. */
  requestEnded(fields: RequestFields): void;
  /** A write at the end of a claim found that the record is no longer ours. */
  claimLost(route: string, recordKey: RecordKey): void;
  /** A lock was another's, or could have been, before its holder was done. */
  lockLost(route: string): void;
  /** A write was made after its resource had been given to another. `recordKey`: of its key, where it had one. */
  versionLost(route: string, recordKey: RecordKey | null): void;
  /** A stored response did not open and was not served. `keyId`: under which key it says it is. */
  responseUnreadable(route: string, recordKey: RecordKey, reason: UnreadableReason, keyId: string): void;
  /** The same request under the same key came from another caller before. `recordKey`: of the one that came now. */
  credentialRotated(route: string, recordKey: RecordKey, result: RotationResult): void;
  storeUnavailable(reason: StoreUnavailableReason, message: string): void;
  /** A probe got no answer that could be judged. */
  probeFailed(route: string, message: string): void;
  /** A defect: what no code expected. The stack is logged. */
  unexpected(error: unknown): void;
  /** Life of the process: started, draining, stopped, reloads. `facts` hold no secrets. */
  event(
    level: 'info' | 'warn',
    message: string,
    facts: Readonly<Record<string, string | number | readonly string[]>>,
  ): void;
  linesDropped(): number;
  /** Tells held-back incidents and writes what is kept, for deadlineMs at most. */
  close(deadlineMs: number): Promise<void>;
};

export type LogOptions = {
  readonly level: LogLevel;
  readonly destination: LogDestination;
  /** Wall time, for request lines. */
  readonly wallMs: () => number;
  /** When a held-back incident is told; setTimeout where absent. */
  readonly schedule?: Schedule;
};

const MESSAGE_CHARS_MAX = 500;
const STACK_CHARS_MAX = 4_000;
const INCIDENT_WINDOW_MS = 1_000;

/** One JSON object a line: level, time (ISO 8601), the fields, msg. */
// tidy: a method for each thing that is told, a few lines each.
export function createLog(options: LogOptions): Log {
  const { destination, wallMs } = options;
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {},
    },
    destination,
  );
  const limit = createIncidentLimit(INCIDENT_WINDOW_MS, options.schedule ?? scheduleUnref);
  const requests: 'logged' | 'off' = logger.isLevelEnabled('info') ? 'logged' : 'off';

  return {
    requestEnded(fields) {
      if (requests === 'logged') destination.write(requestLine(fields, wallMs()));
    },
    versionLost(route, recordKey) {
      limit.incident('version-lost', (count) => {
        logger.error(
          { route, ...(recordKey === null ? {} : { recordKey: shortRecordKey(recordKey) }), count },
          'version lost: a write was made after its resource had been given to another',
        );
      });
    },
    claimLost(route, recordKey) {
      limit.incident('claim-lost', (count) => {
        logger.error(
          { route, recordKey: shortRecordKey(recordKey), count },
          'claim lost: the store no longer knew this claim',
        );
      });
    },
    lockLost(route) {
      limit.incident(`lock-lost ${route}`, (count) => {
        logger.error(
          { route, count },
          'lock lost: another may have been let in beside a request in execution',
        );
      });
    },
    responseUnreadable(route, recordKey, reason, keyId) {
      limit.incident(`response-unreadable ${reason}`, (count) => {
        logger.error(
          { route, recordKey: shortRecordKey(recordKey), reason, keyId, count },
          'response unreadable: it is stored and does not open, so it is not served',
        );
      });
    },
    credentialRotated(route, recordKey, result) {
      limit.incident(`credential-rotated ${route}`, (count) => {
        logger.warn(
          { route, recordKey: shortRecordKey(recordKey), result, count },
          'credential rotated: the same request came with the same key and another credential before',
        );
      });
    },
    storeUnavailable(reason, message) {
      limit.incident(`store-unavailable ${reason}`, (count) => {
        logger.warn({ reason, detail: bounded(message, MESSAGE_CHARS_MAX), count }, 'store unavailable');
      });
    },
    probeFailed(route, message) {
      limit.incident(`probe-failed ${route}`, (count) => {
        logger.warn({ route, detail: bounded(message, MESSAGE_CHARS_MAX), count }, 'probe failed');
      });
    },
    unexpected(error) {
      limit.incident('unexpected', (count) => {
        logger.error({ detail: errorText(error), count }, 'unexpected error');
      });
    },
    event(level, message, facts) {
      logger[level](facts, bounded(message, MESSAGE_CHARS_MAX));
    },
    linesDropped: () => destination.linesDropped(),
    async close(deadlineMs) {
      limit.close();
      await destination.close(deadlineMs);
    },
  };
}

function bounded(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : text.slice(0, charsMax);
}

function errorText(error: unknown): string {
  if (!(error instanceof Error)) return bounded(String(error), MESSAGE_CHARS_MAX);
  return bounded(error.stack ?? error.message, STACK_CHARS_MAX);
}
