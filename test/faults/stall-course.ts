import type { CountingBackend } from '../support/counting-backend.ts';
import { type Answer, keyed, sendRequest } from '../support/send-request.ts';
import { exactly, type Figure, told } from './fault-script.ts';
import { type Heard, readAnswer } from './read-answer.ts';

/** What becomes of one key whose holder is stopped, as a client sees it that goes on repeating at another proxy. */
export type Course = {
  readonly key: string;
  readonly moment: Moment;
  /** What the holder's own client hears in the end; '' for a broken connection. */
  readonly own: Promise<Heard | ''>;
  /** In the order in which they came. */
  readonly repeats: Repeat[];
  /** When the holder goes on; null before. */
  atWake: { readonly repeats: number; readonly executions: number } | null;
};

export type Moment = {
  readonly words: string;
  readonly path: string;
  /**
   * What the others find once the lease is over. `taken`: no mark was set, they execute. `re-opened`: unknown, until
   * the operator's `onUnknown: retry` lets them execute beside the holder.
   */
  readonly meanwhile: 'taken' | 'unknown' | 're-opened';
  /** By the holder before it is stopped, and by the others until it wakes. */
  readonly executionsAtWake: 0 | 1 | 2;
  readonly executionsMax: 1 | 2;
};

type Repeat = { readonly heard: Heard; readonly executedBefore: number };

export type Judged = {
  readonly moment: Moment;
  readonly doubled: 'no' | 'yes';
  readonly falselyReplayed: 'no' | 'yes';
  readonly falselyNotExecuted: 'no' | 'yes';
  /**
   * `as-allowed`: as the moment says. `blocked`: the others could ask no store meanwhile, for the holder was stopped
   * within a commit of LMDB and kept its lock; all but what they say meanwhile must hold.
   */
  readonly meanwhile: 'as-allowed' | 'blocked' | 'otherwise';
  /** What its own client heard. */
  readonly own: string;
};

const REPEAT_PAUSE_MS = 60;
const END_MS_MAX = 20_000;

export function send(port: number, key: string, path: string): Promise<Answer> {
  return sendRequest(port, { path, headers: keyed(key) });
}

export function startCourse(port: number, key: string, moment: Moment): Course {
  const own = send(port, key, moment.path).then(readAnswer, () => '' as const);
  return { key, moment, own, repeats: [], atWake: null };
}

/** Repeats until the holder is awake, its own client has its answer, and a repeat after that is charged. */
export async function repeatToTheEnd(course: Course, backend: CountingBackend, port: number): Promise<void> {
  const own: { state: 'open' | 'answered' } = { state: 'open' };
  let wakeMs = Number.POSITIVE_INFINITY;
  void course.own.then(() => {
    own.state = 'answered';
  });
  for (;;) {
    const wasAnswered = own.state === 'answered' && course.atWake !== null;
    const executedBefore = backend.executions(course.key);
    const heard = readAnswer(await send(port, course.key, course.moment.path));
    course.repeats.push({ heard, executedBefore });
    if (wasAnswered && heard.kind === 'charged') return;
    if (course.atWake !== null) wakeMs = Math.min(wakeMs, performance.now());
    if (performance.now() - wakeMs > END_MS_MAX)
      throw new Error(`${course.moment.words}: ${course.key} does not end: ${heard.word}`);
    await new Promise((resolve) => setTimeout(resolve, REPEAT_PAUSE_MS));
  }
}

/** Whether the others have found what the moment lets them find, so that the holder may wake. */
export function isRipe({ moment, repeats }: Course): boolean {
  return repeats.some(({ heard }) =>
    moment.meanwhile === 'unknown' ? heard.word === 'outcome-unknown' : heard.kind === 'charged',
  );
}

export function wake(course: Course, backend: CountingBackend): void {
  course.atWake = { repeats: course.repeats.length, executions: backend.executions(course.key) };
}

/** `last`: a repeat at the former holder, when all is over. */
export async function judge(course: Course, backend: CountingBackend, last: Heard): Promise<Judged> {
  const { key, moment, repeats } = course;
  const own = await course.own;
  const atWake = course.atWake ?? { repeats: 0, executions: 0 };
  const meanwhile = meanwhileOf(course, atWake);
  const executions = backend.executions(key);
  const charged = [...repeats.map(({ heard }) => heard), last].filter(({ kind }) => kind === 'charged');
  const texts = new Set(charged.map((heard) => (heard.kind === 'charged' ? heard.text : '')));
  const executedAnew = charged.filter((heard) => heard.kind === 'charged' && heard.replayed === 'no').length;
  const isOwnFalse =
    own !== '' &&
    own.kind === 'charged' &&
    (own.key !== key || (moment.executionsMax === 1 && !texts.has(own.text)));
  const toldNotExecuted = repeats.some(
    ({ heard, executedBefore }) => heard.kind !== 'charged' && heard.executed === 'no' && executedBefore > 0,
  );
  const ownToldNotExecuted =
    own !== '' && own.kind !== 'charged' && own.executed === 'no' && atWake.executions > 0;
  return {
    moment,
    doubled: yes(executions > moment.executionsMax),
    falselyReplayed: yes(
      texts.size !== 1 ||
        charged.some((heard) => heard.kind === 'charged' && heard.key !== key) ||
        last.kind !== 'charged' ||
        executedAnew > 1 ||
        isOwnFalse,
    ),
    falselyNotExecuted: yes(toldNotExecuted || ownToldNotExecuted),
    meanwhile,
    own: own === '' ? 'connection' : own.word,
  };
}

function meanwhileOf(
  { moment, repeats }: Course,
  atWake: NonNullable<Course['atWake']>,
): Judged['meanwhile'] {
  const words = new Set(repeats.slice(0, atWake.repeats).map(({ heard }) => heard.word));
  const [wasUnknown, wasCharged] = [words.has('outcome-unknown'), words.has('201')];
  if (words.has('store-unavailable') && !wasUnknown && !wasCharged) return 'blocked';
  const isAllowed =
    wasUnknown === (moment.meanwhile !== 'taken') &&
    wasCharged === (moment.meanwhile !== 'unknown') &&
    atWake.executions === moment.executionsAtWake;
  return isAllowed ? 'as-allowed' : 'otherwise';
}

function yes(holds: boolean): 'no' | 'yes' {
  return holds ? 'yes' : 'no';
}

export function stallFigures(kind: 'lmdb' | 'redis', judged: readonly Judged[]): readonly Figure[] {
  const count = (fits: (one: Judged) => boolean): number => judged.filter(fits).length;
  const moments = [...new Set(judged.map(({ moment }) => moment))];
  const blocked = count(({ meanwhile }) => meanwhile === 'blocked');
  return [
    ...moments
      .sort((a, b) => a.words.localeCompare(b.words))
      .map((moment) => ownFigure(kind, moment, judged)),
    exactly(
      `${kind}: keys executed once more than allowed`,
      count(({ doubled }) => doubled === 'yes'),
      0,
    ),
    exactly(
      `${kind}: false replays`,
      count(({ falselyReplayed }) => falselyReplayed === 'yes'),
      0,
    ),
    exactly(
      `${kind}: keys called "not executed" that were`,
      count(({ falselyNotExecuted }) => falselyNotExecuted === 'yes'),
      0,
    ),
    exactly(
      `${kind}: keys that others found in another state than the moment allows`,
      count(({ meanwhile }) => meanwhile === 'otherwise') + (kind === 'redis' ? blocked : 0),
      0,
    ),
    ...(kind === 'lmdb'
      ? [told('lmdb: keys nobody could ask for, as their holder was stopped within a commit', blocked)]
      : []),
  ];
}

function ownFigure(kind: string, moment: Moment, judged: readonly Judged[]): Figure {
  const words = judged.filter((one) => one.moment === moment).map(({ own }) => own);
  const heard = [...new Set(words)]
    .sort()
    .map((word) => `${words.filter((other) => other === word).length} ${word}`);
  return told(`${kind}: stopped ${moment.words}; its own client heard`, heard.join(', '));
}
