import { DatabaseError } from 'pg';
import { StoreUnavailable, type StoreUnavailableReason } from '../contract.ts';

/** A server, a schema or a secret that must not be used together; the message goes on after `… is refused: `. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** SQLSTATE of PostgreSQL's appendix A; below them their classes. What is not here is `error`. */
const REASON_BY_STATE: Readonly<Record<string, StoreUnavailableReason>> = {
  '25006': 'readonly',
  '40001': 'busy',
  '40P01': 'busy',
  '53100': 'disk_full',
  '53200': 'out_of_memory',
  '53300': 'busy',
  '53400': 'busy',
  '55P03': 'busy',
  '57014': 'timeout',
  '57P01': 'connection',
  '57P02': 'connection',
  '57P03': 'loading',
  '57P05': 'connection',
  XX001: 'corrupt',
  XX002: 'corrupt',
};

const REASON_BY_CLASS: Readonly<Record<string, StoreUnavailableReason>> = { '08': 'connection' };

/** The driver has no type of its own for these. */
const TIMEOUTS: ReadonlySet<string> = new Set([
  'Query read timeout',
  'timeout expired',
  'timeout exceeded when trying to connect',
  'Connection terminated due to connection timeout',
]);

/** After these the session is as it was; after all others the connection is not used again. */
const HARMLESS: ReadonlySet<string> = new Set(['40001', '40P01', '53100', '53200', '55P03', '57014']);

const HINTS: Readonly<Record<string, string>> = {
  '26000': 'is a pooler in transaction mode between? Its session mode works',
  '42P05': 'is a pooler between that keeps prepared statements? Its session mode with DISCARD ALL works',
  '42P01': 'its tables are gone: a start creates them anew, without the records',
  '3F000': 'its schema is gone: a start creates it anew, without the records',
};

/** SQLSTATE of a refusal of the server, or null for any other failure. */
export function sqlState(error: unknown): string | null {
  return error instanceof DatabaseError ? (error.code ?? null) : null;
}

export function leavesSessionWhole(error: unknown): 'whole' | 'broken' {
  return HARMLESS.has(sqlState(error) ?? '') ? 'whole' : 'broken';
}

/**
 * What a failed statement means to the caller. The driver's error is not kept as the cause: its detail can carry the
 * values of a row, and with them response bodies.
 */
export function toUnavailable(error: unknown): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error;
  const message = error instanceof Error ? firstLine(error) : 'postgres failed';
  const state = sqlState(error);
  if (state !== null) {
    const reason = REASON_BY_STATE[state] ?? REASON_BY_CLASS[state.slice(0, 2)] ?? 'error';
    const hint = HINTS[state];
    return new StoreUnavailable(reason, `postgres: ${message}${hint === undefined ? '' : ` (${hint})`}`);
  }
  if (TIMEOUTS.has(message)) return new StoreUnavailable('timeout', 'postgres gave no answer in time');
  return new StoreUnavailable('connection', `no connection to postgres: ${message}`);
}

/** Of several addresses tried, none has a message of its own. */
function firstLine(error: Error): string {
  const told = error instanceof AggregateError ? error.errors[0] : error;
  const message = told instanceof Error ? told.message : error.message;
  return message.split('\n', 1)[0] ?? '';
}
