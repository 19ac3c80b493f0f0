import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import {
  baseConfig,
  type ChildOptions,
  type ChildProxy,
  startChildProxy,
  temporaryFolder,
} from '../support/child-proxy.ts';
import {
  type Arrival,
  type CountingBackend,
  executeAndAnswer,
  startCountingBackend,
} from '../support/counting-backend.ts';
import { freePort } from '../support/free-port.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { type Answer, keyed, sendRequest, until } from '../support/send-request.ts';
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
import { residentOf } from './process-memory.ts';
import { versionOf } from './store-stage.ts';

/**
 * Faults 26, 44 and 53: a store that hangs while large answers come in, more requests than a small heap holds, and
 * clients that take every file descriptor they can get. Each in a process of its own, and each ends.
 */
export const FAULT: FaultScript = {
  name: 'overload',
  promise:
    'A store that hangs, a heap that is nearly full and clients that take every descriptor are told by 429, 503 or a closed connection: memory stays bounded, the process lives, nothing is executed twice, and it recovers by itself.',
  quickMsMax: 45_000,
  run,
};

const SECRET = 'a secret of forty characters for testing';
const KIB = 1024;

async function run(options: FaultRun): Promise<FaultResult> {
  const figures: Figure[] = [];
  for (const part of [hangingStore, fullHeap, noDescriptors]) {
    const closers: (() => Promise<void> | void)[] = [];
    try {
      figures.push(...(await part(options, closers)));
    } finally {
      for (const close of closers.reverse()) await close();
    }
  }
  return { figures, versions: [versionOf('redis-server')] };
}

type Closers = (() => Promise<void> | void)[];

type Stage = { readonly backend: CountingBackend; readonly proxy: ChildProxy; readonly observePort: number };

async function stage(
  closers: Closers,
  store: Readonly<Record<string, unknown>>,
  sections: Readonly<Record<string, unknown>>,
  child: ChildOptions = {},
  connectionsMax = 600,
): Promise<Stage> {
  const backend = await startCountingBackend();
  closers.push(() => backend.close());
  const folder = temporaryFolder();
  closers.push(() => folder.remove());
  const observePort = await freePort();
  const file = folder.config({
    ...baseConfig(backend.origin, store),
    secrets: [SECRET],
    observe: { listen: `127.0.0.1:${observePort}` },
    ...sections,
    upstream: { url: backend.origin, connections: connectionsMax },
  });
  const proxy = await startChildProxy(['--config', file], child);
  closers.push(() => proxy.kill());
  return { backend, proxy, observePort };
}

async function metric(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`^${name.replace(/[{}"]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1]);
}

async function readiness(port: number): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${port}/readyz`)).text();
}

/** The answer, or null where the connection broke. */
function ask(proxy: ChildProxy, key: string, body = '{}'): Promise<Answer | null> {
  return sendRequest(proxy.port, { headers: keyed(key), body, signal: AbortSignal.timeout(30_000) }).catch(
    () => null,
  );
}

function counted(answers: readonly (Answer | null)[], ...statuses: readonly number[]): number {
  return answers.filter((answer) => answer !== null && statuses.includes(answer.status)).length;
}

function doublesOf(backend: CountingBackend, keys: readonly string[]): number {
  return keys.filter((key) => backend.executions(key) > 1).length;
}

const BUFFER_MIB = 16;

/** Every claim is made, then the store stops answering, then every answer comes. */
async function hangingStore({ form, seed }: FaultRun, closers: Closers): Promise<readonly Figure[]> {
  const held = form === 'quick' ? 60 : 500;
  const redis = await startRedisServer();
  closers.push(() => redis.remove());
  const { backend, proxy, observePort } = await stage(
    closers,
    { url: redis.url, deadline: '500ms', settleWait: '500ms' },
    { limits: { buffer: `${BUFFER_MIB}MiB` }, defaults: { lease: '8s' } },
  );
  const keys = Array.from({ length: held }, (_, n) => `hang-${seed}-${n}`);
  const arrivals: Arrival[] = [];
  backend.behave((arrival) => arrivals.push(arrival));
  const answers = keys.map((key) => ask(proxy, key));
  await until(
    async () => arrivals.length,
    (arrived) => arrived === held,
  );
  const beforeMb = residentOf(proxy.pid).anonymousMb;
  redis.pause();
  backend.behave(executeAndAnswer);
  for (const arrival of arrivals) {
    arrival.execute();
    arrival.answer(201, 'x'.repeat(512 * KIB));
  }
  const fresh = Array.from({ length: held }, (_, n) =>
    ask(proxy, `fresh-${seed}-${n}`, 'y'.repeat(64 * KIB)),
  );
  const pending = await until(
    () => metric(observePort, 'onceward_settlements_pending'),
    (value) => value > 0,
  );
  const bufferBytes = await metric(observePort, 'onceward_buffer_bytes');
  const executed = await Promise.all(answers);
  const bufferWhenTold = await metric(observePort, 'onceward_buffer_bytes');
  const peakMb = residentOf(proxy.pid).anonymousMb;
  const refused = await Promise.all(fresh);
  redis.resume();
  await until(
    () => metric(observePort, 'onceward_buffer_bytes'),
    (bytes) => bytes === 0,
  );
  const repeats: (Answer | null)[] = [];
  for (const key of keys) {
    // One by one, since replays too have to fit the buffer; and the breaker may be open for a moment yet.
    const known = await until(
      () => ask(proxy, key),
      (answer) => answer?.status === 201 || answer?.status === 409,
    );
    repeats.push(known);
  }
  const freshKeys = fresh.map((_, n) => `fresh-${seed}-${n}`);
  return [
    told('hanging store: executions whose answer came while it hung', held),
    exactly('hanging store: true answers passed on', counted(executed, 201), held),
    told('hanging store: settlements being tried', pending),
    atLeast('hanging store: bytes still counted once every client had its answer', bufferWhenTold, 1),
    atMost(
      'hanging store: bodies in memory',
      Math.max(bufferBytes, bufferWhenTold),
      BUFFER_MIB * KIB * KIB,
      ' B',
    ),
    atMost('hanging store: memory grown by', Math.round(peakMb - beforeMb), 200, ' MB'),
    exactly('hanging store: new requests refused', counted(refused, 429, 503), held),
    exactly('hanging store: keys executed twice', doublesOf(backend, [...keys, ...freshKeys]), 0),
    exactly('hanging store: repeats told what is known', counted(repeats, 201, 409), held),
  ];
}

const HEAP_MB = 64;

/** More requests at once than the heap holds, before a backend that takes its time. */
async function fullHeap({ form, seed, say }: FaultRun, closers: Closers): Promise<readonly Figure[]> {
  const requests = form === 'quick' ? 2_000 : 3_000;
  const { backend, proxy, observePort } = await stage(
    closers,
    { url: 'memory:' },
    {
      limits: {
        inFlight: 100_000,
        buffer: '1GiB',
        memory: { refusePercent: 55, stopPercent: 65 },
      },
    },
    { env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` } },
  );
  let pressureSeen = 0;
  backend.behave((arrival) => setTimeout(executeAndAnswer, 3_000, arrival));
  const keys = Array.from({ length: requests }, (_, n) => `heap-${seed}-${n}`);
  const watching = setInterval(() => {
    metric(observePort, 'onceward_memory_pressure')
      .then((value) => {
        pressureSeen = Math.max(pressureSeen, value);
      })
      .catch(() => undefined);
  }, 200);
  const answers = await Promise.all(keys.map((key) => ask(proxy, key, 'z'.repeat(8 * KIB))));
  clearInterval(watching);
  const lives = existsSync(`/proc/${proxy.pid}`) ? 1 : 0;
  if (lives === 0) say(proxy.output().slice(-500));
  backend.behave(executeAndAnswer);
  const recovered = await until(
    () => ask(proxy, `after-${seed}`),
    (answer) => answer?.status === 201,
  );
  return [
    told(`full heap of ${HEAP_MB} MB: requests at once`, requests),
    told('full heap: highest pressure seen', pressureSeen),
    exactly('full heap: processes alive', lives, 1),
    told('full heap: executed', counted(answers, 201)),
    atLeast('full heap: refused with 429 or a closed connection', requests - counted(answers, 201, 502), 1),
    exactly('full heap: keys executed twice', doublesOf(backend, keys), 0),
    exactly('full heap: answers once it was over', recovered === null ? 0 : recovered.status, 201),
  ];
}

const OPEN_FILES = 200;
const UPSTREAM_CONNECTIONS = 40;

/** More idle connections than the process has descriptors. */
async function noDescriptors({ seed }: FaultRun, closers: Closers): Promise<readonly Figure[]> {
  const { backend, proxy, observePort } = await stage(
    closers,
    { url: 'memory:' },
    {},
    { enter: ['prlimit', `--nofile=${OPEN_FILES}:${OPEN_FILES}`] },
    UPSTREAM_CONNECTIONS,
  );
  const idle: Socket[] = [];
  closers.push(() => {
    for (const socket of idle) socket.destroy();
  });
  const before = await ask(proxy, `open-${seed}`);
  for (let n = 0; n < OPEN_FILES * 2; n += 1) {
    const socket = connect({ port: proxy.port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    idle.push(socket);
  }
  const said = await until(
    () => readiness(observePort),
    (text) => text.includes('connections'),
  );
  const refused = await until(
    () => metric(observePort, 'onceward_connections_refused_total'),
    (value) => value > OPEN_FILES / 2,
  );
  // One of those that are in: it still reaches the backend.
  const served = await over(idle[0], `idle-${seed}`);
  for (const socket of idle.splice(0)) socket.destroy();
  const after = await until(
    () => ask(proxy, `after-${seed}`),
    (answer) => answer?.status === 201,
  );
  const ready = await until(
    () => readiness(observePort),
    (text) => !text.includes('connections'),
  );
  return [
    told('no descriptors: open files allowed', OPEN_FILES),
    told('no descriptors: connections closed at once', refused),
    exactly('no descriptors: told by readiness', said.includes('full') ? 1 : 0, 1),
    exactly('no descriptors: answer on a connection that is in', served, 201),
    exactly('no descriptors: answer before', before?.status ?? 0, 201),
    exactly('no descriptors: answer after', after?.status ?? 0, 201),
    exactly('no descriptors: ready again', ready.includes('connections') ? 0 : 1, 1),
    exactly('no descriptors: keys executed twice', doublesOf(backend, [`idle-${seed}`, `after-${seed}`]), 0),
  ];
}

/** The status of a request on a connection that is open. */
async function over(socket: Socket | undefined, key: string): Promise<number> {
  if (socket === undefined) return 0;
  socket.write(
    `POST /charges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer one\r\nIdempotency-Key: "${key}"\r\nContent-Length: 2\r\n\r\n{}`,
  );
  return await new Promise((resolve) => {
    socket.once('data', (bytes: Buffer) => resolve(Number(bytes.toString('latin1').split(' ')[1])));
    socket.once('close', () => resolve(0));
  });
}

await runAlone(import.meta.url, FAULT);
