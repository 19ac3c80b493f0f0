import { formatDuration, formatSize } from '../../config/units.ts';
import type { FingerprintBody, KeySource, RoutePolicy } from '../../core/policy.ts';
import { unreachable } from '../../core/unreachable.ts';
import { callerRows, caseRow, lockRows, problemText, statusRows, storeDownRow } from './decision-text.ts';
import { profileRows, statusOf } from './dialect-text.ts';
import type { Explanation, FieldPresence, Identity } from './explanation.ts';
import { preconditionRows } from './precondition-text.ts';
import { sequenceRows } from './sequence-text.ts';
import { taskSections } from './task-text.ts';

/** An explanation for people, and the same as data. The key is shortened: a key is a secret of its caller. */

export type Section = { readonly title: string; readonly rows: readonly (readonly [string, string])[] };

export function sectionsOf(explanation: Explanation): readonly Section[] {
  switch (explanation.kind) {
    case 'refused':
      return [
        {
          title: 'request',
          rows: [
            ['route', explanation.route ?? '(none: refused before a route was chosen)'],
            ...(explanation.requestClass === null ? [] : [['class', explanation.requestClass] as const]),
            ['answer', problemText(explanation.code, explanation.dialect)],
            ['because', explanation.detail],
          ],
        },
      ];
    case 'reserved':
      return [
        {
          title: 'request',
          rows: [
            ['route', '(none: below the reserved prefix)'],
            ['answer', "Onceward's own; nothing is forwarded"],
          ],
        },
      ];
    case 'bypassed':
      return [
        {
          title: 'request',
          rows: [
            ['route', explanation.policy.name],
            ['class', explanation.requestClass],
            ['answer', "the backend's: passed on without a record, each time anew"],
            ['because', whyBypassed(explanation.why)],
            ...preconditionRows(explanation.policy),
            ...lockRows(explanation.policy, explanation.locks),
          ],
        },
      ];
    case 'sequenced':
      return sequencedSections(explanation);
    case 'keyed':
      return keyedSections(explanation);
    default:
      return unreachable(explanation);
  }
}

function keyedSections(explanation: Extract<Explanation, { kind: 'keyed' }>): readonly Section[] {
  const { policy } = explanation;
  return [
    {
      title: 'request',
      rows: [
        ['route', policy.name],
        ...profileRows(policy),
        ['class', explanation.requestClass],
        ...messageRows(policy),
        ...keyedRows(policy, explanation.identity),
        ...preconditionRows(policy),
      ],
    },
    {
      title: 'what would happen',
      rows: [
        ...modeRows(policy),
        ...lockRows(policy, explanation.locks),
        ...explanation.cases.map((one) => caseRow(one, policy)),
        ...callerRows(policy),
        storeDownRow(policy),
      ],
    },
    ...taskSections(policy, explanation.task),
    { title: 'what the answer of the backend does to the key', rows: statusRows(policy) },
    { title: 'limits', rows: limitRows(policy) },
  ];
}

function sequencedSections({
  policy,
  requestClass,
  ids,
  identity,
}: Extract<Explanation, { kind: 'sequenced' }>): readonly Section[] {
  return [
    {
      title: 'request',
      rows: [
        ['route', policy.name],
        ['class', requestClass],
        ['producer', shortened(ids.producerId)],
        ['epoch, number', `${ids.epoch}, ${ids.sequence}`],
        ...identityRows(policy, identity),
      ],
    },
    { title: 'what would happen', rows: sequenceRows(policy, ids) },
    { title: 'what the answer of the backend does to the number', rows: statusRows(policy) },
    { title: 'limits', rows: limitRows(policy) },
  ];
}

export function explanationText(headline: string, sections: readonly Section[]): string {
  const width = Math.max(...sections.flatMap((section) => section.rows.map(([name]) => name.length)));
  const blocks = sections.map(
    ({ title, rows }) =>
      `${title}\n${rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}\n`).join('')}`,
  );
  return `${headline}\n\n${blocks.join('\n')}`;
}

export function explanationJson(
  request: { readonly method: string; readonly target: string },
  explanation: Explanation,
): string {
  const sections = sectionsOf(explanation).map(
    ({ title, rows }) => [title, Object.fromEntries(rows)] as const,
  );
  const code =
    explanation.kind === 'refused'
      ? { code: explanation.code, status: statusOf(explanation.code, explanation.dialect) }
      : {};
  const cases =
    explanation.kind === 'keyed'
      ? { cases: Object.fromEntries(explanation.cases.map(({ when, decision }) => [when, decision.kind])) }
      : {};
  return `${JSON.stringify({ ...request, result: explanation.kind, ...code, ...cases, ...Object.fromEntries(sections) }, null, 2)}\n`;
}

/** The ends of a key: enough to recognise, too little to use. */
export function shortened(key: string): string {
  if (key.length < 12) return `${key.slice(0, 1)}…`;
  return `${key.slice(0, 4)}…${key.slice(-4)}`;
}

function whyBypassed(why: Extract<Explanation, { kind: 'bypassed' }>['why']): string {
  switch (why) {
    case 'safe':
      return 'the method is safe; there is nothing to protect (RFC 9110 section 9.2.1)';
    case 'idempotent':
      return 'the method is idempotent; keys on it count only with keyIdempotentMethods: true';
    case 'no-key':
      return 'it carries no key, and the route does not require one (key.required)';
    case 'no-sequence':
      return 'it carries no number of a producer, and the route does not require one (sequence.required)';
    case 'other-message':
      return 'it is a message of JSON-RPC of a method that is not keyed (dialect.jsonRpc.methods)';
    default:
      return unreachable(why);
  }
}

function messageRows({ message, dialect }: RoutePolicy): readonly (readonly [string, string])[] {
  if (message === null) return [];
  const { preset, signature } = message;
  const judged =
    signature === null
      ? 'its signature is not looked at'
      : `its signature is verified before anything is looked up; a forged one gets ${problemText('signature-invalid', dialect)}`;
  return [['message', `${preset}; ${judged}`]];
}

function keyedRows(policy: RoutePolicy, identity: Identity): readonly (readonly [string, string])[] {
  const { key, source } = identity;
  const row = ['key', `${shortened(key)} (${key.length} characters), from ${sourceText(source)}`] as const;
  return [...ticketRows(policy), row, ...identityRows(policy, identity)];
}

function ticketRows({ ticket, dialect }: RoutePolicy): readonly (readonly [string, string])[] {
  if (ticket === null) return [];
  return [
    [
      'ticket',
      `the key must be one of ours, for this route and caller, spent within ${formatDuration(ticket.lifeMs)}; any other gets ${problemText('ticket-unknown', dialect)}`,
    ],
  ];
}

function identityRows(
  policy: RoutePolicy,
  identity: Omit<Identity, 'key' | 'source'>,
): readonly (readonly [string, string])[] {
  const { scope, fingerprint } = identity;
  const target = [
    ...(policy.fingerprint.method === 'include' ? ['method'] : []),
    ...(policy.fingerprint.path === 'include' ? ['path'] : []),
  ];
  const query = policy.fingerprint.query === 'exclude' ? [] : [`query (${policy.fingerprint.query})`];
  const parts = [
    ...target,
    ...query,
    `body (${bodyText(policy.fingerprint.body)}, ${fingerprint.bodyBytes} bytes)`,
    ...fingerprint.fields.map(fieldText),
  ];
  return [
    ['keyspace', policy.keyspace],
    [
      'scope',
      `${scope.principal === 'anonymous' ? 'anonymous, shared by all callers without credentials' : scope.fields.map(fieldText).join(', ')}; digest ${scope.digest}`,
    ],
    [
      'fingerprint',
      `${parts.join(', ')}; digest ${fingerprint.digest.slice(0, 12)}, policy ${fingerprint.policyId}`,
    ],
  ];
}

function fieldText({ name, state }: FieldPresence): string {
  return state === 'present' ? name : `${name} (absent)`;
}

function sourceText(source: KeySource): string {
  switch (source.kind) {
    case 'header':
      return `the header field ${source.name}`;
    case 'query':
      return `the query parameter ${source.name}`;
    case 'json':
      return `the JSON body at ${source.pointer}`;
    case 'form':
      return `the form field ${source.name}`;
    case 'message':
      return `the id of the ${source.preset} message and the target of the request`;
    default:
      return unreachable(source);
  }
}

function bodyText(body: FingerprintBody): string {
  switch (body.kind) {
    case 'bytes':
    case 'canonical-json':
      return body.kind;
    case 'json-select':
      return `of JSON only ${body.pointers.join(', ')}`;
    case 'json-exclude':
      return `JSON without ${body.pointers.join(', ')}`;
    case 'none':
      return 'not compared';
    default:
      return unreachable(body);
  }
}

function modeRows(policy: RoutePolicy): readonly (readonly [string, string])[] {
  if (policy.mode === 'enforce') return [];
  return [['mode', 'observe: every request is passed on as it is; what follows is only counted']];
}

function limitRows(policy: RoutePolicy): readonly (readonly [string, string])[] {
  const { timeouts } = policy;
  const orNone = (ms: number): string => (ms === 0 ? 'none' : formatDuration(ms));
  return [
    [
      'request body',
      `${formatSize(policy.requestBytesMax)}; above it ${problemText('request-too-large', policy.dialect)}`,
    ],
    [
      'response kept',
      `${formatSize(policy.responseBytesMax)}; above it passed on, not kept, and repeats get ${problemText('response-not-stored', policy.dialect)}`,
    ],
    ['unknown kept', formatDuration(policy.unknownRetainMs)],
    [
      'backend time-outs',
      `head ${orNone(timeouts.headMs)}, body idle ${orNone(timeouts.bodyIdleMs)}, total ${orNone(timeouts.totalMs)}, late answer ${orNone(timeouts.lateAnswerMs)}`,
    ],
  ];
}
