import { type ChildProxy, startChildProxy } from '../support/child-proxy.ts';
import { type Arrival, executeAndAnswer } from '../support/counting-backend.ts';
import { freePort } from '../support/free-port.ts';
import { seededRandom } from '../support/seeded.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
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
import { loadFigures, runLoad } from './load.ts';
import { residentOf } from './process-memory.ts';
import { type StoreStage, storeStage } from './store-stage.ts';

/** Fault 41: more keys than fit in memory, and then more than the store may hold. */
export const FAULT: FaultScript = {
  name: 'million-keys',
  promise:
    'A million distinct keys stay within the configured bound and are replayed; at a bound, new keys are refused, replays go on, and no living claim is evicted.',
  quickMsMax: 30_000,
  run,
};

const CLIENTS = 48;
/** A record with a small answer takes about half a kilobyte, and its place in the index. */
const BOUND_BYTES = 2 * 1024 ** 3;
/** For what does not grow with the keys: heap and buffers that settle while the load goes on. */
const GROWTH_MB_MAX = 64;
/** A process of a few seconds is still making its heap, however little it holds: this tells only a leak that is gross. */
const GROWTH_MB_MAX_QUICK = 256;
const SMALL_BOUND_BYTES = 2 * 1024 ** 2;
const HELD = 20;
const OVER = 50;

async function run(options: FaultRun): Promise<FaultResult> {
  const figures: Figure[] = [];
  for (const [part, sizeMaxBytes] of [
    [withinBound, BOUND_BYTES],
    [atBound, SMALL_BOUND_BYTES],
  ] as const) {
    const stage = await storeStage('lmdb');
    try {
      const proxy = await start(stage, sizeMaxBytes);
      figures.push(...(await part(stage, proxy, options)));
      await proxy.kill();
    } finally {
      await stage.close();
    }
  }
  return { figures, versions: [] };
}

async function withinBound(
  stage: StoreStage,
  { pid, port }: ChildProxy,
  { form, seed, say }: FaultRun,
): Promise<readonly Figure[]> {
  const keys = form === 'quick' ? 5_000 : 1_000_000;
  const random = seededRandom(seed);
  let ended = 0;
  let earlyMb = 0;
  const result = await runLoad({
    backend: stage.backend,
    ports: () => [port],
    clients: CLIENTS,
    keys,
    seed,
    keyPrefix: 'million',
    repeatShare: 0.01,
    onEnd: () => {
      ended += 1;
      if (ended === Math.floor(keys / 10)) earlyMb = residentOf(pid).anonymousMb;
      if (ended % 100_000 === 0) say(`million-keys: ${ended} of ${keys}`);
    },
  });
  const { anonymousMb } = residentOf(pid);
  const sample = Array.from({ length: 2_000 }, () => `million-${Math.floor(random() * keys)}`);
  const wrong = await notReplayed(stage, port, sample);
  return [
    atLeast('distinct keys', result.keys, keys),
    told('keys a second', Math.floor(result.keys / result.seconds)),
    ...loadFigures(result),
    atMost('store on disk', megabytes(stage.storeBytes()), megabytes(BOUND_BYTES), ' MB'),
    told('anonymous memory at the end, MB', Math.round(anonymousMb)),
    atMost(
      `growth of anonymous memory over the last nine tenths${form === 'quick' ? ' (smoke test)' : ''}`,
      Math.round(anonymousMb - earlyMb),
      form === 'quick' ? GROWTH_MB_MAX_QUICK : GROWTH_MB_MAX,
      ' MB',
    ),
    exactly(`of ${sample.length} keys repeated at the end, not replayed`, wrong, 0),
  ];
}

/** Fills a small store to its bound while a few claims are held open by the backend. */
async function atBound(
  stage: StoreStage,
  { port }: ChildProxy,
  { form, seed }: FaultRun,
): Promise<readonly Figure[]> {
  const { backend } = stage;
  const held: Arrival[] = [];
  backend.behave((arrival) => {
    if (arrival.key.startsWith('held-')) held.push(arrival);
    else executeAndAnswer(arrival);
  });
  const heldKeys = Array.from({ length: HELD }, (_, n) => `held-${n}`);
  const open = Promise.all(heldKeys.map((key) => send(port, key)));
  open.catch(() => undefined);
  while (held.length < HELD) await backend.nextArrival();
  const { charged, otherAnswers } = await fill(stage, port, seed);
  const overKeys = Array.from({ length: OVER }, (_, n) => `over-${n}`);
  const over: Answer[] = [];
  for (const key of overKeys) over.push(await send(port, key));
  const again = form === 'quick' ? charged.slice(0, 500) : charged;
  const lost = await notReplayed(stage, port, again);
  for (const arrival of held) executeAndAnswer(arrival);
  const unfinished = (await open).filter(({ status }) => status !== 201).length;
  const overExecuted = overKeys.filter((key) => backend.executions(key) > 0).length;
  const rows = [
    told('keys charged before it', charged.length),
    exactly(`of ${OVER} new keys, refused with 503 store-unavailable`, over.filter(isFull).length, OVER),
    exactly('of these, executed', overExecuted, 0),
    exactly('answers that are neither charge nor refusal', otherAnswers, 0),
    exactly(`of ${again.length} earlier keys, not replayed`, lost, 0),
    exactly(`of ${HELD} claims in flight all the while, not completed`, unfinished, 0),
    exactly('of these, not replayed afterwards', await notReplayed(stage, port, heldKeys), 0),
    atMost('store on disk', megabytes(stage.storeBytes()), megabytes(2 * SMALL_BOUND_BYTES), ' MB'),
  ];
  return rows.map((row) => ({ ...row, what: `at the bound: ${row.what}` }));
}

/** New keys until the first is refused. */
async function fill(
  stage: StoreStage,
  port: number,
  seed: number,
): Promise<{ readonly charged: readonly string[]; readonly otherAnswers: number }> {
  const charged: string[] = [];
  const full = new AbortController();
  const { keys, answers } = await runLoad({
    backend: stage.backend,
    ports: () => [port],
    clients: 16,
    keys: 200_000,
    seed,
    keyPrefix: 'fill',
    repeatShare: 0,
    attemptsMax: 1,
    stop: full.signal,
    onEnd: (key, end) => {
      if (end === 'charged') charged.push(key);
      else full.abort();
    },
  });
  return { charged, otherAnswers: keys - charged.length - (answers['store-unavailable'] ?? 0) };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

function isFull(answer: Answer): boolean {
  return answer.status === 503 && problemCode(answer) === 'store-unavailable';
}

/** How many of these keys are not answered from the store, with their own answer, after one execution. */
async function notReplayed(stage: StoreStage, port: number, keys: readonly string[]): Promise<number> {
  let wrong = 0;
  for (const key of keys) {
    const { status, headers, body } = await send(port, key);
    const replayed = status === 201 && headers['idempotent-replayed'] === 'true';
    const own = body.toString('utf8').includes(`"key":${JSON.stringify(key)}`);
    if (!replayed || !own || stage.backend.executions(key) !== 1) wrong += 1;
  }
  return wrong;
}

function send(port: number, key: string): Promise<Answer> {
  return sendRequest(port, { headers: keyed(key), body: JSON.stringify({ charge: key }) });
}

async function start(stage: StoreStage, sizeMaxBytes: number): Promise<ChildProxy> {
  const port = await freePort();
  const config = stage.configure({
    store: { sizeMax: `${sizeMaxBytes}B`, durability: 'commit', deadline: '1s' },
    sections: { listen: `127.0.0.1:${port}`, log: { level: 'error' } },
  });
  return await startChildProxy(['--config', config], { listensOn: port });
}

await runAlone(import.meta.url, FAULT);
