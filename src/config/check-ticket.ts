import { type Finding, fault } from './check-top.ts';
import type { Top } from './schema.ts';
import type { Policy } from './schema-policy.ts';
import type { ConfigPath } from './tree.ts';
import { formatDuration } from './units.ts';

type At = (...path: ConfigPath) => ConfigPath;

/** A ticket has 52 characters. */
const TICKET_CHARS = 52;

/** Of `retain`. The rest is for the way of a claim to the store, and for clocks that differ. */
const SURE_SHARE = 0.9;

/** `top` is null where it is faulty itself. */
export function checkTicket(policy: Policy, top: Top | null, at: At): readonly Finding[] {
  const { ticket, key, message } = policy;
  if (ticket === 'off') return [];
  const found: Finding[] = [];
  if (message !== 'off')
    found.push(
      fault('a message has the id of its sender and no ticket; keep one', at('ticket'), at('message')),
    );
  if (ticket.life > policy.retain * SURE_SHARE)
    found.push(
      fault(
        `life is longer than nine tenths of retain (${formatDuration(policy.retain)}): a ticket that was spent and forgotten would be executed again`,
        at('ticket', 'life'),
        at('ticket'),
        at('retain'),
      ),
    );
  if (policy.onStoreDown === 'forward')
    found.push(
      fault(
        'onStoreDown: forward would execute a ticket each time it comes while the store is down',
        at('onStoreDown'),
        at('ticket'),
      ),
    );
  if (!key.required)
    found.push(
      fault(
        'key.required is off: a request without a ticket would be executed each time',
        at('key', 'required'),
        at('ticket'),
      ),
    );
  if (key.sources.length === 0)
    found.push(
      fault('key.sources is empty; a ticket has to be somewhere', at('key', 'sources'), at('ticket')),
    );
  if (key.characters === 'uuid' || key.minLength > TICKET_CHARS || key.maxLength < TICKET_CHARS)
    found.push(
      fault(
        `a ticket has ${TICKET_CHARS} visible ASCII characters, which key does not allow`,
        at('key', 'characters'),
        at('key', 'maxLength'),
        at('key', 'minLength'),
        at('ticket'),
      ),
    );
  if (top?.reserved === 'off')
    found.push(
      fault('tickets are issued under the reserved prefix, which is off', at('ticket'), ['reserved']),
    );
  return found;
}
