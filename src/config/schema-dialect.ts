import { z } from 'zod';
import { ERROR_SHAPES, KEY_PROBLEMS } from '../core/dialect.ts';
import { GRPC_NAMES } from '../core/grpc.ts';
import {
  POLICY_DEFAULTS as D,
  GRPC_DEFAULTS as G,
  JSON_RPC_DEFAULTS as J,
  REPEATABILITY_DEFAULTS as R,
} from './defaults.ts';
import { choice, count, duration, list, section, text } from './field.ts';
import { fieldName } from './field-http.ts';
import { nearestName } from './near.ts';
import { PROFILE_NAMES } from './profiles.ts';

/** What makes a route speak as another API does: the profile, and what no other field of a policy can say. */

export const profile = choice(['none', ...PROFILE_NAMES])
  .prefault(D.profile)
  .describe(
    'A bundle of values for the fields below, so that clients of an API with rules of its own find them here; docs/dialects.md tells what each sets. Whatever `defaults` (for a route) leave unsaid comes from it, and the route has the last word on every value. A route that names a profile, or `none`, takes nothing from the profile of `defaults`. Leave it out where no client expects another dialect.',
  );

const keyProblem = z
  .string()
  .refine((code) => KEY_PROBLEMS.some((known) => known === code), {
    error: ({ input }) => {
      const near = nearestName(String(input), KEY_PROBLEMS);
      return near === null
        ? `is none of ${KEY_PROBLEMS.join(', ')}`
        : `is no such problem; did you mean ${near}?`;
    },
  })
  .meta({ enum: [...KEY_PROBLEMS] });

const grpcName = z
  .string()
  .refine((name) => GRPC_NAMES.includes(name), {
    error: ({ input }) => {
      const near = nearestName(String(input), GRPC_NAMES);
      return near === null ? `is none of ${GRPC_NAMES.join(', ')}` : `is no status; did you mean ${near}?`;
    },
  })
  .meta({ enum: [...GRPC_NAMES] });

const repeatability = z.union(
  [
    choice(['off', 'unsupported']),
    section({
      window: duration('5m', 'retention')
        .prefault(R.window)
        .describe(
          'How long ago First-Sent may be. Together with `ahead` never above `retain`: what is forgotten must be outside. Below it, a repeat whose answer is still kept is refused too.',
        ),
      ahead: duration('0s')
        .prefault(R.ahead)
        .describe(
          'How far First-Sent may be ahead of the clock here, for clients and replicas whose clocks differ. Not above what they really differ by.',
        ),
    }),
  ],
  { error: 'must be off, unsupported or { window: 23h, ahead: 5m }' },
);

const jsonRpc = z.union(
  [
    choice(['off']),
    section({
      methods: list(text('text', 128), 64, 'methods')
        .min(1, { error: 'needs at least one method' })
        .prefault([...J.methods])
        .describe('The methods of JSON-RPC that act, and are keyed.'),
    }),
  ],
  { error: 'must be off or { methods: [tools/call] }' },
);

const grpc = z.union(
  [
    choice(['off']),
    section({
      statuses: z
        .record(grpcName, choice(['complete', 'release', 'park']), {
          error: 'must be a mapping such as { UNAVAILABLE: release }',
        })
        .prefault({ ...G.statuses })
        .meta({ 'x-type': 'name to action' })
        .describe(
          'What a status of gRPC does to the key, in place of the table in docs/dialects.md: `complete` keeps the answer, `release` frees the key, `park` leaves the outcome unknown. `UNAVAILABLE: release` is right only where nothing between Onceward and the code of the backend can say it after the call has begun.',
        ),
    }),
  ],
  { error: 'must be off or { statuses: … }; {} takes the defaults' },
);

export const dialect = section({
  errors: choice(ERROR_SHAPES)
    .prefault(D.dialect.errors)
    .describe(
      'In whose form Onceward answers by itself: `problem` is RFC 9457, the others are the bodies that clients of that API read. The field `Onceward-Problem` carries the code of docs/problems.md with them. Answers of the backend are never changed.',
    ),
  statuses: z
    .record(keyProblem, count(400, 599), {
      error: 'must be a mapping such as { key-reused: 400 }',
    })
    .prefault({ ...D.dialect.statuses })
    .meta({ 'x-type': 'problem to status' })
    .describe(
      'Other statuses than those of docs/problems.md for problems that concern a key. Mind what clients do by themselves: many retry 409, 429 and 5xx.',
    ),
  echoKey: z
    .union([choice(['off']), fieldName()], { error: 'must be the name of a header field, or off' })
    .prefault(D.dialect.echoKey)
    .meta({ 'x-type': 'header name or `off`' })
    .describe(
      'A field in which every answer to a keyed request repeats the key, as some APIs do. A key is no secret from its own client; leave it off where answers are logged by others.',
    ),
  repeatability: repeatability
    .prefault(D.dialect.repeatability)
    .meta({ 'x-type': '`off`, `unsupported` or a section' })
    .describe(
      'OASIS Repeatable Requests: `Repeatability-Request-ID` and `Repeatability-First-Sent` go together (else 400), a date outside the window is 412, a method that is not keyed 501, and answers carry `Repeatability-Result`, unless nothing can truly be said. `unsupported` refuses with 501 every request that asks for it, so that none is executed in the belief that it is protected. Off, the fields mean nothing here.',
    ),
  jsonRpc: jsonRpc
    .prefault(D.dialect.jsonRpc)
    .meta({ 'x-type': '`off` or a section' })
    .describe(
      'The bodies are messages of JSON-RPC 2.0, as in the Model Context Protocol. Only requests of the named methods are keyed; all other messages are passed on without a record, key or not. A replay gets the id of its own request, in JSON as in an event stream; a batch with a call in it is 400. Leave `/id` out of the fingerprint (`fingerprint.body.exclude`), since it is new with every try.',
    ),
  grpc: grpc
    .prefault(D.dialect.grpc)
    .meta({ 'x-type': '`off` or a section' })
    .describe(
      'The requests are unary calls of gRPC: what a call came to is read from `grpc-status`, trailers are passed on, stored and replayed. Needs HTTP/2 on both sides (`http2`, `upstream.protocol: http2`). On all other routes trailers are dropped.',
    ),
})
  .prefault({})
  .describe('What clients of another API expect and no other field says; mostly set by `profile`.');

export type Dialect = z.output<typeof dialect>;
