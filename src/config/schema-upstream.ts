import { DEFAULTS as D } from './defaults.ts';
import { choice, count, duration, section } from './field.ts';
import { upstreamOrigin } from './field-http.ts';

/** The backend, and how long it may take. */

export const upstreamSchema = section({
  url: upstreamOrigin().describe(
    'The backend: scheme, host and port. Every request goes there, with its own path and query.',
  ),
  connectTimeout: duration('1ms')
    .prefault(D.upstream.connectTimeout)
    .describe(
      'How long connecting may take. After it the request has not been executed and its key is free.',
    ),
  headTimeout: duration('0s')
    .prefault(D.upstream.headTimeout)
    .describe(
      'How long the backend may take from the first byte of the request to the head of its response; after it the client gets 504. `0s`: for ever. Keep it above the slowest honest answer.',
    ),
  bodyTimeout: duration('0s')
    .prefault(D.upstream.bodyTimeout)
    .describe('How long the backend may be silent between two bytes of a response body. `0s`: for ever.'),
  totalTimeout: duration('0s')
    .prefault(D.upstream.totalTimeout)
    .describe('How long an exchange may take as a whole. `0s`: no limit.'),
  lateAnswer: duration('0s')
    .prefault(D.upstream.lateAnswer)
    .describe(
      'How long a backend that missed a time-out is still listened to. A late answer completes the key for the retries to come; without one the outcome stays unknown. `0s`: not at all.',
    ),
  connections: count(1, 65_535)
    .prefault(D.upstream.connections)
    .describe('Most connections to the backend at once, of all workers together; each has an equal share.'),
  queueTimeout: duration('1ms')
    .prefault(D.upstream.queueTimeout)
    .describe(
      'How long a request may wait for a free connection. After it the request has not been executed and its key is free.',
    ),
  host: choice(['keep', 'upstream'])
    .prefault(D.upstream.host)
    .describe(
      "Which Host goes to the backend: `keep` sends the client's, `upstream` that of `upstream.url`. Use `upstream` where the backend or a balancer before it routes by its own name.",
    ),
});
