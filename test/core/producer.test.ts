import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bump,
  decodeProducer,
  encodeProducer,
  NEW_PRODUCER,
  type Place,
  type ProducerState,
  placeOf,
  reserve,
  STREAMS_MAX,
  type Stream,
} from '../../src/core/producer.ts';
import { EPOCH_MAX, SEQUENCE_MAX, type SequenceIds, sequenceAt, WINDOW } from '../../src/core/sequence.ts';

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

/** The broker, written down as it is told: last number, the last five, int32 that wraps. */
type Broker = { epoch: number; lastSequence: number; cache: number[] };

function brokerSays(
  broker: Broker,
  { epoch, sequence }: SequenceIds,
): 'duplicate' | 'fenced' | 'append' | 'out-of-order' {
  if (epoch === broker.epoch && broker.cache.includes(sequence)) return 'duplicate';
  if (epoch < broker.epoch) return 'fenced';
  const last = epoch > broker.epoch ? -1 : broker.lastSequence;
  const inOrder = sequence === last + 1 || (sequence === 0 && last === 2_147_483_647);
  if (!inOrder) return 'out-of-order';
  if (epoch > broker.epoch) broker.cache = [];
  broker.epoch = epoch;
  broker.lastSequence = sequence;
  broker.cache = [...broker.cache, sequence].slice(-5);
  return 'append';
}

const AS_THE_BROKER: Readonly<Record<Place['kind'], ReturnType<typeof brokerSays> | 'unknown'>> = {
  current: 'duplicate',
  duplicate: 'duplicate',
  fenced: 'fenced',
  next: 'append',
  early: 'out-of-order',
  gap: 'out-of-order',
  'too-old': 'out-of-order',
  unknown: 'unknown',
};

const asked = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -7, max: 8 }).map((by) => ({ kind: 'send' as const, by })) },
  { weight: 4, arbitrary: fc.constant({ kind: 'send' as const, by: 1 }) },
  { weight: 1, arbitrary: fc.nat({ max: SEQUENCE_MAX }).map((by) => ({ kind: 'send' as const, by })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'bump' as const, by: 0 }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'stale' as const, by: 1 }) },
);

describe('a producer', () => {
  it('is told the same as by a broker, over the wrap too', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 3, SEQUENCE_MAX - 3, LAP + 2, 5 * LAP - 2),
        fc.array(asked, { maxLength: 40 }),
        (start, asks) => {
          let state = producer(1, stream(1, start, Math.max(0, start - 20)));
          const broker: Broker = {
            epoch: 1,
            lastSequence: sequenceAt(start),
            cache: Array.from({ length: WINDOW }, (_, i) => start - i)
              .filter((position) => position >= 0)
              .map(sequenceAt)
              .reverse(),
          };
          for (const { kind, by } of asks) {
            if (kind === 'bump') {
              const bumped = bump(state, null, 0);
              state = bumped.kind === 'bumped' ? bumped.state : state;
              // A broker learns of it with the first request only; asked for number 0 it says the same.
              broker.epoch = state.epoch;
              broker.lastSequence = -1;
              broker.cache = [];
              continue;
            }
            const one = ids(
              kind === 'stale' ? state.epoch - 1 : state.epoch,
              (((broker.lastSequence + by) % LAP) + LAP) % LAP,
            );
            const place = placeOf(state, SPACE, one, 'refuse');

            expect(AS_THE_BROKER[place.kind]).toBe(brokerSays(broker, one));
            if (place.kind === 'next') state = reserve(state, SPACE, one, place.position, 1_000);
          }
        },
      ),
    );
  });

  it('reserves each position once, in order, whatever is asked', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 30 }), { maxLength: 60 }), (sequences) => {
        let state: ProducerState = NEW_PRODUCER;
        const reserved: number[] = [];
        for (const sequence of sequences) {
          const place = placeOf(state, SPACE, ids(0, sequence), 'refuse');
          if (place.kind !== 'next') continue;
          reserved.push(place.position);
          state = reserve(state, SPACE, ids(0, sequence), place.position, 1_000);
        }

        expect(reserved).toEqual(reserved.map((_, i) => i));
      }),
    );
  });

  it('comes back from its bytes as it was', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: EPOCH_MAX }),
        fc.array(
          fc.tuple(fc.string({ maxLength: 64 }), fc.nat(), fc.maxSafeNat(), fc.maxSafeNat(), fc.maxSafeNat()),
          { maxLength: STREAMS_MAX },
        ),
        (epoch, list) => {
          const streams = new Map(
            list.map(([name, of, first, last, untilMs]) => [name, { epoch: of, first, last, untilMs }]),
          );

          expect(decodeProducer(encodeProducer({ epoch, streams }))).toEqual({ epoch, streams });
        },
      ),
    );
  });

  it('with the most and longest keyspaces fits into a cell', () => {
    const streams = new Map(
      Array.from({ length: STREAMS_MAX }, (_, i) => [
        `${i}`.padEnd(64, 'x'),
        { epoch: EPOCH_MAX, first: 2 ** 52, last: 2 ** 53 - 1, untilMs: 2 ** 52 },
      ]),
    );

    expect(encodeProducer({ epoch: EPOCH_MAX, streams }).byteLength).toBeLessThan(16_384);
  });

  it.each([
    '',
    '{}',
    '[]',
    '[2,0,[]]',
    '[1,-1,[]]',
    '[1,0,[["a",0,0,0]]]',
    '[1,0,[["a",0,0,0.5,0]]]',
    '[1,0,[7]]',
    '[1,0',
  ])('is none where its bytes are %j', (text) => {
    expect(decodeProducer(Buffer.from(text))).toBeNull();
  });
});
