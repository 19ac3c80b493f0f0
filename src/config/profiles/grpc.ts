import type { Profile } from './profile.ts';

export const grpc: Profile = {
  about: 'Unary calls of gRPC, keyed by the metadata `idempotency-key`.',
  source: 'grpc/grpc: PROTOCOL-HTTP2.md, statuscodes.md; gRFC A6 for retries',
  values: {
    key: { sources: [{ header: 'Idempotency-Key' }], syntax: 'lenient' },
    inFlight: { wait: '30s' },
    dialect: { errors: 'grpc', grpc: {} },
  },
  differs: [
    'Needs `upstream.protocol: http2`, and clients over `http2: alpn` or `prior-knowledge`; a call over HTTP/1.1 is refused, since it could not be told how it ended.',
    'What a call came to is judged by `grpc-status`, not by the status of HTTP; a 200 without one is parked.',
    'A call with a key has one message and gets one. More of them in the request are INVALID_ARGUMENT; calls without a key are passed on as they come, streams in both directions included.',
    'Answers to a key are asked for without compression, since a repeat may not understand that of the first call.',
    '`grpc-timeout` is passed on: a backend that gives up by it says DEADLINE_EXCEEDED, and the outcome is unknown. Let it be longer than the call takes.',
  ],
};
