import { z } from 'zod';
import { TICKET_DEFAULTS as D } from './defaults.ts';
import { choice, count, duration, section } from './field.ts';

/** Keys that Onceward makes, for clients that cannot or should not make their own. */

const rate = section({
  burst: count(1, 1_000_000_000).prefault(D.rate.burst).describe('How many at once.'),
  perHour: count(1, 1_000_000_000).prefault(D.rate.perHour).describe('How many more each hour.'),
})
  .prefault({})
  .describe(
    'How many tickets one principal, or one address without credentials, may take from one process; beyond it 429. A ticket costs no space until it is spent, so this bounds work, not memory.',
  );

export const ticket = z
  .union(
    [
      choice(['off']),
      section({
        life: duration('1s', 'retention')
          .prefault(D.life)
          .describe(
            'How long a ticket may be spent for the first time; one that was spent in time is answered for as long as its record is kept. Longer than a person needs for a page, and not above nine tenths of `retain`.',
          ),
        rate,
      }),
    ],
    { error: 'must be off or { life: 10m }; {} takes the defaults' },
  )
  .meta({ 'x-type': '`off` or a section' })
  .describe(
    'Keys are tickets: `POST /.well-known/onceward/tickets` with `{"route": …}` makes one, for the caller who asks and for this route alone, and a request is executed once for each. What is no such ticket gets 412 `ticket-unknown`. It sets `key.sources` to `Idempotency-Key`, a form field `_ticket` and a query parameter `_ticket`, and `key.required` and `keyIdempotentMethods`. Use it for HTML forms and for clients whose keys you do not trust; a client that can keep a random value needs no ticket.',
  );
