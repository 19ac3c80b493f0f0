import { z } from 'zod';
import { QUEUE_MAX } from '../core/lock.ts';
import { parseTemplate, VALUE_NAME } from '../core/template.ts';
import { LOCK_DEFAULTS as D } from './defaults.ts';
import { choice, count, duration, list, parsedText, section } from './field.ts';
import { captureSource } from './schema-reconcile.ts';

/** What is executed one at a time. */

const TEXT_MAX = 256;
const RESOURCES_MAX = 8;
const EXPECTED = 'must be the name of a resource, such as /accounts/{id}';

function resource() {
  return parsedText('template', EXPECTED, (value) =>
    value.startsWith('/') && value.length <= TEXT_MAX && /^[\x21-\x7e]+$/.test(value)
      ? { kind: 'ok', value: parseTemplate(value) }
      : { kind: 'fault', message: `${EXPECTED}: it begins with "/" and has visible ASCII characters only` },
  );
}

function resources() {
  return list(resource(), RESOURCES_MAX, 'resources').min(1, { error: 'names no resource' });
}

export const lock = z
  .union(
    [
      choice(['off']),
      resource(),
      resources(),
      section({
        resources: z
          .union([resource(), resources()], { error: EXPECTED })
          .meta({ 'x-type': 'template, or a list' })
          .describe(
            'Names of what is locked. `{name}` is a segment of `match.path` with that name, or a value of `capture`. Two routes lock the same thing where the names come out the same and the keyspace is one. A request of several takes them in sorted order, which is also the order of the tokens.',
          ),
        capture: z
          .record(
            z.string().regex(VALUE_NAME, { error: 'must be a name of letters, digits, "_" and "-"' }),
            captureSource,
            { error: 'must be a mapping such as { account: { json: /account/id } }' },
          )
          .prefault({})
          .meta({ 'x-type': 'name to source' })
          .describe(
            'Values of the request for the names, at most 512 characters each. A request without one of them gets 400.',
          ),
        wait: duration('0s')
          .prefault(D.wait)
          .describe(
            'How long a request waits for its turn, over all its resources, before it gets 423 and its key back. Keep it below the time-out of your clients; `0s` never waits.',
          ),
        queue: count(1, QUEUE_MAX)
          .prefault(D.queue)
          .describe('How many requests may wait for one resource, over all replicas; one more gets 423.'),
        lease: duration('1s')
          .prefault(D.lease)
          .describe(
            'How long a resource stays locked without a sign of life from its holder, who renews it at a third of this. It is how long others wait after a crash. Do not set it below a pause that your machine can make: another would then be let in beside a holder that still lives, and only the token tells the backend which is older.',
          ),
      }),
    ],
    {
      error: 'must be off, a resource such as /accounts/{id}, a list of them, or { resources: …, wait: 5s }',
    },
  )
  .meta({ 'x-type': '`off`, template, list of templates or a section' })
  .describe(
    'Executes one request at a time for each resource, over all replicas: `lock: /accounts/{id}`, with the name from `match.path`. All but safe requests of the route take it, with a key or without, their body read whole up to `limits.request`; the others wait in order. The backend gets `Onceward-Lock-Token`, which grows from holder to holder: a backend that refuses older ones is safe even from a holder that was thought dead. Leave it off where the backend locks by itself: it costs three writes of the store for each request.',
  );

export type LockField = z.output<typeof lock>;
