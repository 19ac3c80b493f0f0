import { unreachable } from '../../../src/core/unreachable.ts';
import { StoreModel } from '../../contract/store-model.ts';

/**
 * Whether what clients saw of one key can be put into one order in which each operation takes effect at an instant
 * between its call and its return, and every answer is the one that the state machine gives.
 *
 * The search is that of Wing and Gong (Testing and verifying concurrent objects, Journal of Parallel and Distributed
 * Computing 17, 1993), and remembers what it has seen of (operations done, state) as Lowe does (Testing for
 * linearizability, Concurrency and Computation: Practice and Experience 29, 2017). Keys are independent of each other:
 * each is checked by itself (Herlihy and Wing's locality).
 */

export type Step =
  | { readonly do: 'claim'; readonly owner: string; readonly state: 'claimed' | 'dispatched' }
  | {
      readonly do: 'dispatch' | 'renew' | 'release' | 'park';
      readonly owner: string;
      readonly token: number;
    }
  | { readonly do: 'complete'; readonly owner: string; readonly token: number; readonly body: string }
  | { readonly do: 'releaseOwner'; readonly owner: string }
  | {
      readonly do: 'resolve';
      readonly token: number;
      readonly to: 'completed' | 'released';
      readonly body: string;
    }
  | { readonly do: 'forget'; readonly how: 'settled-only' | 'forced' }
  | { readonly do: 'inspect' };

/** What was answered, in the fewest words: `claimed`, `inFlight`, `ok`, `lost`, `absent` …, and what came with it. */
export type Seen = {
  readonly word: string;
  readonly token: number | null;
  readonly attempt: number | null;
  readonly body: string | null;
};

export type Operation = {
  readonly client: string;
  readonly step: Step;
  readonly calledNs: number;
  /** Null: no answer came. It may take effect at any time from the call on, or never. */
  readonly returned: { readonly atNs: number; readonly seen: Seen } | null;
};

export type Verdict = 'linearizable' | 'not-linearizable' | 'undecided';

type Row = NonNullable<ReturnType<StoreModel['records']['get']>>;
/** `lastToken`: the highest that is known to have been given for this key. */
type State = { readonly row: Row | null; readonly lastToken: number };

const KEY = 'key';
/** Of a grant that nobody heard of: the next answer tells. */
const UNHEARD = 0;
const NODES_MAX = 500_000;
/** Leases and retention are far longer than a history: time plays no part. */
const LONG_MS = 3_600_000;

export function checkKey(operations: readonly Operation[]): Verdict {
  const ops = [...operations].sort((a, b) => a.calledNs - b.calledNs);
  const answered = mask(ops.map(({ returned }) => returned !== null));
  const seen = new Set<string>();
  const stack: { readonly done: bigint; readonly state: State }[] = [
    { done: 0n, state: { row: null, lastToken: 0 } },
  ];
  for (let nodes = 0; ; nodes += 1) {
    const node = stack.pop();
    if (node === undefined) return 'not-linearizable';
    if (nodes > NODES_MAX) return 'undecided';
    const { done, state } = node;
    if ((done & answered) === answered) return 'linearizable';
    // Nothing may be put before an operation that had returned when it was called.
    let firstReturnNs = Number.POSITIVE_INFINITY;
    ops.forEach(({ returned }, at) => {
      if (returned !== null && (done & bit(at)) === 0n)
        firstReturnNs = Math.min(firstReturnNs, returned.atNs);
    });
    for (const [at, operation] of ops.entries()) {
      if (operation.calledNs > firstReturnNs) break;
      if ((done & bit(at)) !== 0n) continue;
      const next = take(state, operation);
      if (next === null) continue;
      const after = done | bit(at);
      const name = `${after} ${next.lastToken} ${JSON.stringify(next.row)}`;
      if (seen.has(name)) continue;
      seen.add(name);
      stack.push({ done: after, state: next });
    }
  }
}

function bit(at: number): bigint {
  return 1n << BigInt(at);
}

function mask(wanted: readonly boolean[]): bigint {
  return wanted.reduce((all, want, at) => (want ? all | bit(at) : all), 0n);
}

/** The state after the operation, or null where the state machine would have answered otherwise. */
function take(before: State, { step, returned }: Operation): State | null {
  const seen = returned?.seen ?? null;
  const state = heard(before, step, seen);
  const model = new StoreModel();
  if (state.row !== null) model.records.set(KEY, { ...state.row });
  const answer = answerOf(model, state, step, seen);
  if (answer === null) return null;
  if (seen !== null && !agrees(answer, seen)) return null;
  const row = model.records.get(KEY) ?? null;
  return { row, lastToken: Math.max(state.lastToken, row?.token ?? 0) };
}

/** An answer tells the token of a grant whose own answer was lost. */
function heard(state: State, step: Step, seen: Seen | null): State {
  const { row, lastToken } = state;
  const token = seen?.token ?? null;
  if (row === null || row.token !== UNHEARD || token === null || token <= lastToken) return state;
  // Of a claim it is the token of this grant, unless the owner holds the key and is granted it again.
  const holds = step.do === 'claim' && step.owner === row.owner && row.written !== 'released';
  if (step.do === 'claim' && seen?.word === 'claimed' && !holds) return state;
  return { row: { ...row, token }, lastToken: token };
}

function agrees(answer: Seen, seen: Seen): boolean {
  return (
    answer.word === seen.word &&
    (answer.token === null || answer.token === seen.token) &&
    (answer.attempt === null || answer.attempt === seen.attempt) &&
    answer.body === seen.body
  );
}

function word(what: string, change: Partial<Seen> = {}): Seen {
  return { word: what, token: null, attempt: null, body: null, ...change };
}

/** Null: no such answer is possible, whatever was seen. */
function answerOf(model: StoreModel, state: State, step: Step, seen: Seen | null): Seen | null {
  switch (step.do) {
    case 'claim':
      return claim(model, state, step, seen);
    case 'dispatch':
      return word(model.dispatch({ key: KEY, ...step }));
    case 'renew':
      return word(model.renew({ key: KEY, ...step }, LONG_MS));
    case 'release':
      return word(model.release({ key: KEY, ...step }, null));
    case 'park':
      return word(model.park({ key: KEY, ...step }, 'parked'));
    case 'complete':
      return word(model.complete({ key: KEY, ...step }, step.body, LONG_MS));
    case 'releaseOwner':
      return word(model.releaseOwner(KEY, step.owner));
    case 'resolve':
      return word(model.resolve(KEY, step.token, step.to, step.body, LONG_MS));
    case 'forget':
      return word(model.forget(KEY, step.how));
    case 'inspect': {
      const view = model.view(KEY);
      if (view === null) return word('absent');
      return word(view.state, { token: view.token, body: view.body });
    }
    default:
      return unreachable(step);
  }
}

function claim(
  model: StoreModel,
  state: State,
  step: Extract<Step, { do: 'claim' }>,
  seen: Seen | null,
): Seen | null {
  const request = {
    owner: step.owner,
    fingerprint: '',
    policyId: '',
    leaseMs: LONG_MS,
    retainMs: LONG_MS,
    unknownRetainMs: LONG_MS,
    state: step.state,
    note: null,
  };
  const answer = model.claim(KEY, request);
  if (answer.kind !== 'claimed')
    return word(answer.kind, {
      token: answer.token,
      body: answer.kind === 'completed' ? answer.body : null,
    });
  const { attempt, resent } = answer;
  const token = resent === 'resent' ? (state.row?.token ?? UNHEARD) : (seen?.token ?? UNHEARD);
  // Tokens grow with every grant of a key, also over a release.
  if (resent === 'new' && token !== UNHEARD && token <= state.lastToken) return null;
  model.grant(KEY, request, token, attempt, resent);
  return word('claimed', { token, attempt });
}
