import type { Outcome } from './outcome.ts';
import type { RecordKey } from './record.ts';

/** What `mode: enforce` would have made of a request, as `mode: observe` saw it. */

type Group =
  /** Sent to the backend, as without Onceward. */
  | 'executed'
  /** Not sent: answered with the first answer. */
  | 'replayed'
  | 'refused'
  /** Sent, and its outcome not known afterwards. */
  | 'parked'
  /** Passed on without a record. */
  | 'passed'
  | 'not-judged';

type ObservedEndType = {
  readonly group: Group;
  /** The label of onceward_observed_requests_total. */
  readonly outcome: Outcome;
  readonly meaning: string;
};

const table = {
  executed: {
    group: 'executed',
    outcome: 'executed',
    meaning: 'the first with its key; its answer is kept',
  },
  released: {
    group: 'executed',
    outcome: 'released',
    meaning: 'the first with its key; its status says that nothing was executed, the key stays free',
  },
  unreachable: {
    group: 'executed',
    outcome: 'upstream_unreachable',
    meaning: 'the backend could not be reached; the key stays free',
  },
  parked: {
    group: 'parked',
    outcome: 'parked',
    meaning: 'its answer was lost, late or of a status that proves nothing; repeats get 409',
  },
  replayed: { group: 'replayed', outcome: 'replayed', meaning: 'a repeat; it gets the first answer' },
  joined: {
    group: 'replayed',
    outcome: 'joined',
    meaning: 'a repeat while the first is in flight; it waits for its answer, as long as the route says',
  },
  'in-flight': {
    group: 'refused',
    outcome: 'in_flight',
    meaning: '409: a repeat while the first is in flight, on a route that lets nobody wait',
  },
  'key-reused': {
    group: 'refused',
    outcome: 'mismatch',
    meaning: '422: the key of a request with other content',
  },
  'policy-changed': {
    group: 'refused',
    outcome: 'mismatch',
    meaning: '409: a key that was first used under other fingerprint rules',
  },
  'outcome-unknown': {
    group: 'refused',
    outcome: 'unknown',
    meaning: '409: a repeat of a request that is parked',
  },
  'key-missing': { group: 'refused', outcome: 'rejected', meaning: '400: no key where one is required' },
  'key-invalid': { group: 'refused', outcome: 'rejected', meaning: '400: a key that is not well-formed' },
  'scope-missing': { group: 'refused', outcome: 'rejected', meaning: '400: nothing says whose key it is' },
  'credential-invalid': {
    group: 'refused',
    outcome: 'rejected',
    meaning: '401: the token that says whose key it is does not verify',
  },
  'verification-unavailable': {
    group: 'refused',
    outcome: 'rejected',
    meaning: '503: what tokens are verified with is not to be had',
  },
  'bad-request': {
    group: 'refused',
    outcome: 'rejected',
    meaning: '400: fields of the scope that contradict each other',
  },
  'precondition-required': {
    group: 'refused',
    outcome: 'rejected',
    meaning: '428: no condition where the route demands one',
  },
  'precondition-invalid': {
    group: 'refused',
    outcome: 'rejected',
    meaning: '400: a condition that is not well-formed',
  },
  'repeatability-invalid': {
    group: 'refused',
    outcome: 'rejected',
    meaning: '400: one repeatability field without the other, or a date that is none',
  },
  'repeatability-window': {
    group: 'refused',
    outcome: 'rejected',
    meaning: '412: first sent outside the window',
  },
  'repeatability-unsupported': {
    group: 'refused',
    outcome: 'rejected',
    meaning: '501: repeatability asked for where it is not kept',
  },
  'signature-invalid': {
    group: 'refused',
    outcome: 'rejected',
    meaning: '400: a delivery whose signature is missing, not right or too old',
  },
  'ticket-unknown': {
    group: 'refused',
    outcome: 'rejected',
    meaning: '412: no ticket of this caller and route, or one whose time is over',
  },
  'request-too-large': {
    group: 'refused',
    outcome: 'rejected',
    meaning: '413: its body is larger than the route takes with a key',
  },
  'no-key': { group: 'passed', outcome: 'bypassed', meaning: 'no key where one is optional: not protected' },
  'broken-off': { group: 'not-judged', outcome: 'rejected', meaning: 'its body never came whole' },
  'no-room': {
    group: 'not-judged',
    outcome: 'overloaded',
    meaning: 'the half of `limits.buffer` that observing may use was taken',
  },
  'store-unavailable': {
    group: 'not-judged',
    outcome: 'store_unavailable',
    meaning: 'the store did not answer; enforcing would have answered 503',
  },
} as const satisfies Readonly<Record<string, ObservedEndType>>;

export type ObservedEnd = keyof typeof table;

/** In the order of the table. */
// Object.keys is typed string[]; the keys of the literal above are exactly the ends.
export const OBSERVED_ENDS = Object.keys(table) as readonly ObservedEnd[];

export function observedEnd(end: ObservedEnd): ObservedEndType {
  return table[end];
}

/** The keyspaces of `mode: observe` are apart from those that protect; no keyspace name has this character. */
export function observedKeyspace(keyspace: string): string {
  return `\u0001observe\u0001${keyspace}`;
}

export type ObservedExample = {
  /** Of the record that observing keeps; null: there was no key. */
  readonly recordKey: RecordKey | null;
  readonly atMs: number;
  /** Of the backend's answer; 0: none came. Null: not waited for. */
  readonly status: number | null;
};

export type ObservedCount = {
  readonly end: ObservedEnd;
  readonly requests: number;
  /** The latest, oldest first. */
  readonly examples: readonly ObservedExample[];
};

export type ObservedRoute = { readonly route: string; readonly counts: readonly ObservedCount[] };

export const OBSERVED_EXAMPLES_MAX = 5;
/** Renamed again and again by reloads, routes would grow without end. */
export const OBSERVED_ROUTES_MAX = 1_000;

/** The counts of several processes as one. */
export function addUpObserved(parts: readonly (readonly ObservedRoute[])[]): readonly ObservedRoute[] {
  const routes = new Map<string, Map<ObservedEnd, ObservedCount>>();
  for (const { route, counts } of parts.flat()) {
    const sums = routes.get(route) ?? new Map<ObservedEnd, ObservedCount>();
    routes.set(route, sums);
    for (const count of counts) sums.set(count.end, bothOf(sums.get(count.end), count));
  }
  return [...routes].slice(0, OBSERVED_ROUTES_MAX).map(([route, sums]) => ({
    route,
    counts: OBSERVED_ENDS.flatMap((end) => sums.get(end) ?? []),
  }));
}

function bothOf(one: ObservedCount | undefined, other: ObservedCount): ObservedCount {
  if (one === undefined) return other;
  const examples = [...one.examples, ...other.examples]
    .toSorted((a, b) => a.atMs - b.atMs)
    .slice(-OBSERVED_EXAMPLES_MAX);
  return { end: one.end, requests: one.requests + other.requests, examples };
}
