import { z } from 'zod';
import { MESSAGE_PRESETS } from '../core/message.ts';
import { POLICY_DEFAULTS as D } from './defaults.ts';
import { choice, count, flag, list, matching, section, text } from './field.ts';
import { fieldName, jsonPointer } from './field-http.ts';

/** What makes a request the same operation as an earlier one: its key, whose key it is, and what must not differ. */

const keySource = section({
  header: fieldName()
    .optional()
    .describe(
      'A header field that carries the key, such as `Idempotency-Key`. Sent twice, or as a list, it is refused with 400.',
    ),
  query: text('text', 128)
    .optional()
    .describe(
      'A query parameter that carries the key. Query strings end up in access logs of other hops; prefer a header where you can choose.',
    ),
  json: jsonPointer()
    .optional()
    .describe(
      'A member of a JSON body, by JSON Pointer (RFC 6901), such as `/request_id`; it must be a string. The body is read before a missing key is known, so a header is cheaper.',
    ),
  form: text('text', 128)
    .optional()
    .describe('A field of an HTML form in the body, such as a hidden `_key`.'),
  message: choice(MESSAGE_PRESETS)
    .optional()
    .describe(
      'The id of a message, where this kind of sender has it, together with the path and query it was sent to; stands alone. `message` sets it.',
    ),
})
  .transform((source, context) => {
    const named = Object.values(source).filter((value) => value !== undefined);
    if (named.length === 1) return source;
    context.issues.push({
      code: 'custom',
      message: 'needs exactly one of header, query, json, form and message',
      input: source,
    });
    return z.NEVER;
  })
  .meta({ 'x-type': 'source', minProperties: 1, maxProperties: 1 });

export const key = section({
  sources: list(keySource, 8, 'sources')
    .prefault([...D.key.sources])
    .describe(
      'Where a key is looked for. The first source that carries one names it; another source that disagrees is refused with 400. An empty list means that no request is ever keyed: every one is forwarded without a record.',
    ),
  syntax: choice(['lenient', 'strict'])
    .prefault(D.key.syntax)
    .describe(
      'How a header is read. `strict` asks for a String of RFC 9651, in double quotes, as the IETF draft does; `lenient` takes a bare value too, and `abc` and `"abc"` are one key. Use `strict` only where every client quotes.',
    ),
  minLength: count(1, 4096)
    .prefault(D.key.minLength)
    .describe(
      'Least number of characters. Raise it where clients must send random values: short keys collide.',
    ),
  maxLength: count(1, 4096)
    .prefault(D.key.maxLength)
    .describe(
      'Greatest number of characters; above it 400. The store keeps a digest, so a longer key costs no space.',
    ),
  characters: choice(['visible-ascii', 'printable-ascii', 'uuid', 'uuid4'])
    .prefault(D.key.characters)
    .describe(
      'What a key may consist of. `printable-ascii` allows spaces too. `uuid` takes UUIDs only and compares them without case, `uuid4` those of version 4; do not use it for clients whose keys are free text.',
    ),
  required: flag()
    .prefault(D.key.required)
    .describe(
      'Whether a request without a key is refused with 400 before its body is read. Left off, it is forwarded without protection. Turn it on once every client sends keys.',
    ),
}).prefault({});

export const scope = section({
  headers: list(fieldName(), 8, 'header fields')
    .prefault([...D.scope.headers])
    .describe(
      'The fields whose values together say whose key it is. Two callers with the same key never see each other. Use a field that stays the same over the retries of one caller: a token that is renewed in between makes the retry a new request.',
    ),
  cookies: list(
    matching('cookie name', /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, 'must be the name of a cookie'),
    8,
    'cookies',
  )
    .prefault([...D.scope.cookies])
    .describe(
      'Cookies that say whose key it is, besides the fields; for browsers, whose `Cookie` as a whole changes with every other cookie. Name the one of the session, where a session outlives the retries. Sent twice, 400.',
    ),
  jwt: z
    .union(
      [
        choice(['off']),
        section({
          claims: list(text('text', 128), 8, 'claims')
            .min(1, { error: 'needs at least one claim' })
            .describe(
              'The claims that together say whose key it is, such as `[sub]`; the issuer always counts too. Each must be there as text. Name none that changes when a token is renewed.',
            ),
        }),
      ],
      { error: 'must be { claims: [sub] } or off' },
    )
    .prefault(D.scope.jwt)
    .meta({ 'x-type': '`off` or a section' })
    .describe(
      'A verified JSON Web Token says whose key it is (`jwt` says whose tokens are believed): a retry with a renewed token is then the same request. `headers` begins empty. Without a token, as without fields; one that does not verify gets 401 `credential-invalid`, and nothing is looked up.',
    ),
  certificate: choice(['off', 'fingerprint', 'subject', 'san'])
    .prefault(D.scope.certificate)
    .describe(
      'The client certificate, which `tls.clientCa` must have signed, says whose key it is. `fingerprint`: this very certificate, so that a renewed one is another caller. `subject` or `san`: the names in it, which every authority in `tls.clientCa` can give. `headers` begins empty.',
    ),
  anonymous: choice(['refuse', 'allow'])
    .prefault(D.scope.anonymous)
    .describe(
      'What a keyed request without any of these fields and cookies gets: `refuse` answers 400, `allow` puts all such callers into one shared scope, in which whoever knows a key gets its response. Allow it only where all callers may see the same.',
    ),
  sigv4: flag()
    .prefault(D.scope.sigv4)
    .describe(
      'Whether of an `Authorization` of AWS Signature Version 4 only the id of the access key counts, because date and signature change from try to try. The signature is not verified here: who knows the access key id and the key of another gets the response. Leave it off where clients do not sign so.',
    ),
}).prefault({});

const fingerprintBody = z.union(
  [
    choice(['bytes', 'canonical-json', 'none']),
    section({
      select: list(jsonPointer(), 64, 'JSON Pointers')
        .min(1, { error: 'needs at least one JSON Pointer' })
        .describe(
          'Only these members of a JSON body count. What they leave out may differ between retries without notice.',
        ),
    }),
    section({
      exclude: list(jsonPointer(), 64, 'JSON Pointers')
        .min(1, { error: 'needs at least one JSON Pointer' })
        .describe('Everything in a JSON body counts except these members, such as a time of sending.'),
    }),
  ],
  { error: 'must be bytes, canonical-json, none, { select: [/a] } or { exclude: [/b] }' },
);

export const fingerprint = section({
  method: flag().prefault(D.fingerprint.method).describe('Whether the method counts.'),
  path: flag()
    .prefault(D.fingerprint.path)
    .describe('Whether the path counts. Leave it on unless one operation has several paths.'),
  query: choice(['raw', 'parsed', 'ignore'])
    .prefault(D.fingerprint.query)
    .describe(
      '`raw` compares the query as sent, `parsed` its parameters whatever their order, `ignore` not at all. Use `parsed` where a client library reorders parameters between retries.',
    ),
  body: fingerprintBody
    .prefault(D.fingerprint.body)
    .meta({ 'x-type': '`bytes`, `canonical-json`, `none` or a section' })
    .describe(
      'How bodies are compared. `bytes`: as sent. `canonical-json`: by RFC 8785, so that the order of members and white space do not count; falls back to bytes where something would be lost. `{ select: [/a] }` or `{ exclude: [/b] }`: some members only. `none`: any body counts as the same, and a client that reuses a key by mistake gets the response to another request.',
    ),
  headers: list(fieldName(), 16, 'header fields')
    .prefault([...D.fingerprint.headers])
    .describe(
      'Fields whose values count. Never name one that changes from retry to retry: dates, trace ids, retry counters.',
    ),
})
  .prefault({})
  .describe(
    'What makes two requests with one key the same. A repeat that differs gets 422. A change of any of these makes repeats of older requests get 409 `policy-changed`, so change them when few retries are under way.',
  );
