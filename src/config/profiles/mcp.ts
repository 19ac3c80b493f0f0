import type { Profile } from './profile.ts';

export const mcp: Profile = {
  about: 'Servers of the Model Context Protocol over Streamable HTTP: `tools/call` is executed once a key.',
  source: 'modelcontextprotocol.io, Streamable HTTP; JSON-RPC 2.0; SEP 3182 for params.idempotencyKey',
  values: {
    key: {
      sources: [
        { header: 'Idempotency-Key' },
        { json: '/params/_meta/idempotencyKey' },
        { json: '/params/_meta/idempotency_key' },
        { json: '/params/idempotencyKey' },
        { json: '/params/arguments/idempotency_key' },
        { json: '/params/arguments/idempotencyKey' },
      ],
      syntax: 'lenient',
      maxLength: 255,
    },
    // Who is not known goes to the server, whose 401 tells the client how to get a token.
    scope: { headers: ['Authorization'], anonymous: 'allow' },
    // The id and the token of progress are new with every try.
    fingerprint: { body: { exclude: ['/id', '/params/_meta'] } },
    inFlight: { wait: '30s' },
    retain: '24h',
    // Of the transport: a session that is gone, or was never there. The next try opens another.
    status: { '400': 'release', '404': 'release' },
    replay: { withhold: ['Mcp-Session-Id'] },
    dialect: { errors: 'json-rpc', jsonRpc: { methods: ['tools/call'] } },
  },
  differs: [
    'The protocol has no key of its own yet. `_meta.idempotencyKey` in the params of a call is the place that every client library can fill; a header goes with all calls of a client and suits one call alone.',
    'A replay carries the id of the request that gets it. Of an answer that came as a stream of events the replay has only the event with the answer; a stream that ended without one is 409 `response-not-stored`.',
    'A body with numbers that a double cannot hold is compared byte for byte, so that a repeat with another id is a mismatch.',
    'A batch with a call in it is 400, key or not.',
    'Callers without Authorization share one scope: whoever knows a key gets its answer. Set `scope: { anonymous: refuse }` where every caller has credentials from the first request on.',
  ],
};
