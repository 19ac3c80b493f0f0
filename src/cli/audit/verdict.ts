import { type Answer, type Difference, differences, type Ignore } from './difference.ts';

/** What two sendings of one request, and what was read between and after them, prove. */

export type Seen =
  | ({ readonly kind: 'answer' } & Answer)
  | { readonly kind: 'no-answer'; readonly detail: string };

export type Trial = {
  readonly method: string;
  readonly first: Seen;
  readonly second: Seen;
  /** Null: nothing reads back what it does. */
  readonly state: {
    readonly target: string;
    /** Twice between the two sendings: what differs there changes by itself. */
    readonly between: readonly [Seen, Seen];
    readonly after: Seen;
  } | null;
  /** safe: its own answer is what it reads. */
  readonly requestClass: 'safe' | 'idempotent';
};

export type Verdict = {
  readonly kind: 'idempotent' | 'answer-differs' | 'not-idempotent' | 'unsure';
  /** What it rests on; empty for idempotent. */
  readonly why: readonly string[];
};

export function judgeTrial(trial: Trial, ignore: Ignore): Verdict {
  const { first, second, state } = trial;
  if (first.kind === 'no-answer') return unsure(`no first answer: ${first.detail}`);
  if (first.status >= 400) return unsure(`the first answer is ${first.status}: nothing was tried`);
  if (second.kind === 'no-answer') return unsure(`no second answer: ${second.detail}`);
  const answers = answerDifferences(first, second, ignore);
  if (state === null) {
    if (trial.requestClass === 'safe')
      return answers.length === 0 ? { kind: 'idempotent', why: [] } : unsure(...answers.map(answerText));
    return unsure('nothing reads its effect back: give --check', ...answers.map(answerText));
  }
  const read = stateOf(state);
  if (typeof read === 'string') return unsure(read, ...answers.map(answerText));
  const noise = differences(read.between, read.again, ignore);
  if (noise.some(({ tokens }) => tokens === null || tokens.length === 0))
    return unsure(
      `what GET ${state.target} reads changes by itself`,
      ...noise.map((difference) => stateText(state.target, difference)),
    );
  const changes = differences(read.again, read.after, {
    ...ignore,
    pointers: [...ignore.pointers, ...noise.flatMap(({ tokens }) => (tokens === null ? [] : [tokens]))],
  });
  if (changes.length > 0)
    return { kind: 'not-idempotent', why: changes.map((change) => stateText(state.target, change)) };
  return answers.length === 0
    ? { kind: 'idempotent', why: [] }
    : { kind: 'answer-differs', why: answers.map(answerText) };
}

/** 200 after 201 is no other answer for a client; 404 after 204 is. */
function answerDifferences(first: Answer, second: Answer, ignore: Ignore): readonly Difference[] {
  const sameClass = Math.floor(first.status / 100) === Math.floor(second.status / 100);
  const ignoredInAnswers = sameClass ? { ...second, status: first.status } : second;
  return differences(first, ignoredInAnswers, ignore);
}

function stateOf({
  target,
  between,
  after,
}: NonNullable<Trial['state']>):
  | { readonly between: Answer; readonly again: Answer; readonly after: Answer }
  | string {
  const [one, again] = between;
  for (const seen of [one, again, after]) {
    if (seen.kind === 'no-answer') return `GET ${target} had no answer: ${seen.detail}`;
    // What is not there is a state too.
    const readable = (seen.status >= 200 && seen.status < 300) || seen.status === 404 || seen.status === 410;
    if (!readable) return `GET ${target} cannot read its effect back: ${seen.status}; give --check`;
  }
  return one.kind === 'answer' && again.kind === 'answer' && after.kind === 'answer'
    ? { between: one, again, after }
    : `GET ${target} had no answer`;
}

function unsure(...why: readonly string[]): Verdict {
  return { kind: 'unsure', why };
}

function answerText({ what, from, to }: Difference): string {
  return `the second answer: ${what}: ${from} → ${to}`;
}

function stateText(target: string, { what, from, to }: Difference): string {
  return `what GET ${target} reads: ${what}: ${from} → ${to}`;
}
