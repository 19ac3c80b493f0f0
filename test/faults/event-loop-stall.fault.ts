import { readFileSync } from 'node:fs';
import { type ChildProxy, startChildProxy } from '../support/child-proxy.ts';
import { type Arrival, executeAndAnswer } from '../support/counting-backend.ts';
import { seededRandom } from '../support/seeded.ts';
import { until } from '../support/send-request.ts';
import { type FaultResult, type FaultRun, type FaultScript, runAlone } from './fault-script.ts';
import { readAnswer } from './read-answer.ts';
import {
  type Course,
  isRipe,
  type Judged,
  judge,
  type Moment,
  repeatToTheEnd,
  send,
  stallFigures,
  startCourse,
  wake,
} from './stall-course.ts';
import {
  ANSWERED,
  ANSWERED_REOPENED,
  RELAYED,
  REOPENING_PATH,
  type RelayedMoment,
  WAITING,
  WAITING_REOPENED,
} from './stall-moments.ts';
import { type StallRelay, startStallRelay } from './stall-relay.ts';
import { type StoreStage, storeStage } from './store-stage.ts';

/**
 * Fault 30: a holder whose event loop stands still for longer than three leases, caught at each of the moments at which
 * it holds a claim, while its clients repeat at another proxy.
 */
export const FAULT: FaultScript = {
  name: 'event-loop-stall',
  promise:
    'A holder stopped (SIGSTOP) for longer than three leases between claim and dispatch, after the dispatch mark, or after the backend answered: it dispatches nothing that another has taken, its late answer counts only under its own token, and nothing is executed twice, replayed falsely or called "not executed" that was.',
  quickMsMax: 25_000,
  run,
};

const LEASE_MS = 1_500;
const READY_MS_MAX = 20_000;

type Stalls = {
  readonly stage: StoreStage;
  readonly steady: ChildProxy;
  readonly seed: number;
  /** First arrivals with these keys are handed over instead of answered. */
  readonly arrivals: Map<string, (arrival: Arrival) => void>;
  readonly closers: (() => Promise<void>)[];
};

/** One stall, of keys that begin so. */
type Play = (key: string) => Promise<readonly Judged[]>;

type Stalled = {
  readonly holder: ChildProxy;
  readonly relay: StallRelay | null;
  readonly courses: readonly Course[];
};

async function run(options: FaultRun): Promise<FaultResult> {
  const kinds = ['lmdb', 'redis'] as const;
  const results = await Promise.all(kinds.map((kind) => stallOver(kind, options)));
  return {
    figures: results.flatMap(({ figures }) => figures),
    versions: results.flatMap(({ versions }) => versions),
  };
}

async function stallOver(kind: StoreStage['kind'], { form, seed, say }: FaultRun): Promise<FaultResult> {
  const stage = await storeStage(kind);
  const arrivals: Stalls['arrivals'] = new Map();
  stage.backend.behave((arrival) => {
    const take = arrivals.get(arrival.key);
    arrivals.delete(arrival.key);
    (take ?? executeAndAnswer)(arrival);
  });
  const closers: Stalls['closers'] = [() => stage.close()];
  try {
    const steady = await startProxy(stage, closers, {});
    const stalls = { stage, steady, arrivals, closers, seed };
    // One after another: each of them asks its store in time only where it has a part of the processor.
    const plays: Play[] = [await playAtBackend(stalls)];
    for (const moment of kind === 'redis' ? RELAYED : []) plays.push(await playAtRelay(stalls, moment));
    const rounds = form === 'quick' ? 1 : 20;
    const judged: Judged[] = [];
    await Promise.all(
      plays.map(async (play, nth) => {
        for (let round = 1; round <= rounds; round += 1) {
          judged.push(...(await play(`stall-${seed}-${nth}-${round}`)));
          if (nth === 0 && round % 5 === 0)
            say(`event-loop-stall: ${kind}: ${round} of ${rounds} stalls of each kind`);
        }
      }),
    );
    return { figures: stallFigures(kind, judged), versions: stage.versions };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function startProxy(
  stage: StoreStage,
  closers: Stalls['closers'],
  choice: {
    readonly storePort?: number;
    readonly mark?: 'together' | 'separate';
    readonly connections?: number;
  },
): Promise<ChildProxy> {
  const proxy = await startChildProxy([
    '--config',
    stage.configure({
      storePort: choice.storePort ?? null,
      defaults: { lease: `${LEASE_MS}ms`, inFlight: 'reject', markDispatch: choice.mark === 'separate' },
      sections: {
        // Longer than any stall: what waits for a connection is to meet its lease, not this.
        upstream: {
          url: stage.backend.origin,
          connections: choice.connections ?? 16,
          queueTimeout: '60s',
        },
        routes: [
          {
            name: 'reopening',
            match: { path: REOPENING_PATH },
            onUnknown: 'retry',
            quiet: '500ms',
          },
        ],
      },
    }),
  ]);
  closers.push(() => proxy.kill());
  return proxy;
}

/** One holder, stopped at a moment of its conversation with Redis. */
async function playAtRelay(stalls: Stalls, moment: RelayedMoment): Promise<Play> {
  const { stage, closers, seed } = stalls;
  const relay = await startStallRelay(stage.storePort ?? 0);
  closers.push(() => relay.close());
  const holder = await startProxy(stage, closers, { storePort: relay.port, mark: moment.mark });
  const random = seededRandom(seed + RELAYED.indexOf(moment));
  return async (key) => {
    await ready(holder, `${key}-before`);
    const { course } = await caught(holder, key, moment, () => {
      return new Promise<void>((resolve) =>
        relay.keep(moment.at, () => {
          holder.signal('SIGSTOP');
          resolve();
        }),
      );
    });
    return await stall(stalls, random, { holder, relay, courses: [course] });
  };
}

/** One holder with two connections: two requests are answered while it is stopped, and two more wait for their end. */
async function playAtBackend(stalls: Stalls): Promise<Play> {
  const { stage, closers, seed, arrivals } = stalls;
  const holder = await startProxy(stage, closers, { connections: 2 });
  const random = seededRandom(seed);
  return async (key) => {
    await ready(holder, `${key}-before`);
    const atBackend = await Promise.all(
      [ANSWERED, ANSWERED_REOPENED].map((moment, nth) =>
        caught(holder, `${key}-answered-${nth}`, moment, (sent) => executed(arrivals, sent)),
      ),
    );
    const waiting = await Promise.all(
      [WAITING, WAITING_REOPENED].map((moment, nth) => lastInLine(holder, `${key}-waiting-${nth}`, moment)),
    );
    holder.signal('SIGSTOP');
    await stopped(holder.pid);
    for (const { found } of atBackend) found.answer();
    const courses = [...atBackend.map(({ course }) => course), ...waiting];
    return await stall(stalls, random, { holder, relay: null, courses });
  };
}

const TRIES_MAX = 10;

/** On a machine so busy that a claim is late, the client has its answer before the moment comes: again, another key. */
async function caught<T>(
  holder: ChildProxy,
  key: string,
  moment: Moment,
  catchIt: (key: string) => Promise<T>,
): Promise<{ readonly course: Course; readonly found: T }> {
  let word = '';
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const sent = `${key}-${attempt}`;
    const catching = catchIt(sent).then((found) => ({ found }));
    const course = startCourse(holder.port, sent, moment);
    const first = await Promise.race([catching, course.own]);
    if (first !== '' && 'found' in first) return { course, found: first.found };
    word = first === '' ? 'connection' : first.word;
  }
  throw new Error(`${moment.words}: the moment does not come; last answer: ${word}`);
}

/**
 * Sent twice: the one that is told of the other has its answer from the store later than the other its claim, which by
 * then waits for a connection.
 */
async function lastInLine(holder: ChildProxy, key: string, moment: Moment): Promise<Course> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const sent = `${key}-${attempt}`;
    const [one, other] = [startCourse(holder.port, sent, moment), startCourse(holder.port, sent, moment)];
    const [first, course] = await Promise.race([
      one.own.then((heard) => [heard, other] as const),
      other.own.then((heard) => [heard, one] as const),
    ]);
    if (first !== '' && first.word === 'in-flight') return course;
  }
  throw new Error(`${moment.words}: the moment does not come`);
}

/** Resolves once the backend has executed; what comes with it lets the backend answer. */
function executed(arrivals: Stalls['arrivals'], key: string): Promise<{ readonly answer: () => void }> {
  return new Promise((resolve) => {
    arrivals.set(key, (arrival) => {
      const execution = arrival.execute();
      const text = JSON.stringify({ execution, key, body: arrival.body });
      resolve({ answer: () => arrival.answer(201, text) });
    });
  });
}

/** From the stop, which has been, to the end of every course. */
async function stall(
  { stage, steady }: Stalls,
  random: () => number,
  { holder, relay, courses }: Stalled,
): Promise<readonly Judged[]> {
  const stoppedMs = performance.now();
  const stallMs = LEASE_MS * (3.1 + random());
  const repeating = Promise.all(courses.map((course) => repeatToTheEnd(course, stage.backend, steady.port)));
  repeating.catch(() => undefined);
  await until(
    async () => performance.now() - stoppedMs,
    (forMs) => forMs >= stallMs && (courses.every(isRipe) || forMs >= 2 * stallMs),
  );
  for (const course of courses) wake(course, stage.backend);
  relay?.letGo();
  holder.signal('SIGCONT');
  await repeating;
  return await Promise.all(
    courses.map(async (course) => {
      const last = await until(
        async () => readAnswer(await send(holder.port, course.key, course.moment.path)),
        ({ word }) => word !== 'store-unavailable',
      );
      return await judge(course, stage.backend, last);
    }),
  );
}

/** It answers, also from its store: every script it needs is known there. */
async function ready(proxy: ChildProxy, key: string): Promise<void> {
  await until(
    () => send(proxy.port, key, '/charges'),
    ({ status }) => status === 201,
    READY_MS_MAX,
  );
}

/** A signal takes a moment: what comes after it must find no one awake. */
async function stopped(pid: number): Promise<void> {
  await until(
    async () => /\) (\w) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1],
    (state) => state === 'T',
  );
}

await runAlone(import.meta.url, FAULT);
