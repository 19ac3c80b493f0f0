import { nodeOf } from './tree.ts';

/** What `ticket` sets in a policy, as it would be written in the file. A form has no fields of the head to set. */
export const TICKET_PRESET = nodeOf(
  {
    key: {
      sources: [{ header: 'Idempotency-Key' }, { form: '_ticket' }, { query: '_ticket' }],
      required: true,
    },
    keyIdempotentMethods: true,
  },
  { kind: 'preset', name: 'ticket', at: null },
);
