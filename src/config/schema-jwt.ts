import { z } from 'zod';
import { JWT_DEFAULTS as D, JWT_ALGORITHMS } from './defaults.ts';
import { choice, duration, list, section, text } from './field.ts';
import { fieldName } from './field-http.ts';

/** Whose tokens are believed; routes ask for them with `scope.jwt`. */

const issuer = section({
  issuer: text('text', 1024).describe('The claim `iss`, exactly as the tokens have it.'),
  jwks: text('path', 4096).describe(
    'File with the public keys of the issuer, a JSON Web Key Set of at most 100 keys. It is read again when it changes; a faulty one leaves the old keys in force. A shared secret or a private key in it is refused.',
  ),
  audience: z
    .union(
      [choice(['any']), list(text('text', 1024), 16, 'audiences').min(1, { error: 'needs at least one' })],
      {
        error: 'must be a list of audiences, or any',
      },
    )
    .meta({ 'x-type': 'list of text or `any`' })
    .describe(
      'What the claim `aud` must hold one of. `any` takes tokens that the issuer made for other services, whose holders could then act here.',
    ),
  algorithms: list(choice(JWT_ALGORITHMS), 16, 'algorithms')
    .min(1, { error: 'needs at least one' })
    .prefault([...D.algorithms])
    .describe('How tokens may be signed. Those with a shared secret and `none` cannot be named.'),
});

export const jwt = z
  .union(
    [
      choice(['off']),
      section({
        issuers: list(issuer, 16, 'issuers')
          .min(1, { error: 'needs at least one' })
          .describe(
            'Who signs. Two issuers may give one name to two callers, so the issuer is part of every scope.',
          ),
        header: fieldName()
          .prefault(D.header)
          .describe('The field that carries the token; `Authorization` with the scheme `Bearer`.'),
        leeway: duration('0s')
          .prefault(D.leeway)
          .describe(
            'How far clocks may differ where `exp`, `nbf` and `iat` are judged. Keep it below a few minutes.',
          ),
      }),
    ],
    { error: 'must be { issuers: [{ issuer: …, jwks: FILE, audience: […] }] } or off' },
  )
  .meta({ 'x-type': '`off` or a section' })
  .describe(
    'Whose JSON Web Tokens are believed. Tokens are read only on routes with `scope.jwt`; every token needs `exp`. Taken over by a reload.',
  );
