import { namesIn, parseTemplate, type Template } from '../core/template.ts';
import { type Finding, fault, warning } from './check-top.ts';
import { nearestName } from './near.ts';
import { statusesOf } from './resolve-reconcile.ts';
import type { Reconcile } from './schema-reconcile.ts';
import type { ConfigPath } from './tree.ts';

/** What one field of `reconcile` alone cannot tell. */

type Section = Exclude<Reconcile, 'off'>;
type Place = (...path: ConfigPath) => ConfigPath;
type Used = { readonly names: readonly string[]; readonly path: ConfigPath };

/** Kept nowhere, not even sealed. */
const CREDENTIALS = ['authorization', 'proxy-authorization', 'cookie'];
/** Set by Onceward or by the wire. */
const OWN_FIELDS = [
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

export type Repeats = {
  /** Fields without whose value a request is no repeat: those of scope and fingerprint. */
  readonly sameForEveryRepeat: readonly string[];
};

export function checkReconcile(
  reconcile: Section,
  at: Place,
  { sameForEveryRepeat }: Repeats,
): readonly Finding[] {
  const used = usedNames(reconcile, at);
  return [
    ...checkNames(reconcile, used, at),
    ...checkRequest(reconcile, at),
    ...checkCapture(reconcile, used, at),
    ...checkRules(reconcile, at),
    ...checkLent(reconcile, at, sameForEveryRepeat),
  ];
}

function usedNames({ request, rules }: Section, at: Place): readonly Used[] {
  const used: Used[] = [{ names: namesIn(request.path), path: at('request', 'path') }];
  for (const [name, value] of Object.entries(request.headers))
    used.push({ names: namesIn(value), path: at('request', 'headers', name) });
  if (request.body !== undefined) used.push({ names: namesIn(request.body), path: at('request', 'body') });
  for (const [index, { when, replay }] of rules.entries()) {
    for (const [pointer, test] of Object.entries(when.json))
      used.push({ names: comparedNames(test), path: at('rules', index, 'when', 'json', pointer) });
    for (const [name, value] of Object.entries(replay.headers))
      used.push({ names: namesIn(value), path: at('rules', index, 'replay', 'headers', name) });
  }
  return used;
}

function comparedNames(test: Section['rules'][number]['when']['json'][string]): readonly string[] {
  const values = Array.isArray(test) ? test : [test];
  return values.flatMap((value) => (typeof value === 'string' ? namesIn(parseTemplate(value)) : []));
}

/** The name is not repeated: it may be part of a secret that came from a variable. */
function checkNames({ capture }: Section, used: readonly Used[], at: Place): readonly Finding[] {
  const known = ['key', ...Object.keys(capture)];
  const unknown = used.flatMap(({ names, path }) =>
    names
      .filter((name) => !known.includes(name))
      .map((name) => {
        const near = nearestName(name, known);
        const hint = near === null ? '' : `; did you mean {${near}}?`;
        return fault(`has a placeholder that is neither {key} nor a name in capture${hint}`, path);
      }),
  );
  const asked = used.filter(({ path }) => path.includes('request')).flatMap(({ names }) => names);
  return asked.length > 0
    ? unknown
    : [
        ...unknown,
        fault(
          'asks about no request in particular: put {key} or a captured value into it',
          at('request', 'path'),
        ),
      ];
}

/** Of the caller's fields those that would say something of the probe itself. */
const NEVER_LENT = [...OWN_FIELDS, 'host', 'via'];

function checkRequest({ request }: Section, at: Place): readonly Finding[] {
  const found: Finding[] = [];
  if (request.method !== 'POST' && request.body !== undefined)
    found.push(fault(`${request.method} has no body`, at('request', 'body')));
  if (request.method === 'POST' && !request.safe)
    found.push(
      fault(
        'a POST may change something at the backend; set request.safe: true if this one only asks',
        at('request', 'method'),
      ),
    );
  for (const [index, name] of request.callerHeaders.entries()) {
    const lower = name.toLowerCase();
    if (NEVER_LENT.includes(lower) || lower.startsWith('onceward-'))
      found.push(fault('is set by Onceward itself', at('request', 'callerHeaders', index)));
  }
  for (const name of Object.keys(request.headers)) {
    const lower = name.toLowerCase();
    if (OWN_FIELDS.includes(lower) || lower.startsWith('onceward-'))
      found.push(fault('is set by Onceward itself', at('request', 'headers', name)));
    if (request.callerHeaders.some((lent) => lent.toLowerCase() === lower))
      found.push(fault('is also in callerHeaders; keep one', at('request', 'headers', name)));
  }
  return found;
}

/** Whoever may not see what the first request made is answered as if it were not there. */
function checkLent(
  { request, rules }: Section,
  at: Place,
  sameForEveryRepeat: readonly string[],
): readonly Finding[] {
  if (!rules.some(({ verdict }) => verdict === 'did-not-happen')) return [];
  const same = new Set(sameForEveryRepeat.map((name) => name.toLowerCase()));
  return request.callerHeaders.flatMap((name, index) =>
    same.has(name.toLowerCase())
      ? []
      : [
          warning(
            'may differ between a request and its repeat: a repeat whose field shows less of the backend would be told that it did not happen, and executed; put it into scope.headers or fingerprint.headers, or leave did-not-happen out',
            at('request', 'callerHeaders', index),
          ),
        ],
  );
}

function checkCapture({ capture }: Section, used: readonly Used[], at: Place): readonly Finding[] {
  const found: Finding[] = [];
  const names = new Set(used.flatMap((place) => place.names));
  for (const [name, source] of Object.entries(capture)) {
    if (name === 'key') found.push(fault('{key} is the key itself; take another name', at('capture', name)));
    else if (!names.has(name)) found.push(warning('is captured and used nowhere', at('capture', name)));
    if (source.header !== undefined && CREDENTIALS.includes(source.header.toLowerCase()))
      found.push(
        fault(
          'is a credential, which is never stored; give the probe one from a variable in request.headers, or name it in request.callerHeaders',
          at('capture', name, 'header'),
        ),
      );
  }
  return found;
}

function checkRules({ request, rules }: Section, at: Place): readonly Finding[] {
  const found: Finding[] = [];
  const named = pathPartNames(request.path).length > 0;
  for (const [index, { when, verdict, replay }] of rules.entries()) {
    const pointers = Object.keys(when.json);
    if (request.method === 'HEAD' && pointers.length > 0)
      found.push(fault('the answer to HEAD has no body', at('rules', index, 'when', 'json')));
    const isEmpty = replay.status === undefined && replay.body.kind === 'as-is';
    if (verdict !== 'completed' && (!isEmpty || Object.keys(replay.headers).length > 0))
      found.push(fault('belongs to verdict: completed', at('rules', index, 'replay')));
    for (const name of Object.keys(replay.headers))
      if (OWN_FIELDS.includes(name.toLowerCase()) || name.toLowerCase() === 'set-cookie')
        found.push(fault('cannot be given to a replay', at('rules', index, 'replay', 'headers', name)));
    if (verdict === 'did-not-happen' && pointers.length === 0)
      found.push(...checkNegative(when.status, at('rules', index)));
    const compares = Object.values(when.json).some((test) => comparedNames(test).length > 0);
    if (verdict === 'completed' && !named && !compares)
      found.push(
        warning(
          'says completed without comparing {key} or a captured value with the answer; a backend that overlooks the query would be believed about another request',
          at('rules', index, 'when'),
          at('rules', index),
        ),
      );
  }
  return found;
}

/** What these say is about the question: a login that ran out, a limit, a backend that is down. */
function speaksOfTheQuestion(status: number): boolean {
  return (status >= 300 && status < 400) || status >= 500 || [401, 403, 407, 408, 425, 429].includes(status);
}

/** A key that is freed by mistake is executed twice. */
function checkNegative(
  status: Section['rules'][number]['when']['status'],
  path: ConfigPath,
): readonly Finding[] {
  const statuses = statusesOf(status);
  if (statuses.length === 0 || statuses.some(speaksOfTheQuestion))
    return [
      fault(
        'says did-not-happen also of redirects, refused or limited probes (401, 403, 429 …) or errors of the backend, and would free keys that were executed: name the statuses, such as 404',
        [...path, 'when'],
      ),
    ];
  return statuses.some((each) => each < 300)
    ? [
        warning(
          'says did-not-happen of an answer without looking into it: what stands in it at another place than the rules above look at would be executed again; compare it, such as with [] for an empty list',
          [...path, 'when'],
        ),
      ]
    : [];
}

function pathPartNames(path: Template): readonly string[] {
  const query = path.findIndex((part) => part.kind === 'text' && part.text.includes('?'));
  return namesIn(query === -1 ? path : path.slice(0, query));
}
