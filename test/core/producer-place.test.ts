import { describe, expect, it } from 'vitest';
import {
  type ProducerState,
  placeOf,
  STREAMS_MAX,
  type Stream,
  type UnknownProducer,
} from '../../src/core/producer.ts';
import { SEQUENCE_MAX, type SequenceIds } from '../../src/core/sequence.ts';

const ID = '0123456789abcdef0123456789abcdef';
const SPACE = 'orders';
const LAP = SEQUENCE_MAX + 1;

function ids(epoch: number, sequence: number): SequenceIds {
  return { producerId: ID, epoch, sequence };
}

function stream(epoch: number, last: number, first = 0): Stream {
  return { epoch, first, last, untilMs: 1_000 };
}

function producer(epoch: number, of: Stream | null): ProducerState {
  return { epoch, streams: new Map(of === null ? [] : [[SPACE, of]]) };
}

type Row = readonly [
  what: string,
  state: ProducerState | null,
  epoch: number,
  sequence: number,
  unknown: UnknownProducer,
  place: Record<string, unknown>,
];

/** The broker's rules, in the order of dialects.md section 5. */
const ROWS: readonly Row[] = [
  [
    'the same epoch and number is the current one',
    producer(0, stream(0, 7)),
    0,
    7,
    'refuse',
    { kind: 'current' },
  ],
  [
    'one of the last five is a duplicate',
    producer(0, stream(0, 7)),
    0,
    3,
    'refuse',
    { kind: 'duplicate', position: 3 },
  ],
  [
    'the sixth from the end is too old',
    producer(0, stream(0, 7)),
    0,
    2,
    'refuse',
    { kind: 'too-old', executed: 'yes' },
  ],
  ['an older epoch is fenced', producer(2, stream(2, 7)), 1, 8, 'refuse', { kind: 'fenced' }],
  [
    'an older epoch is fenced even for a duplicate',
    producer(2, stream(1, 7)),
    1,
    7,
    'refuse',
    { kind: 'fenced' },
  ],
  [
    'a newer epoch that nobody issued is unknown',
    producer(2, stream(2, 7)),
    3,
    0,
    'refuse',
    { kind: 'unknown', why: 'epoch' },
  ],
  [
    'a newer epoch begins at 0 where any is taken',
    producer(2, stream(2, 7)),
    3,
    0,
    'accept',
    { kind: 'next', position: 0 },
  ],
  [
    'a newer epoch begins with no other',
    producer(2, stream(2, 7)),
    3,
    8,
    'accept',
    { kind: 'gap', expected: 0 },
  ],
  [
    'the first of an issued epoch is 0',
    producer(3, stream(2, 7)),
    3,
    0,
    'refuse',
    { kind: 'next', position: 0 },
  ],
  [
    'another one of it comes early',
    producer(3, stream(2, 7)),
    3,
    1,
    'refuse',
    { kind: 'early', expected: 0 },
  ],
  ['or leaves a gap', producer(3, stream(2, 7)), 3, 8, 'refuse', { kind: 'gap', expected: 0 }],
  ['one greater is the next', producer(0, stream(0, 7)), 0, 8, 'refuse', { kind: 'next', position: 8 }],
  ['two greater is early', producer(0, stream(0, 7)), 0, 9, 'refuse', { kind: 'early', expected: 8 }],
  ['five greater is early still', producer(0, stream(0, 7)), 0, 12, 'refuse', { kind: 'early', expected: 8 }],
  ['six greater is a gap', producer(0, stream(0, 7)), 0, 13, 'refuse', { kind: 'gap', expected: 8 }],
  [
    'after the greatest comes 0',
    producer(0, stream(0, SEQUENCE_MAX)),
    0,
    0,
    'refuse',
    { kind: 'next', position: LAP },
  ],
  ['and no other', producer(0, stream(0, SEQUENCE_MAX)), 0, 6, 'refuse', { kind: 'gap', expected: 0 }],
  [
    'the window goes over the wrap',
    producer(0, stream(0, LAP + 1)),
    0,
    SEQUENCE_MAX,
    'refuse',
    { kind: 'duplicate', position: SEQUENCE_MAX },
  ],
  ['and ends there', producer(0, stream(0, LAP + 1)), 0, SEQUENCE_MAX - 3, 'refuse', { kind: 'too-old' }],
  ['no state is unknown', null, 0, 0, 'refuse', { kind: 'unknown', why: 'absent' }],
  ['no state takes any number where that is wanted', null, 4, 77, 'accept', { kind: 'next', position: 77 }],
  [
    'a first use begins at 0',
    producer(0, null),
    0,
    0,
    'refuse',
    { kind: 'next', position: 0, predecessor: null },
  ],
  ['and with no other', producer(0, null), 0, 5, 'refuse', { kind: 'gap', expected: 0 }],
  [
    'what was before the first that was seen may or may not have been executed',
    producer(0, stream(0, 78, 77)),
    0,
    76,
    'accept',
    { kind: 'too-old', executed: 'unknown' },
  ],
];

describe('the place of a request', () => {
  it.each(ROWS)('%s', (_, state, epoch, sequence, unknown, place) => {
    expect(placeOf(state, SPACE, ids(epoch, sequence), unknown)).toMatchObject(place);
  });

  it('is unknown where a producer has been used in too many keyspaces', () => {
    const streams = new Map(Array.from({ length: STREAMS_MAX }, (_, i) => [`k${i}`, stream(0, 1)]));

    expect(placeOf({ epoch: 0, streams }, SPACE, ids(0, 0), 'refuse')).toEqual({
      kind: 'unknown',
      why: 'streams',
    });
    expect(placeOf({ epoch: 0, streams }, 'k3', ids(0, 2), 'refuse').kind).toBe('next');
  });
});
