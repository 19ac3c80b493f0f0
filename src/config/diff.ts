import { policyFor } from '../core/plan.ts';
import type { PathSegment, RouteMatch, RoutePolicy } from '../core/policy.ts';
import type { RouteRequest } from '../core/route.ts';
import { unreachable } from '../core/unreachable.ts';
import type { ResolvedConfig } from './resolved.ts';

/** What another configuration would do to the keys that are there, in plain words. */

export type PolicyChange = {
  /** The route as the old configuration names it; `unmatched` for requests that match none. */
  readonly route: string;
  readonly what: 'keyspace' | 'scope' | 'key' | 'fingerprint' | 'protection' | 'not-found';
  /**
   * executes-again: a repeat of an older request is taken for a new one. policy-changed: it gets 409, and is not
   * executed. refused: it gets another error. unprotected: repeats are no longer recognised.
   */
  readonly effect: 'executes-again' | 'policy-changed' | 'refused' | 'unprotected';
  readonly text: string;
};

type PolicyTable = Pick<ResolvedConfig, 'routes' | 'fallback'>;

/**
 * For every route of the old configuration, what its requests meet in the new one. A route stands for itself by one
 * sample request, so a change that concerns only some of a route's requests may go unseen.
 */
export function diffPolicies(before: PolicyTable, after: PolicyTable): readonly PolicyChange[] {
  const changes = before.routes.flatMap((route) => {
    const sample = sampleRequest(route.match);
    // A route that another one shadows has no requests of its own.
    return policyFor(before, sample) === route ? changesOf(route, policyFor(after, sample)) : [];
  });
  // A route that is new takes its requests from where they were.
  const names = new Set(before.routes.map(({ name }) => name));
  const taken = after.routes
    .filter(({ name }) => !names.has(name))
    .flatMap((route) => {
      const sample = sampleRequest(route.match);
      const old = policyFor(before, sample);
      return old === null || policyFor(after, sample) !== route ? [] : changesOf(old, route);
    });
  const { fallback } = before;
  const unmatched =
    fallback.kind === 'policy'
      ? changesOf(fallback.policy, after.fallback.kind === 'policy' ? after.fallback.policy : null)
      : [];
  return onceEach([...changes, ...taken, ...unmatched]);
}

function onceEach(changes: readonly PolicyChange[]): readonly PolicyChange[] {
  return [...new Map(changes.map((change) => [change.text, change])).values()];
}

/** Some request that fits the match. */
function sampleRequest(match: RouteMatch): RouteRequest {
  const host =
    match.host === null
      ? 'sample.invalid'
      : match.host.startsWith('*.')
        ? `sample${match.host.slice(1)}`
        : match.host;
  const rawHeaders = match.headers.flatMap(({ name, value }) => [name, value ?? 'sample']);
  return { method: match.methods[0] ?? 'POST', host, path: samplePath(match.path ?? []), rawHeaders };
}

function samplePath(segments: readonly PathSegment[]): string {
  return `/${segments.map((segment) => (segment.kind === 'literal' ? segment.text : 'sample')).join('/')}`;
}

function changesOf(before: RoutePolicy, after: RoutePolicy | null): readonly PolicyChange[] {
  // Where nothing was ever recorded, nothing can be lost.
  if ((before.key.sources.length === 0 && before.sequence === null) || before.mode === 'observe') return [];
  const of = (what: PolicyChange['what'], effect: PolicyChange['effect'], text: string): PolicyChange => ({
    route: before.name,
    what,
    effect,
    text: `${where(before, after)}: ${text}`,
  });
  if (after === null)
    return [of('not-found', 'refused', 'its requests match no route any more; repeats get 404')];
  if (after.mode === 'observe')
    return [of('protection', 'unprotected', 'mode is now observe; repeats are executed again')];
  if ((before.sequence === null) !== (after.sequence === null))
    return [
      of(
        'key',
        'unprotected',
        `${before.sequence === null ? 'sequence is now on; keys are' : 'sequence is now off; numbers of producers are'} no longer looked for`,
      ),
    ];
  if (after.key.sources.length === 0 && after.sequence === null)
    return [
      of('protection', 'unprotected', 'no place to look for a key is left; repeats are executed again'),
    ];
  const lookup = after.sequence === null ? lookupChanges : sequenceChanges;
  return [
    ...lookup(before, after, of),
    ...trustChanges(before, after, of),
    ...fingerprintChanges(before, after, of),
  ];
}

function where(before: RoutePolicy, after: RoutePolicy | null): string {
  return after === null || after.name === before.name
    ? `route ${before.name}`
    : `route ${before.name}, whose requests now go to ${after.name}`;
}

type MakeChange = (what: PolicyChange['what'], effect: PolicyChange['effect'], text: string) => PolicyChange;

/** The same of a producer, which is refused where it is not found. */
function sequenceChanges(before: RoutePolicy, after: RoutePolicy, of: MakeChange): readonly PolicyChange[] {
  const changes: PolicyChange[] = [];
  if (before.keyspace !== after.keyspace)
    changes.push(
      of(
        'keyspace',
        'executes-again',
        `keyspace ${before.keyspace} is now ${after.keyspace}, in which producers begin at 0; their next numbers get 409 sequence-gap, and a repeat of number 0 executes again`,
      ),
    );
  if (JSON.stringify(before.scope) !== JSON.stringify({ ...after.scope, anonymous: before.scope.anonymous }))
    changes.push(
      of('scope', 'refused', 'producers are looked up under another scope; they get 412 producer-unknown'),
    );
  return changes;
}

/** Whose keys are taken. */
function trustChanges(before: RoutePolicy, after: RoutePolicy, of: MakeChange): readonly PolicyChange[] {
  const changes: PolicyChange[] = [];
  const isVerified = ({ message }: RoutePolicy): boolean => message !== null && message.signature !== null;
  if (isVerified(before) && !isVerified(after))
    changes.push(
      of(
        'protection',
        'unprotected',
        'deliveries are no longer verified; whoever can reach the route can use up an id',
      ),
    );
  if (before.rotated === 'refuse' && after.rotated === 'execute')
    changes.push(
      of(
        'protection',
        'unprotected',
        'rotated is now execute; a repeat that comes with another credential executes again',
      ),
    );
  if (before.ticket !== null && after.ticket === null)
    changes.push(
      of('protection', 'unprotected', 'a key need not be a ticket any more; callers make their own'),
    );
  if (before.ticket === null && after.ticket !== null)
    changes.push(
      of('key', 'refused', 'a key must be a ticket now; a repeat with a key of the caller gets 412'),
    );
  return changes;
}

const AGAIN = 'a repeat of an older request is not found and executes again';

/** Whose key it is taken for. */
function scopeChanges(before: RoutePolicy, after: RoutePolicy, of: MakeChange): readonly PolicyChange[] {
  const changes: PolicyChange[] = [];
  if (!sameList(before.scope.headers, after.scope.headers)) {
    changes.push(
      of(
        'scope',
        'executes-again',
        `scope.headers ${shown(before.scope.headers)} is now ${shown(after.scope.headers)}; keys are looked up under another scope, so ${AGAIN}`,
      ),
    );
  } else if (!sameList(before.scope.cookies ?? [], after.scope.cookies ?? [])) {
    changes.push(
      of(
        'scope',
        'executes-again',
        `scope.cookies ${shown(before.scope.cookies ?? [])} is now ${shown(after.scope.cookies ?? [])}; keys are looked up under another scope, so ${AGAIN}`,
      ),
    );
  } else if (JSON.stringify(proofOf(before)) !== JSON.stringify(proofOf(after))) {
    changes.push(
      of(
        'scope',
        'executes-again',
        `scope.jwt or scope.certificate is changed; keys are looked up under another scope, so ${AGAIN}`,
      ),
    );
  } else if (before.scope.sigv4 !== after.scope.sigv4) {
    changes.push(
      of(
        'scope',
        'executes-again',
        `scope.sigv4 is now ${after.scope.sigv4 === 'access-key'}; callers with AWS signatures have another scope, so ${AGAIN}`,
      ),
    );
  } else if (before.scope.anonymous === 'allow' && after.scope.anonymous === 'refuse') {
    changes.push(
      of('scope', 'refused', 'scope.anonymous is now refuse; callers without credentials get 400'),
    );
  }
  return changes;
}

function proofOf({ scope }: RoutePolicy): readonly unknown[] {
  return [scope.jwt ?? null, scope.certificate ?? null];
}

/** Whatever decides under which record a key is looked up. */
function lookupChanges(before: RoutePolicy, after: RoutePolicy, of: MakeChange): readonly PolicyChange[] {
  const changes: PolicyChange[] = [];
  if (before.keyspace !== after.keyspace)
    changes.push(
      of('keyspace', 'executes-again', `keyspace ${before.keyspace} is now ${after.keyspace}; ${AGAIN}`),
    );
  changes.push(...scopeChanges(before, after, of));
  const gone = before.key.sources
    .map(sourceText)
    .filter((source) => !after.key.sources.map(sourceText).includes(source));
  if (gone.length > 0)
    changes.push(
      of(
        'key',
        'unprotected',
        `a key in ${gone.join(' or ')} is no longer looked for; repeats that carry it there are executed again`,
      ),
    );
  if (before.key.characters.startsWith('uuid') !== after.key.characters.startsWith('uuid')) {
    changes.push(
      of(
        'key',
        'executes-again',
        `key.characters ${before.key.characters} is now ${after.key.characters}, which compares case otherwise; a repeat whose key has capital letters executes again`,
      ),
    );
  }
  if (before.key.syntax === 'lenient' && after.key.syntax === 'strict')
    changes.push(
      of('key', 'refused', 'key.syntax is now strict; a repeat whose key is not in quotes gets 400'),
    );
  if (before.idempotentMethods === 'keyed' && after.idempotentMethods === 'bypass') {
    changes.push(
      of(
        'protection',
        'unprotected',
        'keyIdempotentMethods is now off; repeats of PUT and DELETE are executed again',
      ),
    );
  }
  return changes;
}

function fingerprintChanges(
  before: RoutePolicy,
  after: RoutePolicy,
  of: MakeChange,
): readonly PolicyChange[] {
  if (before.fingerprint.id === after.fingerprint.id) return [];
  const parts = (['method', 'path', 'query', 'body', 'headers'] as const).filter(
    (part) => JSON.stringify(before.fingerprint[part]) !== JSON.stringify(after.fingerprint[part]),
  );
  return [
    of(
      'fingerprint',
      'policy-changed',
      `the fingerprint changed (${parts.join(', ')}); repeats of older requests get 409 policy-changed until retain is over, and are not executed`,
    ),
  ];
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

function shown(names: readonly string[]): string {
  return `[${names.join(', ')}]`;
}

function sourceText(source: RoutePolicy['key']['sources'][number]): string {
  switch (source.kind) {
    case 'header':
      return `the header ${source.name}`;
    case 'query':
      return `the query parameter ${source.name}`;
    case 'json':
      return `the body at ${source.pointer}`;
    case 'form':
      return `the form field ${source.name}`;
    case 'message':
      return `the id of a ${source.preset} message`;
    default:
      return unreachable(source);
  }
}
