// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
import { z } from 'zod';
import { parsePointer } from '../core/json-pointer.ts';
import type { ReplayShape } from '../core/reconcile.ts';
import { parseTemplate, targetFault, VALUE_NAME } from '../core/template.ts';
import { RECONCILE_DEFAULTS as D } from './defaults.ts';
import { choice, count, duration, flag, list, matching, parsedText, section, text } from './field.ts';
import { jsonPointer } from './field-http.ts';

/** How the backend is asked about a request whose outcome nobody knows. */

const TEXT_MAX = 4096;

function template(what: string) {
  return parsedText('template', `must be ${what}; put a number in quotes`, (value) =>
    value.length <= TEXT_MAX
      ? { kind: 'ok', value: parseTemplate(value) }
      : { kind: 'fault', message: `is longer than ${TEXT_MAX} characters` },
  );
}

function targetTemplate() {
  return parsedText('template', 'must be a path, such as /v1/payments?reference={key}', (value) => {
    const parsed = parseTemplate(value);
    const fault = value.length > TEXT_MAX ? `is longer than ${TEXT_MAX} characters` : targetFault(parsed);
    return fault === null ? { kind: 'ok', value: parsed } : { kind: 'fault', message: fault };
  });
}

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;

function fields(what: string) {
  return z
    .record(
      z.string().regex(FIELD_NAME, { error: 'is not the name of a header field' }),
      template('text').refine(
        (parts) => parts.every((part) => part.kind === 'value' || /^[\x20-\x7e]*$/.test(part.text)),
        { error: 'has a character that no header field may have' },
      ),
      { error: `must be a mapping such as ${what}` },
    )
    .prefault({})
    .meta({ 'x-type': 'header name to template' });
}

const request = section({
  method: choice(['GET', 'HEAD', 'POST'])
    .prefault(D.request.method)
    .describe('The method. `POST` only where a search of the backend wants one; see `safe`.'),
  path: targetTemplate().describe(
    'Path and query at `upstream.url`. `{key}` is the key and `{name}` a captured value, percent-encoded where they land. In the path a value with a separator is never asked about. Search by something the first request carried, and have a rule compare it in the answer.',
  ),
  headers: fields('{ Authorization: "Bearer ${PROBE_TOKEN}" }').describe(
    "Header fields, with the same placeholders. The probe carries these, `Onceward-Probe` and `Onceward-Fencing-Token`, and nothing of the caller's: take a credential from a variable. With one that sees all callers, have a rule compare something that says whose the answer is: the key and what was captured are the caller's choice. `Host` is that of `upstream.url` unless given here.",
  ),
  body: template('text')
    .optional()
    .describe('Body of a `POST`; placeholders are escaped as inside a JSON string. Nothing else has one.'),
  safe: flag()
    .prefault(D.request.safe)
    .describe(
      'Your word that this `POST` only asks and changes nothing, however often it is sent. Without it a `POST` is refused.',
    ),
  callerHeaders: list(matching('header name', FIELD_NAME, 'must be the name of a header field'), 8, 'names')
    .prefault([...D.request.callerHeaders])
    .describe(
      'Fields that a repeat lends to its own probe, such as `Authorization`, where only the caller may ask. They are never stored, so with any of them only repeats probe and the sweeper does not.',
    ),
  timeout: duration('10ms')
    .prefault(D.request.timeout)
    .describe(
      'How long a probe may take as a whole; after it the outcome stays unknown. A repeat waits for its probe, so keep it below the time-out of your clients.',
    ),
});

export const captureSource = section({
  json: jsonPointer()
    .optional()
    .describe('A string, whole number or boolean of a JSON body, by JSON Pointer (RFC 6901).'),
  header: matching('header name', FIELD_NAME, 'must be the name of a header field')
    .optional()
    .describe('A header field that is there once. Credentials are refused: they are never stored.'),
  query: text('text', 128).optional().describe('A query parameter that is there once.'),
  segment: count(1, 64).optional().describe('A segment of the path, counted from 1.'),
})
  .transform((source, context) => {
    const named = [source.json, source.header, source.query, source.segment].filter(
      (value) => value !== undefined,
    );
    if (named.length === 1) return source;
    context.issues.push({
      code: 'custom',
      message: 'needs exactly one of json, header, query and segment',
      input: source,
    });
    return z.NEVER;
  })
  .meta({ 'x-type': 'source', minProperties: 1, maxProperties: 1 });

const statusPattern = z.preprocess(
  (value) => (typeof value === 'number' ? String(value) : value),
  z
    .string({ error: 'must be a status or a class, such as 200 or 2xx' })
    .regex(/^(?:[2-5]xx|[2-5][0-9][0-9])$/, {
      error: 'is not a status from 200 to 599 or a class 2xx, 3xx, 4xx, 5xx',
    })
    .meta({ 'x-type': 'status', pattern: '^([2-5]xx|[2-5][0-9][0-9])$' }),
);

const scalar = z.union([z.string(), z.number(), z.boolean()], {
  error: 'must be text, a number, true, false, a list of these, [] or { is: absent }',
});

const jsonTest = z
  .union(
    [
      scalar,
      list(scalar, 16, 'values'),
      section({
        is: choice(['absent', 'present']).describe('Whether anything is there at all.'),
      }),
    ],
    { error: 'must be text, a number, true, false, a list of these, [] or { is: absent }' },
  )
  .meta({ 'x-type': 'value' });

const when = section({
  status: z
    .union([statusPattern, list(statusPattern, 32, 'statuses')], {
      error: 'must be a status or a class, such as 200 or 2xx, or a list of them',
    })
    .optional()
    .meta({ 'x-type': 'status or class, or a list' })
    .describe('Statuses that fit. Left out: all.'),
  json: z
    .record(
      z.string().refine((pointer) => parsePointer(pointer).kind === 'ok', {
        error: 'is not a JSON Pointer, such as /data/0/status',
      }),
      jsonTest,
      { error: 'must be a mapping such as { /data/0/status: succeeded }' },
    )
    .prefault({})
    .meta({ 'x-type': 'JSON Pointer to value' })
    .describe(
      'Members of the answer, all of which must fit: a value, a list of values of which one must be there, `[]` for an empty list, `{ is: absent }` or `{ is: present }`. Text may have placeholders: compare `{key}` or a captured value, or a backend that overlooks the query is taken at its word about another request. An answer in which they cannot be looked up leaves the outcome unknown.',
    ),
});

const replay = section({
  status: count(200, 599).optional().describe('Its status. Left out: that of the answer.'),
  body: parsedText<ReplayShape['body']>(
    '`as-is`, `none` or JSON Pointer',
    'must be as-is, none or a JSON Pointer, such as /data/0',
    (value) => {
      if (value === 'as-is' || value === 'none') return { kind: 'ok', value: { kind: value } };
      const parsed = parsePointer(value);
      return parsed.kind === 'ok'
        ? { kind: 'ok', value: { kind: 'part', tokens: parsed.tokens } }
        : { kind: 'fault', message: 'must be as-is, none or a JSON Pointer, such as /data/0' };
    },
  )
    .prefault(D.replay.body)
    .describe('Its body: that of the answer, a member of it byte for byte, or none.'),
  headers: fields('{ Location: "/v1/payments/{id}" }').describe(
    'Header fields it gets besides the Content-Type of its body.',
  ),
}).prefault({});

const rule = section({
  when: when.describe('Which answers it is about; everything given must fit.'),
  verdict: choice(['completed', 'did-not-happen', 'unsure']).describe(
    '`completed` ends the outcome at once; repeats get `replay`. `did-not-happen` frees the key once the outcome had been unknown for `quiet`; a repeat then executes. Be as strict here as you can: a 404 may also come from a gateway, and a search index may lag behind. `unsure` changes nothing, and ends the search through the rules.',
  ),
  replay: replay.describe('Of `completed`: what repeats get.'),
});

const sweep = z
  .union(
    [
      choice(['off']),
      section({
        interval: duration('1s')
          .prefault(D.sweep.interval)
          .describe('Time between two probes of one key; it doubles from try to try, up to an hour.'),
        attempts: count(1, 1000)
          .prefault(D.sweep.attempts)
          .describe('Most probes of one key in the background; then it waits for a repeat or an operator.'),
        maxAge: duration('1s', 'retention')
          .prefault(D.sweep.maxAge)
          .describe('An outcome that has been unknown for longer is left alone.'),
      }),
    ],
    { error: 'must be off or { interval: 30s, attempts: 20, maxAge: 24h }' },
  )
  .prefault({})
  .meta({ 'x-type': '`off` or a section' })
  .describe(
    'Whether unknown outcomes are also looked for in the background, so that they end without a repeat.',
  );

export const reconcile = z
  .union(
    [
      choice(['off']),
      section({
        request: request.describe('What the backend is asked. It goes to `upstream.url` and nowhere else.'),
        capture: z
          .record(
            z.string().regex(VALUE_NAME, { error: 'must be a name of letters, digits, "_" and "-"' }),
            captureSource,
            { error: 'must be a mapping such as { customer: { json: /customer/id } }' },
          )
          .prefault({})
          .meta({ 'x-type': 'name to source' })
          .describe(
            'Values of the first request that the probe needs, at most 512 characters each. They are kept sealed beside the record until the outcome is known.',
          ),
        rules: list(rule, 32, 'rules')
          .min(1, { error: 'needs at least one rule' })
          .describe(
            'What answers mean; the first that fits decides, and where none fits the outcome stays unknown.',
          ),
        sweep,
      }),
    ],
    { error: 'must be off or { request: …, rules: … }' },
  )
  .meta({ 'x-type': '`off` or a section' })
  .describe(
    'A question to the backend that ends unknown outcomes: asked at the next repeat, which waits for the answer, and in the background. `off`: only a late answer or an operator ends them. Ask only what does not change anything.',
  );

export type Reconcile = z.output<typeof reconcile>;
