import { z } from 'zod';
import { POLICY_DEFAULTS as D, SUBREQUEST_DEFAULTS as S } from './defaults.ts';
import { choice, duration, list, matching, section } from './field.ts';
import { fieldName } from './field-http.ts';

/** What a repeat gets of the first answer, and who may still have it. */

const subrequest = section({
  path: matching(
    'path',
    /^\/[!-"$-~]{0,2047}$/,
    'must be a path at upstream.url, with or without a query, such as /auth/check',
  ).describe('Path and query at `upstream.url`.'),
  method: choice(['GET', 'HEAD']).prefault(S.method).describe('The method of the question.'),
  timeout: duration('10ms')
    .prefault(S.timeout)
    .describe('How long the answer may take as a whole; after it the repeat gets 503.'),
});

const authorize = z
  .union(
    [choice(['none', 'jwt']), section({ subrequest: subrequest.describe('The question to the backend.') })],
    {
      error: 'must be none, jwt or { subrequest: { path: /auth/check } }',
    },
  )
  .prefault(D.replay.authorize)
  .meta({ 'x-type': '`none`, `jwt` or a section' })
  .describe(
    'What is asked before a repeat is told anything of the first request, its stored answer included. `none`: nothing; who has the key and the credential of the first request gets its answer for `retain`, also after the credential was revoked. `jwt`: the token of the request must be valid now, as `jwt` judges it; for a `scope` that names the field of the token (with `scope.jwt` it is so anyway). `subrequest`: the backend is asked, with the fields of the repeat but without its body, and with `Onceward-Original-Method` and `Onceward-Original-Target`; 2xx allows, 401 and 403 refuse, all else is 503. It costs a request for each repeat, and a backend that is down keeps answers back; a first execution is never asked about, for the backend judges it itself.',
  );

export const replay = section({
  withhold: list(fieldName(), 32, 'header fields')
    .prefault([...D.replay.withhold])
    .describe(
      'Fields of the first response that a replay leaves out, such as a request id. Hop-by-hop fields never go out again.',
    ),
  setCookie: choice(['withhold', 'keep'])
    .prefault(D.replay.setCookie)
    .describe(
      'Whether a replay sends `Set-Cookie` again. `keep` hands an old session to whoever repeats the request; use it only for cookies that are no credentials.',
    ),
  authorize,
}).prefault({});
