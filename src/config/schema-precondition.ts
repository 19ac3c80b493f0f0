import { z } from 'zod';
import { PRECONDITION_DEFAULTS as D } from './defaults.ts';
import { choice, list, section } from './field.ts';
import { method } from './field-http.ts';

/** Optimistic locks: writes that name the version they are meant for. */

export const precondition = z
  .union(
    [
      choice(['off']),
      section({
        methods: list(method(), 32, 'methods')
          .prefault([...D.methods])
          .describe(
            'The methods that write the resource. Add POST only where it changes the resource that its own path names.',
          ),
        require: choice(['if-match'])
          .prefault(D.require)
          .describe(
            '`if-match`: a write without `If-Match` gets 428 and is not forwarded. `If-None-Match: *`, the condition of a write that creates, is as good. Do not demand it of clients that have no way to learn the ETag.',
          ),
      }),
    ],
    { error: 'must be off or { require: if-match }' },
  )
  .meta({ 'x-type': '`off` or a section' })
  .describe(
    'Optimistic locking: a write has to name the version of the resource it is meant for, so that nobody overwrites what he has not seen. The backend has to give out ETags and to honour `If-Match`; both pass through untouched. `off`: what a backend does with conditions is its own affair.',
  );

export type Precondition = z.output<typeof precondition>;
