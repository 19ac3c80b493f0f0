import { z } from 'zod';
import { TASK_DEFAULTS as D } from './defaults.ts';
import { choice, count, duration, section } from './field.ts';

/** The fields of `task`. */
export const task = z
  .union(
    [
      choice(['off']),
      section({
        respond: choice(['prefer', 'async'])
          .prefault(D.respond)
          .describe(
            'Which keyed requests start a task: `prefer` those with `Prefer: respond-async`, `async` all of them. Do not use `async` where clients take every 2xx for the result.',
          ),
        onRepeat: choice(['attach', 'state', 'reject'])
          .prefault(D.onRepeat)
          .describe(
            'What a start gets whose task is running already: `attach` waits for the answer, up to `wait` or `Prefer: wait=N`, and then gets 202; `state` gets 202 at once; `reject` gets 409 `in-flight`. A repeat that does not start a task is treated as `inFlight` says.',
          ),
        afterCompletion: choice(['replay', 'restart-failed'])
          .prefault(D.afterCompletion)
          .describe(
            'What a start gets whose task has ended: `replay` the stored response. With `restart-failed` a task that ended with a response of 400 or more is executed anew under the same key and id; one that succeeded, or whose outcome is unknown, never is. Use it only where every such answer of the backend means that nothing was done.',
          ),
        wait: duration('0s')
          .prefault(D.wait)
          .describe(
            'The longest wait of a start or of a question to the status resource: `Prefer: wait=N` is cut to it. Keep it below the time-out of balancers in front. `0s`: nobody waits.',
          ),
        waiters: count(1, 100_000)
          .prefault(D.waiters)
          .describe(
            'How many may wait for one task at once, in each process; one more is told at once how it stands.',
          ),
        timeout: duration('1s')
          .prefault(D.timeout)
          .describe(
            'How long the backend may take for the whole answer, in place of the time-outs of the route. After it the connection is broken and the outcome is unknown.',
          ),
        retryAfter: duration('1s')
          .prefault(D.retryAfter)
          .describe('`Retry-After` of an answer that says that a task is running.'),
      }),
    ],
    { error: 'must be off, {} or a section such as { respond: async, timeout: 15m }' },
  )
  .meta({ 'x-type': '`off` or a section' })
  .describe(
    'Whether a keyed request may be executed in the background: it is answered 202 with the `Location` of a status resource, which only its principal can read. The execution has the guarantees of any other; a proxy that dies leaves its outcome unknown, and `onUnknown` and `reconcile` end it. Leave it off where answers come within seconds: a client that waits learns the result sooner.',
  );

export type Task = z.output<typeof task>;
