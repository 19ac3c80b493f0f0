import {
  baseConfig,
  type ChildProxy,
  type Folder,
  startChildProxy,
  temporaryFolder,
} from '../support/child-proxy.ts';
import {
  type Arrival,
  type CountingBackend,
  executeAndAnswer,
  startCountingBackend,
} from '../support/counting-backend.ts';
import { createFalseClock, type FalseClock } from '../support/false-clock.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { seededRandom } from '../support/seeded.ts';
import { keyed, sendRequest } from '../support/send-request.ts';
import {
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  type Figure,
  runAlone,
  told,
} from './fault-script.ts';
import { loadFigures, runLoad } from './load.ts';
import { versionOf } from './store-stage.ts';

/**
 * Fault 29: the wall clocks of the store's server and of the proxies jump by an hour and back, under load, each on its
 * own, while proxies are killed. And: a live claim made to look unknown for an hour must not be re-opened, on a route
 * that re-opens.
 */
export const FAULT: FaultScript = {
  name: 'clock-jumps',
  promise:
    'Wall clocks that jump by an hour, of the store or of a proxy, delay or park: nothing is executed twice, replayed falsely or falsely called not executed, and no lease stands for longer than it was given.',
  quickMsMax: 60_000,
  run,
};

const HOUR_MS = 3_600_000;
const OFFSETS_MS = [HOUR_MS, -HOUR_MS, 0];
const LEASE_MS = 1_500;
const LONG_LEASE_MS = 3_000;
/** Shorter than a third of the lease: it would be over before the holder renews. */
const QUIET_MS = 500;
const CLIENTS = 16;
const PACE_PER_SECOND = 60;
const BETWEEN_JUMPS_MS = 800;
/** Far below an hour, and above every lease, deadline and restart: a key that takes longer waits for a clock. */
const KEY_MS_MAX = 20_000;
const SECRET = 'a secret of forty characters for testing';

type Kind = 'lmdb' | 'redis' | 'postgres';

type Stage = {
  readonly kind: Kind;
  readonly backend: CountingBackend;
  /** Of the server, if there is one, and of both proxies. */
  readonly clocks: readonly FalseClock[];
  start(number: 0 | 1, defaults?: Readonly<Record<string, unknown>>): Promise<ChildProxy>;
  close(): Promise<void>;
};

async function run(options: FaultRun): Promise<FaultResult> {
  const figures: Figure[] = [];
  for (const kind of ['lmdb', 'redis', 'postgres'] as const) {
    const stage = await createStage(kind);
    try {
      figures.push(...(await jumpUnderLoad(stage, options)), ...(await jumpUnderHolder(stage, options)));
    } finally {
      await stage.close();
    }
  }
  return { figures, versions: [versionOf('redis-server')] };
}

async function createStage(kind: Kind): Promise<Stage> {
  const closers: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const clockOf = (): FalseClock => {
      const clock = createFalseClock();
      closers.push(() => clock.remove());
      return clock;
    };
    const folder: Folder = temporaryFolder();
    closers.push(() => folder.remove());
    const backend = await startCountingBackend();
    closers.push(() => backend.close());
    const serverClock = kind === 'lmdb' ? null : clockOf();
    const server =
      serverClock === null
        ? null
        : kind === 'redis'
          ? await startRedisServer({ env: serverClock.env })
          : await startPostgresServer({ env: serverClock.env });
    if (server !== null) closers.push(() => server.remove());
    const proxyClocks = [clockOf(), clockOf()] as const;
    return {
      kind,
      backend,
      clocks: [...(serverClock === null ? [] : [serverClock]), ...proxyClocks],
      async start(number, defaults = {}) {
        const store = { url: server?.url ?? `lmdb:${folder.path}/data`, deadline: '500ms' };
        const config = {
          ...baseConfig(backend.origin, store),
          ...(server === null ? {} : { secrets: [SECRET] }),
          defaults: { lease: `${LEASE_MS}ms`, inFlight: 'reject', ...defaults },
        };
        const file = folder.config(config, `proxy-${number}.yaml`);
        const proxy = await startChildProxy(['--config', file], { env: proxyClocks[number].env });
        closers.push(() => proxy.kill());
        return proxy;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function jumpUnderLoad(stage: Stage, { form, seed, say }: FaultRun): Promise<readonly Figure[]> {
  const { kind, backend, clocks } = stage;
  const random = seededRandom(seed);
  const jumps = form === 'quick' ? 4 : 60;
  // A tenth is at the backend for longer than a third of the lease, so that renewals meet the jumps.
  const workMs = (): number => (random() < 0.1 ? 600 + random() * 600 : random() * 30);
  backend.behave((arrival) => setTimeout(executeAndAnswer, workMs(), arrival));
  const proxies = [await stage.start(0), await stage.start(1)];
  const stop = new AbortController();
  const load = runLoad({
    backend,
    ports: () => proxies.map(({ port }) => port),
    clients: CLIENTS,
    keys: 1_000_000,
    seed,
    keyPrefix: `jump-${kind}-${seed}`,
    pacePerSecond: PACE_PER_SECOND,
    keyMsMax: KEY_MS_MAX,
    stop: stop.signal,
  });
  load.catch(() => undefined);
  let kills = 0;
  for (let jump = 1; jump <= jumps; jump += 1) {
    await pause(BETWEEN_JUMPS_MS * (0.5 + random()));
    for (const clock of clocks) clock.set(OFFSETS_MS[Math.floor(random() * OFFSETS_MS.length)] ?? 0);
    // A dead holder just after a jump: the end of its claims is the store's to find.
    if (jump % 3 === 0) {
      await proxies[1]?.kill();
      proxies[1] = await stage.start(1);
      kills += 1;
    }
    if (jump % 20 === 0) say(`clock-jumps: ${kind}: ${jump} of ${jumps} jumps`);
  }
  stop.abort();
  const result = await load;
  for (const example of result.examples) say(`clock-jumps: ${kind}: ${example}`);
  for (const proxy of proxies) await proxy.kill();
  return [
    told(`${kind}: jumps of each clock under load`, jumps),
    told(`${kind}: proxies killed between`, kills),
    ...loadFigures(result, `${kind}: `),
  ];
}

/** A holder that lives, and a clock that says it has been dead for an hour. */
async function jumpUnderHolder(stage: Stage, { form, seed }: FaultRun): Promise<readonly Figure[]> {
  const { kind, backend, clocks } = stage;
  const rounds = form === 'quick' ? 1 : 20;
  const defaults = { onUnknown: 'retry', quiet: `${QUIET_MS}ms`, lease: `${LONG_LEASE_MS}ms` };
  const holder = await stage.start(0, defaults);
  const other = await stage.start(1, defaults);
  let doubles = 0;
  let replayed = 0;
  for (let round = 0; round < rounds; round += 1) {
    const key = `reopen-${kind}-${seed}-${round}`;
    for (const clock of clocks) clock.set(0);
    const held: Arrival[] = [];
    backend.behave((arrival) => {
      arrival.execute();
      held.push(arrival);
    });
    const arrived = backend.nextArrival();
    const answer = sendRequest(holder.port, { headers: keyed(key) });
    answer.catch(() => undefined);
    await arrived;
    for (const clock of clocks) clock.set(HOUR_MS);
    const endMs = performance.now() + LONG_LEASE_MS * 1.5;
    while (performance.now() < endMs) {
      // A second execution would hang at the backend like the first, and is counted there.
      await sendRequest(other.port, { headers: keyed(key), signal: AbortSignal.timeout(500) }).catch(
        () => undefined,
      );
    }
    if (backend.executions(key) !== 1) doubles += 1;
    for (const arrival of held) arrival.answer(201, '{"done":true}');
    await answer;
    const repeat = await sendRequest(other.port, { headers: keyed(key) });
    if (repeat.status === 201 && repeat.headers['idempotent-replayed'] === 'true') replayed += 1;
  }
  return [
    told(`${kind}: live claims made to look an hour unknown`, rounds),
    exactly(`${kind}: live claims re-opened`, doubles, 0),
    exactly(`${kind}: live claims completed and replayed`, replayed, rounds),
  ];
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

await runAlone(import.meta.url, FAULT);
