import type { Cell, CellWriteResult } from '../../core/cell.ts';
import type { ClaimResult, RecordKey, RecordState, RecordView, WriteResult } from '../../core/record.ts';
import { decodeResponse } from '../codec.ts';
import { StoreUnavailable } from '../contract.ts';
import type { StatementName } from './statements.ts';

/** Rows of the statements, as their headers promise them. What differs is no record of ours: `corrupt`. */
export type Row = readonly unknown[];

/** One statement, values in the order of its header. */
export type Ask = (name: StatementName, values: readonly unknown[]) => Promise<readonly Row[]>;

/** Null: undecided, to be asked again. */
export function readClaimRows(rows: readonly Row[]): ClaimResult | null {
  const row = rows[0];
  if (row === undefined) return null;
  const [kind, token, attempt, fingerprint, policyId, ms, reason, response] = row;
  switch (kind) {
    case 'claimed':
      return { kind, token: integer(token), attempt: integer(attempt) };
    case 'inFlight':
      return { kind, ...identity(fingerprint, policyId, token), leaseLeftMs: integer(ms) };
    case 'completed':
      return { kind, ...identity(fingerprint, policyId, token), response: decodeResponse(bytes(response)) };
    case 'unknown':
      return {
        kind,
        ...identity(fingerprint, policyId, token),
        reason: text(reason),
        unknownForMs: integer(ms),
      };
    default:
      throw unexpected('a claim');
  }
}

/** What a record says to a claim that cannot be written; null where only a write could tell. */
export function settledAnswer(view: RecordView | null): ClaimResult | null {
  if (view === null) return null;
  const { fingerprint, policyId, token, response, reason, unknownForMs } = view;
  if (view.state === 'completed' && response !== null) {
    return { kind: 'completed', fingerprint, policyId, token, response };
  }
  if (view.state === 'unknown')
    return { kind: 'unknown', fingerprint, policyId, token, reason, unknownForMs };
  return null;
}

export function readWriteRows(rows: readonly Row[]): WriteResult {
  return rows.length === 0 ? 'lost' : 'ok';
}

export function readForgetRows(rows: readonly Row[]): 'ok' | 'refused' {
  const word = rows[0]?.[0];
  if (word === 'ok' || word === 'refused') return word;
  throw unexpected('a removal');
}

export function readAwaitRows(rows: readonly Row[]): 'in-flight' | 'settled' {
  return rows[0]?.[0] === 'in-flight' ? 'in-flight' : 'settled';
}

export function readInspectRows(rows: readonly Row[]): RecordView | null {
  const row = rows[0];
  return row === undefined ? null : readView(row);
}

/** The columns of a record as `inspect` and `list` give them. */
export function readView(row: Row): RecordView {
  const [recordKey, state, token, fingerprint, policyId, leaseLeftMs, expiresInMs] = row;
  const [reason, unknownForMs, retryAfterMs, note, response] = row.slice(7);
  return {
    recordKey: recordKeyOf(recordKey),
    state: recordState(state),
    ...identity(fingerprint, policyId, token),
    leaseLeftMs: integer(leaseLeftMs),
    expiresInMs: integer(expiresInMs),
    reason: text(reason),
    unknownForMs: integer(unknownForMs),
    retryAfterMs: retryAfterMs === null ? null : Number(retryAfterMs),
    note: note === null ? null : bytes(note),
    response: response === null || response === undefined ? null : decodeResponse(bytes(response)),
  };
}

export function readCellRow(rows: readonly Row[], decode: (bytes: Buffer) => Uint8Array): Cell {
  const [version, value, nowMs] = rows[0] ?? [];
  const known = integer(version);
  return { version: known, value: known === 0 ? NO_VALUE : decode(bytes(value)), nowMs: integer(nowMs) };
}

const NO_VALUE = new Uint8Array(0);

/** Null: another version is there, or none. */
export function readCellWriteRow(rows: readonly Row[]): CellWriteResult | null {
  const row = rows[0];
  return row === undefined ? null : { kind: 'written', version: integer(row[0]), nowMs: integer(row[1]) };
}

export function readCount(field: unknown): number {
  return integer(field);
}

export function readCountOrNull(field: unknown): number | null {
  return field === null ? null : integer(field);
}

function recordKeyOf(field: unknown): RecordKey {
  return text(field);
}

function identity(
  fingerprint: unknown,
  policyId: unknown,
  token: unknown,
): { fingerprint: string; policyId: string; token: number } {
  return { fingerprint: text(fingerprint), policyId: text(policyId), token: integer(token) };
}

function recordState(state: unknown): RecordState {
  switch (state) {
    case 'claimed':
    case 'dispatched':
    case 'completed':
    case 'unknown':
    case 'released':
      return state;
    default:
      throw unexpected('a state');
  }
}

/** A bigint comes as text. */
function integer(field: unknown): number {
  const value = typeof field === 'string' && field !== '' ? Number(field) : field;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw unexpected('an integer');
  return value;
}

function bytes(field: unknown): Buffer {
  if (!Buffer.isBuffer(field)) throw unexpected('bytes');
  return field;
}

function text(field: unknown): string {
  if (typeof field !== 'string') throw unexpected('text');
  return field;
}

function unexpected(what: string): StoreUnavailable {
  return new StoreUnavailable(
    'corrupt',
    `postgres answered something else than ${what}: is its data changed by others?`,
  );
}
