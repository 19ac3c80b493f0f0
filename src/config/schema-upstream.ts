import { DEFAULTS as D, UPSTREAM_TLS_DEFAULTS as D_TLS } from './defaults.ts';
import { choice, count, duration, section, text } from './field.ts';
import { upstreamOrigin } from './field-http.ts';

/** The backend, and how long it may take. */

const tls = section({
  ca: text('path', 4096)
    .optional()
    .describe(
      'PEM file with the authorities that its certificate must be signed by; those of Node.js unless given.',
    ),
  certificate: text('path', 4096)
    .optional()
    .describe('PEM file with our own certificate, for a backend that asks for one; with `key`.'),
  key: text('path', 4096)
    .optional()
    .describe('PEM file with the private key of `certificate`, without a passphrase.'),
  serverName: text('host', 253)
    .optional()
    .describe(
      'The name that its certificate must carry, and that it is asked for (SNI); the host of `url` unless given. Never the Host of a request.',
    ),
  minVersion: choice(['1.2', '1.3']).prefault(D_TLS.minVersion).describe('The oldest version of TLS.'),
});

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
  protocol: choice(['http1', 'http2'])
    .prefault(D.upstream.protocol)
    .describe(
      'How the backend is spoken to. `http2`: with `https://` it has to agree to it (ALPN), with `http://` it has to know (prior knowledge). Needed for gRPC. `connections` then counts connections that carry up to 100 requests each.',
    ),
  reuse: choice(['recent', 'never'])
    .prefault(D.upstream.reuse)
    .describe(
      'Which connections a keyed request may go out on. `recent`: also one that carried another request less than a second ago. `never`: only one that has carried none, so that no byte that a backend, or whoever speaks through it, sent too much can become its answer; each keyed request then opens a connection. HTTP/1.1 only: HTTP/2 numbers its answers.',
    ),
  tls: tls
    .optional()
    .describe(
      'With `https://`: whom to believe, and who we are. The files are read again when they change; new connections use them.',
    ),
});
