import { z } from 'zod';
import { SEQUENCE_DEFAULTS as D } from './defaults.ts';
import { choice, duration, flag, section } from './field.ts';

export const sequence = z
  .union(
    [
      choice(['off']),
      section({
        required: flag()
          .prefault(D.required)
          .describe(
            'Whether a request without the three fields is refused with 400 `sequence-missing`. Turned off, it is forwarded without protection and outside the order; do that only while clients move over.',
          ),
        producerRetain: duration('1s', 'retention')
          .prefault(D.producerRetain)
          .describe(
            'How long a producer is remembered after its last request or new epoch; after it every request of it gets 412 `producer-unknown`. Keep it above the time for which a client may be silent and then retry.',
          ),
        unknownProducer: choice(['refuse', 'accept'])
          .prefault(D.unknownProducer)
          .describe(
            'What a producer gets that is not known, because it has expired or the store has lost it: `refuse` answers 412; `accept` takes its number as the first, as Kafka does. A retry can then execute a second time; use `accept` only where the backend itself tolerates that.',
          ),
      }),
    ],
    { error: 'must be off or { required: true, producerRetain: 7d }' },
  )
  .meta({ 'x-type': '`off` or a section' })
  .describe(
    'Requests of one producer are executed once and in order, as by the idempotent producer of Kafka. A client gets an id at `POST <reserved prefix>/producers?route=NAME` and sends `Producer-Id`, `Producer-Epoch` and `Producer-Sequence` (0, 1, 2 …) with every request that is not safe; the one before must have its outcome first. They take the place of `key`. One number runs over all routes of a keyspace: give routes that count for themselves keyspaces of their own. docs/sequences.md tells the rest. Use it for clients that send one after the other, not for independent requests, which one unknown outcome would all hold up.',
  );
