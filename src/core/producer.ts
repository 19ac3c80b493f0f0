import { EPOCH_MAX, type Position, positionNear, type SequenceIds, sequenceAt, WINDOW } from './sequence.ts';
import { unreachable } from './unreachable.ts';

/** How far a producer has come in one keyspace. Whatever is below `last` and not below `first` has been executed. */
export type Stream = {
  /** Of the request at `last`; older than the producer's own until the first request of a new epoch. */
  readonly epoch: number;
  readonly first: Position;
  readonly last: Position;
  /** Store time until which a missing record of `last` proves that it was not executed. */
  readonly untilMs: number;
};

export type ProducerState = {
  readonly epoch: number;
  /** By keyspace. */
  readonly streams: ReadonlyMap<string, Stream>;
};

/** Of one producer: its state is one small value. */
export const STREAMS_MAX = 32;

export const NEW_PRODUCER: ProducerState = { epoch: 0, streams: new Map() };

export type SequencePolicy = {
  readonly presence: 'required' | 'optional';
  /** Life of a producer from its last write. */
  readonly producerRetainMs: number;
  readonly unknownProducer: UnknownProducer;
};

/** Where nothing is known of a producer: refuse it, or take any number as its first, as Kafka does. */
export type UnknownProducer = 'refuse' | 'accept';

export type Place =
  | { readonly kind: 'unknown'; readonly why: 'absent' | 'epoch' | 'streams' }
  | { readonly kind: 'fenced' }
  /** May be reserved once what came before it is settled. */
  | { readonly kind: 'next'; readonly position: Position; readonly predecessor: Stream | null }
  /** The last that was reserved: executed, at work, or to be tried again. */
  | { readonly kind: 'current'; readonly position: Position; readonly stream: Stream }
  /** Executed; its response may be there. Never executed again, whatever the record says. */
  | { readonly kind: 'duplicate'; readonly position: Position }
  | { readonly kind: 'too-old'; readonly executed: 'yes' | 'unknown' }
  /** Ahead by less than a window: what is missing may be on its way. */
  | { readonly kind: 'early'; readonly expected: number }
  | { readonly kind: 'gap'; readonly expected: number };

/** The rules of Kafka's idempotent producer, a keyspace for a partition and a request for a batch. */
export function placeOf(
  state: ProducerState | null,
  keyspace: string,
  ids: SequenceIds,
  unknown: UnknownProducer,
): Place {
  if (state === null) return unknown === 'accept' ? next(ids.sequence) : { kind: 'unknown', why: 'absent' };
  // Before duplicates are looked for: what an older holder repeats is none of its business any more.
  if (ids.epoch < state.epoch) return { kind: 'fenced' };
  if (ids.epoch > state.epoch && unknown === 'refuse') return { kind: 'unknown', why: 'epoch' };
  const stream = state.streams.get(keyspace);
  if (stream === undefined) {
    if (state.streams.size >= STREAMS_MAX) return { kind: 'unknown', why: 'streams' };
    return unknown === 'accept' && ids.epoch === state.epoch ? next(ids.sequence) : firstOfEpoch(ids, null);
  }
  if (stream.epoch !== ids.epoch) return firstOfEpoch(ids, stream);
  return inStream(stream, ids);
}

function inStream(stream: Stream, ids: SequenceIds): Place {
  const position = positionNear(stream.last, ids.sequence);
  const ahead = position - stream.last;
  if (ahead === 1) return next(position, stream);
  if (ahead === 0) return { kind: 'current', position, stream };
  if (ahead > 1) return ahead > WINDOW ? gap(stream.last + 1) : early(stream.last + 1);
  if (position < stream.first) return { kind: 'too-old', executed: 'unknown' };
  return ahead > -WINDOW ? { kind: 'duplicate', position } : { kind: 'too-old', executed: 'yes' };
}

/** A new epoch counts from 0, in every keyspace. */
function firstOfEpoch(ids: SequenceIds, older: Stream | null): Place {
  if (ids.sequence === 0) return next(0, older);
  return ids.sequence < WINDOW ? early(0) : gap(0);
}

function next(position: Position, predecessor: Stream | null = null): Place {
  return { kind: 'next', position, predecessor };
}

function early(position: Position): Place {
  return { kind: 'early', expected: sequenceAt(position) };
}

function gap(position: Position): Place {
  return { kind: 'gap', expected: sequenceAt(position) };
}

/** What the record of the request before says; the part of a RecordView that counts here. */
export type PredecessorView = {
  readonly state: 'claimed' | 'dispatched' | 'completed' | 'unknown' | 'released';
  readonly leaseLeftMs: number;
  readonly unknownForMs: number;
};

export type Standing = 'settled' | 'in-flight' | 'unknown' | 'not-executed' | 'expired';

/** `view` null: no record. Of the same epoch only what was executed lets the next one on. */
export function judgePredecessor(view: PredecessorView | null, stream: Stream, nowMs: number): Standing {
  // Once its record could have expired, one that says less than that it was executed may have been made since.
  const absent = nowMs < stream.untilMs ? 'not-executed' : 'expired';
  if (view === null) return absent;
  switch (view.state) {
    case 'completed':
      return 'settled';
    case 'unknown':
      return 'unknown';
    case 'released':
      return absent;
    case 'dispatched':
      return 'in-flight';
    case 'claimed':
      // Never dispatched, and its holder can no longer do so.
      return view.leaseLeftMs > 0 ? 'in-flight' : absent;
    default:
      return unreachable(view.state);
  }
}

/** What stands between a request and its turn. */
export type Turn =
  | { readonly kind: 'go' }
  | { readonly kind: 'wait' }
  /** The request before has to be sent again. */
  | { readonly kind: 'missing' }
  | { readonly kind: 'blocked' }
  | { readonly kind: 'expired' };

export type TurnRules = {
  readonly unknown: UnknownProducer;
  /** How long an outcome of an older epoch must have been unknown until a new one passes it. */
  readonly quietMs: number;
};

/**
 * The holder of a new epoch has taken over: what was not executed never will be, and what is unknown it passes once no
 * backend can still be at work on it. What is in flight it waits for, or the order would be lost.
 */
export function turnOf(
  standing: Standing,
  stream: Stream,
  epoch: number,
  unknownForMs: number,
  rules: TurnRules,
): Turn {
  const older = stream.epoch !== epoch;
  switch (standing) {
    case 'settled':
      return { kind: 'go' };
    case 'in-flight':
      return { kind: 'wait' };
    case 'unknown':
      return older && unknownForMs >= rules.quietMs ? { kind: 'go' } : { kind: 'blocked' };
    case 'not-executed':
      return older ? { kind: 'go' } : { kind: 'missing' };
    case 'expired':
      return older || rules.unknown === 'accept' ? { kind: 'go' } : { kind: 'expired' };
    default:
      return unreachable(standing);
  }
}

/** The state once `position` is taken. `untilMs`: for how long its record is sure to be there when it is executed. */
export function reserve(
  state: ProducerState | null,
  keyspace: string,
  ids: SequenceIds,
  position: Position,
  untilMs: number,
): ProducerState {
  const streams = new Map(state?.streams);
  const before = streams.get(keyspace);
  const first = before?.epoch === ids.epoch ? before.first : position;
  streams.set(keyspace, { epoch: ids.epoch, first, last: position, untilMs });
  return { epoch: ids.epoch, streams };
}

export type Bumped =
  | { readonly kind: 'bumped'; readonly state: ProducerState }
  /** All older holders are fenced by it too, and nobody can hold the epoch it has now. */
  | { readonly kind: 'exhausted'; readonly state: ProducerState }
  | { readonly kind: 'fenced' };

/** `held`: the epoch that whoever asks believes in; null: whatever it is. */
export function bump(state: ProducerState, held: number | null, nowMs: number): Bumped {
  if (held !== null && held !== state.epoch) return { kind: 'fenced' };
  // What is of an older epoch by now, and so old that nothing follows from it any more, makes room.
  const streams = new Map([...state.streams].filter(([, stream]) => stream.untilMs > nowMs));
  const bumped = { epoch: state.epoch + 1, streams };
  return { kind: bumped.epoch > EPOCH_MAX ? 'exhausted' : 'bumped', state: bumped };
}

export function encodeProducer({ epoch, streams }: ProducerState): Uint8Array {
  const list = [...streams].map(([name, { epoch: of, first, last, untilMs }]) => [
    name,
    of,
    first,
    last,
    untilMs,
  ]);
  return Buffer.from(JSON.stringify([1, epoch, list]), 'utf8');
}

/** Null: not what `encodeProducer` makes. Taken for no producer at all, so that nothing is executed by it. */
export function decodeProducer(bytes: Uint8Array): ProducerState | null {
  let read: unknown;
  try {
    read = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return null;
  }
  if (!Array.isArray(read) || read[0] !== 1 || !isCount(read[1]) || !Array.isArray(read[2])) return null;
  const streams = new Map<string, Stream>();
  for (const item of read[2]) {
    const stream = decodeStream(item);
    if (stream === null) return null;
    streams.set(stream.name, stream.stream);
  }
  return { epoch: read[1], streams };
}

function decodeStream(item: unknown): { readonly name: string; readonly stream: Stream } | null {
  if (!Array.isArray(item)) return null;
  const [name, epoch, first, last, untilMs]: unknown[] = item;
  if (typeof name !== 'string' || !isCount(epoch) || !isCount(first) || !isCount(last) || !isCount(untilMs))
    return null;
  return { name, stream: { epoch, first, last, untilMs } };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
