import { isField, type RawHeaders } from './wire.ts';

/** What a request says of its place: who sends, under which epoch, and the how-manieth it is. */
export type SequenceIds = {
  readonly producerId: string;
  readonly epoch: number;
  readonly sequence: number;
};

/** After it comes 0 again (Kafka: an int32). */
export const SEQUENCE_MAX = 2_147_483_647;
/** Kafka: an int16. A producer that has had them all gets another id. */
export const EPOCH_MAX = 32_767;
/** How many of the last requests of a producer are replayed, and how far ahead one may come early (Kafka: 5 batches). */
export const WINDOW = 5;

export const SEQUENCE_FIELDS = ['producer-id', 'producer-epoch', 'producer-sequence'] as const;

export type ReadSequence =
  | { readonly kind: 'sequence'; readonly ids: SequenceIds }
  | { readonly kind: 'absent' }
  | { readonly kind: 'invalid'; readonly detail: string };

const PRODUCER_ID = /^[0-9a-f]{32}$/;
/** One spelling for each number: no sign, no leading zero, no space. */
const DECIMAL = /^(?:0|[1-9][0-9]{0,9})$/;

export function isProducerId(text: string): 'yes' | 'no' {
  return PRODUCER_ID.test(text) ? 'yes' : 'no';
}

/** All three fields, each once; or none. */
export function readSequence(rawHeaders: RawHeaders): ReadSequence {
  const values: (string | null)[] = [null, null, null];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const at = SEQUENCE_FIELDS.findIndex((field) => isField(rawHeaders[i] ?? '', field));
    if (at === -1) continue;
    // Of two numbers nobody knows which one the backend would believe.
    if (values[at] !== null)
      return invalid(`The field ${SEQUENCE_FIELDS[at] ?? ''} is repeated; send it once.`);
    values[at] = rawHeaders[i + 1] ?? '';
  }
  const [producerId = null, epochText = null, sequenceText = null] = values;
  if (producerId === null && epochText === null && sequenceText === null) return { kind: 'absent' };
  const missing = SEQUENCE_FIELDS.filter((_, at) => values[at] === null);
  if (producerId === null || epochText === null || sequenceText === null)
    return invalid(`The field ${missing.join(' and ')} is missing; the three go together.`);
  if (isProducerId(producerId) === 'no')
    return invalid('The field producer-id is no id that was issued here: 32 hexadecimal digits.');
  const epoch = readNumber(epochText, EPOCH_MAX);
  if (epoch === null) return invalid(`The field producer-epoch is no whole number from 0 to ${EPOCH_MAX}.`);
  const sequence = readNumber(sequenceText, SEQUENCE_MAX);
  if (sequence === null)
    return invalid(`The field producer-sequence is no whole number from 0 to ${SEQUENCE_MAX}.`);
  return { kind: 'sequence', ids: { producerId, epoch, sequence } };
}

export function readNumber(text: string, most: number): number | null {
  if (!DECIMAL.test(text)) return null;
  const value = Number(text);
  return value <= most ? value : null;
}

function invalid(detail: string): Extract<ReadSequence, { kind: 'invalid' }> {
  return { kind: 'invalid', detail };
}

/**
 * Where a request stands, counted through over the wrap: sequence 0 after 2^31-1 is position 2^31. So no number of a
 * second lap is ever taken for one of the first, nor its record.
 */
export type Position = number;

const LAP = SEQUENCE_MAX + 1;

/** The one of the positions with this number that is nearest to `last`; never below 0. */
export function positionNear(last: Position, sequence: number): Position {
  const position = last - (last % LAP) + sequence;
  const ahead = position - last;
  if (ahead > LAP / 2 && position >= LAP) return position - LAP;
  return ahead < -LAP / 2 ? position + LAP : position;
}

export function sequenceAt(position: Position): number {
  return position % LAP;
}

/** As it is told to people, and to a probe: what names the operation. */
export function sequenceName({ producerId, epoch, sequence }: SequenceIds): string {
  return `${producerId}/${epoch}/${sequence}`;
}

/** As a key of the keyspace. Its first character is none that a client's key can have. */
export function sequenceKey(producerId: string, epoch: number, position: Position): string {
  return `\0sequence/${producerId}/${epoch}/${position}`;
}
