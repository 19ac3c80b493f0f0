import type { Cell, CellWriteResult } from '../../core/cell.ts';
import type { ClaimResult, RecordKey, RecordState, RecordView, WriteResult } from '../../core/record.ts';
import { decodeResponse } from '../codec.ts';
import { StoreUnavailable } from '../contract.ts';

/** Replies of the scripts, as their headers promise them. What differs is no record of ours: `corrupt`. */

export function readClaimReply(reply: unknown): ClaimResult {
  const fields = list(reply);
  switch (fields[0]) {
    case 0:
      return { kind: 'claimed', token: integer(fields[1]), attempt: integer(fields[2]) };
    case 1:
      return { kind: 'inFlight', ...identity(fields), leaseLeftMs: integer(fields[4]) };
    case 2:
      return { kind: 'completed', ...identity(fields), response: decodeResponse(bytes(fields[4])) };
    case 3:
      return {
        kind: 'unknown',
        ...identity(fields),
        reason: text(fields[4]),
        unknownForMs: integer(fields[5]),
      };
    case 4:
      throw new StoreUnavailable('unsafe', 'redis could lose a new claim as it is set up now; none is made');
    default:
      throw unexpected('a claim');
  }
}

export function readWriteReply(reply: unknown): WriteResult {
  if (reply === 1) return 'ok';
  if (reply === 0) return 'lost';
  throw unexpected('a write');
}

export function readForgetReply(reply: unknown): 'ok' | 'refused' {
  if (reply === 1) return 'ok';
  if (reply === 0) return 'refused';
  throw unexpected('a removal');
}

export function readInspectReply(recordKey: RecordKey, reply: unknown): RecordView | null {
  if (reply === null) return null;
  const fields = list(reply);
  const retryAfter = text(fields[8]);
  const response = fields[9];
  const note = fields[10];
  return {
    recordKey,
    state: recordState(text(fields[0])),
    token: integer(fields[1]),
    fingerprint: text(fields[2]),
    policyId: text(fields[3]),
    leaseLeftMs: integer(fields[4]),
    expiresInMs: integer(fields[5]),
    reason: text(fields[6]),
    unknownForMs: integer(fields[7]),
    retryAfterMs: retryAfter === '' ? null : Number(retryAfter),
    note: note === null ? null : bytes(note),
    response: response === null ? null : decodeResponse(bytes(response)),
  };
}

export function readCellReply(reply: unknown, decode: (bytes: Buffer) => Uint8Array): Cell {
  const fields = list(reply);
  return cellOf(fields[0], fields[1], fields[2], decode);
}

export function readCellWriteReply(reply: unknown, decode: (bytes: Buffer) => Uint8Array): CellWriteResult {
  const fields = list(reply);
  switch (fields[0]) {
    case 0:
      return { kind: 'changed', cell: cellOf(fields[1], fields[2], fields[3], decode) };
    case 1:
      return { kind: 'written', version: integer(fields[1]), nowMs: integer(fields[2]) };
    default:
      throw unexpected('a write of a cell');
  }
}

function cellOf(
  version: unknown,
  value: unknown,
  nowMs: unknown,
  decode: (bytes: Buffer) => Uint8Array,
): Cell {
  const known = integer(version);
  return { version: known, value: known === 0 ? NO_VALUE : decode(bytes(value)), nowMs: integer(nowMs) };
}

const NO_VALUE = new Uint8Array(0);

export type SecretIdReply = { readonly kind: 'accepted' | 'written' | 'refused'; readonly found: string };

export function readSecretIdReply(reply: unknown): SecretIdReply {
  const fields = list(reply);
  const found = text(fields[1]);
  switch (fields[0]) {
    case 0:
      return { kind: 'accepted', found };
    case 1:
      return { kind: 'written', found };
    case 2:
      return { kind: 'refused', found };
    default:
      throw unexpected('the id of the secret');
  }
}

function identity(fields: readonly unknown[]): { fingerprint: string; policyId: string; token: number } {
  return { fingerprint: text(fields[1]), policyId: text(fields[2]), token: integer(fields[3]) };
}

function recordState(state: string): RecordState {
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

function list(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw unexpected('a list');
  return reply;
}

function integer(field: unknown): number {
  if (!Number.isSafeInteger(field)) throw unexpected('an integer');
  return Number(field);
}

function bytes(field: unknown): Buffer {
  if (!Buffer.isBuffer(field)) throw unexpected('bytes');
  return field;
}

function text(field: unknown): string {
  return bytes(field).toString('utf8');
}

function unexpected(what: string): StoreUnavailable {
  return new StoreUnavailable(
    'corrupt',
    `redis answered something else than ${what}: is its data changed by others?`,
  );
}
