import { type ChildProxy, startChildProxy } from '../support/child-proxy.ts';
import { executeAndAnswer } from '../support/counting-backend.ts';
import { seededRandom } from '../support/seeded.ts';
import {
  atLeast,
  atMost,
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  type Figure,
  runAlone,
  told,
} from './fault-script.ts';
import { BACKEND_POINTS, type BackendPoint, type KillRelay, startKillRelay } from './kill-relay.ts';
import { type LoadEnd, type LoadResult, loadFigures, runLoad } from './load.ts';
import { overBothStores, type StoreStage, stagedRecordKey } from './store-stage.ts';

/**
 * Faults 1 to 5: one of two proxies on one store is killed, at a moment that the seed chooses, and replaced, again and
 * again, while clients retry at both.
 */
export const FAULT: FaultScript = {
  name: 'kill-9',
  promise:
    'Whichever proxy is killed (SIGKILL), and when: no key is executed twice, none is called "not executed" that was, and every key is settled within its lease and a second.',
  quickMsMax: 30_000,
  run,
};

const LEASE_MS = 1_500;
const SLACK_MS = 1_000;
const CLIENTS = 24;
const PACE_PER_SECOND = 300;
const WORK_MS = 5;
/** A moment that does not come by then is left: the kill comes anyway. */
const MOMENT_MS_MAX = 2_000;

const WORDS: Readonly<Record<Point, string>> = {
  anywhere: 'at any moment under load',
  'before-dispatch-mark': 'between claim and dispatch mark',
  'sent-not-arrived': 'after the first byte, before the backend acted',
  'acted-not-answered': 'after the backend acted, before its answer arrived',
  'while-answering': 'while the answer was streamed on',
  'while-committing': 'while the answer was committed',
};

type Point = BackendPoint | 'before-dispatch-mark' | 'anywhere';
type Slots = [Victim | null, Victim | null];
type Caught = { readonly point: Point; readonly key: string; readonly killMs: number };
type Ended = { readonly end: LoadEnd; readonly endMs: number };
type Victim = {
  readonly proxy: ChildProxy;
  readonly toBackend: KillRelay;
  readonly toStore: KillRelay | null;
  end(): Promise<void>;
};

function run(options: FaultRun): Promise<FaultResult> {
  return overBothStores((stage) => killOver(stage, options));
}

async function killOver(stage: StoreStage, { form, seed, say }: FaultRun): Promise<readonly Figure[]> {
  const { backend, kind } = stage;
  const random = seededRandom(seed);
  const kills = form === 'full' ? 250 : kind === 'lmdb' ? 4 : 2;
  const slots: Slots = [null, null];
  const stop = new AbortController();
  const ends = new Map<string, Ended>();
  const later = new Map<string, LoadEnd>();
  const last = { killMs: 0, endMs: 0 };
  const plan = {
    backend,
    ports: () => slots.flatMap((victim) => victim?.proxy.port ?? []),
    clients: CLIENTS,
    keys: 1_000_000,
    seed,
    keyPrefix: `kill-${kind}-${seed}`,
  };
  backend.behave((arrival) => setTimeout(executeAndAnswer, random() * 2 * WORK_MS, arrival));
  try {
    slots[0] = await startVictim(stage, random);
    slots[1] = await startVictim(stage, random);
    const load = runLoad({
      ...plan,
      stop: stop.signal,
      pacePerSecond: PACE_PER_SECOND,
      onEnd: (key, end) => {
        last.endMs = performance.now();
        ends.set(key, { end, endMs: last.endMs });
      },
    });
    load.catch(() => undefined);
    const caught = await killInTurn(stage, slots, random, pointsOf(kind, form, kills, seed), (kill) => {
      last.killMs = performance.now();
      if (kill === kills) stop.abort();
      if (kill % 25 === 0) say(`kill-9: ${kind}: ${kill} of ${kills} kills`);
    });
    const result = await load;
    await pause(last.killMs + LEASE_MS + SLACK_MS - performance.now());
    const again = await runLoad({
      ...plan,
      keys: result.keys,
      repeatShare: 0,
      onEnd: (key, end) => later.set(key, end),
    });
    return [
      ...pointFigures(
        kind,
        judge(caught, ends, (key) => backend.executions(key)),
        say,
      ),
      atLeast(`${kind}: kills in all`, caught.length, kills),
      ...loadFigures(result, `${kind}: `),
      atMost(
        `${kind}: last key settled after the last kill`,
        Math.round(last.endMs - last.killMs),
        LEASE_MS + SLACK_MS,
        ' ms',
      ),
      ...repeatFigures(kind, ends, later, again),
    ];
  } finally {
    for (const victim of slots) await victim?.end();
  }
}

/** In turn, so that the quick form sees as many kinds as it has kills; over Redis first what only Redis has. */
function pointsOf(
  kind: StoreStage['kind'],
  form: FaultRun['form'],
  kills: number,
  seed: number,
): readonly Point[] {
  const points: readonly Point[] =
    kind === 'redis'
      ? ['before-dispatch-mark', 'anywhere', ...BACKEND_POINTS]
      : ['anywhere', ...BACKEND_POINTS];
  const first = form === 'quick' && kind === 'redis' ? 0 : seed;
  return Array.from({ length: kills }, (_, kill) => points[(kill + first) % points.length] ?? 'anywhere');
}

async function killInTurn(
  stage: StoreStage,
  slots: Slots,
  random: () => number,
  points: readonly Point[],
  killed: (kill: number) => void,
): Promise<readonly Caught[]> {
  const caught: Caught[] = [];
  for (const point of points) {
    const next = startVictim(stage, random);
    next.catch(() => undefined);
    const slot = random() < 0.5 ? 0 : 1;
    const key = await killAt(slots[slot], point, random);
    caught.push({ point: key === '' ? 'anywhere' : point, key, killMs: performance.now() });
    killed(caught.length);
    slots[slot] = null;
    slots[slot] = await next;
  }
  return caught;
}

async function startVictim(stage: StoreStage, random: () => number): Promise<Victim> {
  const toBackend = await startKillRelay(stage.backend.port, random);
  const toStore = stage.storePort === null ? null : await startKillRelay(stage.storePort, random);
  const close = async (): Promise<void> => {
    await Promise.all([toBackend.close(), toStore?.close()]);
  };
  try {
    const proxy = await startChildProxy([
      '--config',
      stage.configure({
        upstreamPort: toBackend.port,
        storePort: toStore?.port ?? null,
        defaults: {
          lease: `${LEASE_MS}ms`,
          inFlight: { wait: '200ms', waiters: 100 },
          // Over Redis with the mark as a write of its own: the other half of fault 1.
          markDispatch: toStore !== null,
        },
      }),
    ]);
    const end = async (): Promise<void> => {
      await proxy.kill();
      await close();
    };
    return { proxy, toBackend, toStore, end };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The key that was caught at the point; '' where it is not known, or the moment did not come. */
async function killAt(victim: Victim | null, point: Point, random: () => number): Promise<string> {
  if (victim === null) throw new Error('nobody to kill');
  const moment = pause(point === 'anywhere' ? random() * 100 : MOMENT_MS_MAX).then(() => '');
  const relay = point === 'before-dispatch-mark' ? victim.toStore : victim.toBackend;
  const caught =
    point === 'anywhere' || relay === null ? moment : relay.arm(point, () => victim.proxy.signal('SIGKILL'));
  const key = await Promise.race([caught, moment]);
  // With a moment that was caught, the relay kills: at once, or when what it sent has been read.
  if (key !== '') await victim.proxy.ended;
  await victim.end();
  return key;
}

type Judged = {
  readonly point: Point;
  readonly key: string;
  readonly end: LoadEnd | undefined;
  readonly executions: number;
  /** Another kill came before the key had its end, and can have hit the execution that took this one over. */
  readonly struckAgain: boolean;
};

function judge(
  caught: readonly Caught[],
  ends: ReadonlyMap<string, Ended>,
  executions: (key: string) => number,
): readonly Judged[] {
  const sentAs = new Map([...ends.keys()].map((key) => [stagedRecordKey(key), key]));
  return caught.map(({ point, key: name, killMs }) => {
    const key = sentAs.get(name) ?? name;
    const ended = ends.get(key);
    return {
      point,
      key,
      end: ended?.end,
      executions: executions(key),
      struckAgain:
        ended !== undefined && caught.some((other) => other.killMs > killMs && other.killMs < ended.endMs),
    };
  });
}

function pointFigures(kind: string, judged: readonly Judged[], say: FaultRun['say']): readonly Figure[] {
  const misfits = judged.filter((at) => !fits(at));
  for (const misfit of misfits) say(`kill-9: ${kind}: not an end of its point: ${JSON.stringify(misfit)}`);
  const points = [...new Set(judged.map(({ point }) => point))].sort();
  return [
    ...points.map((point) =>
      told(`${kind}: kills ${WORDS[point]}`, judged.filter((at) => at.point === point).length),
    ),
    exactly(`${kind}: keys caught at a point with another end than it allows`, misfits.length, 0),
  ];
}

/** What the table of docs/guarantees.md says of the moment. */
function fits({ point, key, end, executions, struckAgain }: Judged): boolean {
  if (key === '') return true;
  switch (point) {
    case 'sent-not-arrived':
      return end === 'unknown' && executions === 0;
    case 'before-dispatch-mark':
      return (end === 'charged' && executions === 1) || (struckAgain && end === 'unknown' && executions <= 1);
    case 'acted-not-answered':
    case 'while-answering':
      return end === 'unknown' && executions === 1;
    default:
      return (end === 'unknown' || end === 'charged') && executions === 1;
  }
}

/** Every key once more, when a lease and a second have gone by since the last kill. */
function repeatFigures(
  kind: string,
  ends: ReadonlyMap<string, Ended>,
  later: ReadonlyMap<string, LoadEnd>,
  again: LoadResult,
): readonly Figure[] {
  const changed = [...ends].filter(([key, { end }]) => later.get(key) !== end).length;
  return [
    exactly(`${kind}: keys in flight later than that`, again.answers['in-flight'] ?? 0, 0),
    exactly(`${kind}: keys with another end when repeated later`, changed, 0),
    exactly(
      `${kind}: wrong answers to these repeats`,
      again.doubles + again.wrongReplays + again.falselyNotExecuted,
      0,
    ),
  ];
}

async function pause(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}

await runAlone(import.meta.url, FAULT);
