import type { CellKey } from '../core/cell.ts';
import {
  decodeProducer,
  encodeProducer,
  judgePredecessor,
  type Place,
  type ProducerState,
  placeOf,
  reserve,
  type Stream,
  turnOf,
  type UnknownProducer,
} from '../core/producer.ts';
import type { RecordKey, RecordView } from '../core/record.ts';
import { recordKeysOf } from '../core/record-key.ts';
import { type Position, type SequenceIds, sequenceAt, sequenceKey } from '../core/sequence.ts';
import { unreachable } from '../core/unreachable.ts';
import { StoreUnavailable } from '../store/contract.ts';
import type { ClaimAnswer } from './claim.ts';
import type { HeldBody } from './held-body.ts';
import { claimBounded } from './new-keys.ts';
import type { RequestContext } from './types.ts';

/**
 * One try of a request to get its turn. A request executes if it has claimed its record and then, by one write of the
 * producer's cell, has made itself the last; in that order. So whoever reads the cell afterwards, the holder of a newer
 * epoch too, finds a record that tells whether the last one is at work, and a claim that comes later than the newer
 * epoch fails at the cell and is given back.
 */

export type Asked = {
  readonly context: RequestContext;
  readonly ids: SequenceIds;
  readonly scope: Uint8Array;
  readonly digest: string;
  readonly body: HeldBody;
  /** Under each secret, current first. */
  readonly cellKeys: readonly CellKey[];
};

export type Refusal =
  | { readonly kind: 'unknown'; readonly why: 'absent' | 'epoch' | 'streams' | 'expired' }
  | { readonly kind: 'fenced' }
  | { readonly kind: 'gap' | 'waiting' | 'blocked'; readonly expected: number }
  | { readonly kind: 'too-old'; readonly executed: 'yes' | 'unknown' };

export type Tried =
  /** Claimed and the last of its producer: execute. */
  | { readonly kind: 'turn'; readonly claimed: ClaimAnswer }
  /** Another has claimed it, or it is over: what the record says. */
  | { readonly kind: 'taken'; readonly claimed: ClaimAnswer }
  | { readonly kind: 'not-claimed'; readonly claimed: Exclude<Claimed, ClaimAnswer> }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** May become its turn when the cell is written, or that record settled. */
  | { readonly kind: 'wait'; readonly refusal: Refusal; readonly settles: RecordKey | null }
  /** Somebody was faster: look again. */
  | { readonly kind: 'again' };

type Claimed = Awaited<ReturnType<typeof claimBounded>>;

type Seen = {
  readonly cellKey: CellKey;
  readonly version: number;
  readonly nowMs: number;
  readonly state: ProducerState | null;
};

export async function tryTurn(asked: Asked): Promise<Tried> {
  const seen = await look(asked);
  const place = placeIn(asked, seen);
  switch (place.kind) {
    case 'unknown':
    case 'fenced':
    case 'too-old':
    case 'gap':
      return { kind: 'refused', refusal: place };
    case 'early':
      return { kind: 'wait', refusal: { kind: 'gap', expected: place.expected }, settles: null };
    case 'duplicate':
      return await repeat(asked, place.position);
    case 'current':
      return await claimTurn(asked, place, null);
    case 'next': {
      const held = place.predecessor === null ? null : await beforeTurn(asked, place.predecessor, seen.nowMs);
      return held ?? (await claimTurn(asked, place, seen));
    }
    default:
      return unreachable(place);
  }
}

async function look({ context, cellKeys }: Asked): Promise<Seen> {
  const { cells } = context.engine.store;
  const [current = ''] = cellKeys;
  let nowMs = 0;
  for (const cellKey of cellKeys) {
    const cell = await cells.read(cellKey);
    nowMs = cell.nowMs;
    if (cell.version !== 0)
      return { cellKey, version: cell.version, nowMs, state: decodeProducer(cell.value) };
  }
  return { cellKey: current, version: 0, nowMs, state: null };
}

function placeIn({ context, ids }: Asked, { state, version }: Seen): Place {
  // A cell that cannot be read is nobody's to write anew: what it knew would be executed again.
  const unknown = state === null && version !== 0 ? 'refuse' : unknownProducerOf(context);
  return placeOf(state, context.policy.keyspace, ids, unknown);
}

function unknownProducerOf({ policy }: RequestContext): UnknownProducer {
  return policy.sequence?.unknownProducer ?? 'refuse';
}

/** Under each secret, current first. */
export function recordKeysAt(asked: Asked, epoch: number, position: Position): readonly RecordKey[] {
  const { context, ids, scope } = asked;
  const key = sequenceKey(ids.producerId, epoch, position);
  return recordKeysOf(context.snapshot.secrets, context.policy.keyspace, scope, key);
}

async function viewAt(asked: Asked, epoch: number, position: Position): Promise<RecordView | null> {
  for (const key of recordKeysAt(asked, epoch, position)) {
    const view = await asked.context.engine.store.inspect(key);
    if (view !== null) return view;
  }
  return null;
}

/** Only looked at, never claimed: it was executed, even where its record is gone. */
async function repeat(asked: Asked, position: Position): Promise<Tried> {
  const view = await viewAt(asked, asked.ids.epoch, position);
  if (view?.state !== 'completed' || view.response === null)
    return { kind: 'refused', refusal: { kind: 'too-old', executed: 'yes' } };
  const { fingerprint, policyId, token, response } = view;
  const result = { kind: 'completed', fingerprint, policyId, token, response } as const;
  const claimed = { kind: 'answered', result, recordKey: view.recordKey, owner: '', sentMs: 0 } as const;
  return { kind: 'taken', claimed };
}

/** Null: nothing is in the way. */
async function beforeTurn(asked: Asked, stream: Stream, nowMs: number): Promise<Tried | null> {
  const { ids, context } = asked;
  const view = await viewAt(asked, stream.epoch, stream.last);
  const rules = { unknown: unknownProducerOf(context), quietMs: context.policy.quietMs };
  const standing = judgePredecessor(view, stream, nowMs);
  const turn = turnOf(standing, stream, ids.epoch, view?.unknownForMs ?? 0, rules);
  const expected = stream.epoch === ids.epoch ? sequenceAt(stream.last) : ids.sequence;
  const settles = view?.recordKey ?? null;
  switch (turn.kind) {
    case 'go':
      return null;
    case 'wait':
      return { kind: 'wait', refusal: { kind: 'waiting', expected }, settles };
    case 'missing':
      // Whoever sent it may be about to send it again.
      return { kind: 'wait', refusal: { kind: 'gap', expected }, settles };
    case 'blocked':
      return { kind: 'refused', refusal: { kind: 'blocked', expected } };
    case 'expired':
      return { kind: 'refused', refusal: { kind: 'unknown', why: 'expired' } };
    default:
      return unreachable(turn);
  }
}

type Claimable = Extract<Place, { kind: 'current' | 'next' }>;

/** `seen` null: to be read after the claim, so that no record can have expired in between. */
async function claimTurn(asked: Asked, place: Claimable, seen: Seen | null): Promise<Tried> {
  const recordKeys = recordKeysAt(asked, asked.ids.epoch, place.position);
  const context = { ...asked.context, recordKey: recordKeys[0] ?? null };
  const claimed = await claimBounded(context, recordKeys, asked.digest, asked.body.bytes());
  if (claimed.kind !== 'answered') return { kind: 'not-claimed', claimed };
  if (claimed.result.kind !== 'claimed') {
    if (claimed.result.kind === 'completed' && place.kind === 'next' && seen !== null)
      await catchUp(asked, place.position, seen);
    return { kind: 'taken', claimed };
  }
  try {
    const reserved = await reserveTurn(asked, place, seen ?? (await look(asked)));
    if (reserved.kind === 'reserved') return { kind: 'turn', claimed };
    const { recordKey: claimedKey, owner, result } = claimed;
    await context.engine.store.release({ recordKey: claimedKey, owner, token: result.token }, null);
    return reserved;
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    // Not dispatched, and never will be: given back by its owner until its lease is over.
    context.engine.settler.releaseOwner(claimed.recordKey, claimed.owner, context.policy.leaseMs);
    throw error;
  }
}

/**
 * Completed, and the cell says that it never had its turn: a failover has lost the cell's last write. Without it the
 * next number would wait for this one for ever. How long the record will be there is not known any more.
 */
async function catchUp(asked: Asked, position: Position, seen: Seen): Promise<void> {
  await writeLast(asked, position, seen, seen.nowMs);
}

async function reserveTurn(
  asked: Asked,
  claimed: Claimable,
  seen: Seen,
): Promise<{ readonly kind: 'reserved' } | Extract<Tried, { kind: 'again' | 'refused' }>> {
  const { context } = asked;
  const place = placeIn(asked, seen);
  if (place.kind !== claimed.kind || place.position !== claimed.position) return { kind: 'again' };
  // The record may have been completed and have expired: then to have claimed it proves nothing.
  if (
    place.kind === 'current' &&
    seen.nowMs >= place.stream.untilMs &&
    unknownProducerOf(context) === 'refuse'
  )
    return { kind: 'refused', refusal: { kind: 'unknown', why: 'expired' } };
  const untilMs = seen.nowMs + Math.floor(context.policy.retainMs * SURE_SHARE);
  const written = await writeLast(asked, place.position, seen, untilMs);
  return written === 'written' ? { kind: 'reserved' } : { kind: 'again' };
}

async function writeLast(
  { context, ids }: Asked,
  position: Position,
  seen: Seen,
  untilMs: number,
): Promise<'written' | 'changed'> {
  const { keyspace, sequence } = context.policy;
  const written = await context.engine.store.cells.write(seen.cellKey, {
    expectedVersion: seen.version,
    value: encodeProducer(reserve(seen.state, keyspace, ids, position, untilMs)),
    lifeMs: sequence?.producerRetainMs ?? 1,
    wakes: 'waiters',
  });
  return written.kind;
}

/** Of `retain`. What is left of it is for the clocks of two nodes of a cluster, one of the cell and one of the record. */
const SURE_SHARE = 0.9;
