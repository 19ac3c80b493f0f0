import { type ChildProxy, startChildProxy } from '../support/child-proxy.ts';
import type { Arrival } from '../support/counting-backend.ts';
import { seededRandom } from '../support/seeded.ts';
import { keyed, problemCode, sendRequest } from '../support/send-request.ts';
import {
  atLeast,
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  type Figure,
  runAlone,
  told,
} from './fault-script.ts';
import { countDoubles, type LoadEnd, loadFigures, runLoad } from './load.ts';
import { overBothStores, type StoreStage } from './store-stage.ts';

/**
 * One of two proxies is killed at a moment that the seed chooses, again and again, before a backend that can be asked.
 * Every key that is left unknown is repeated until it ends.
 */
export const FAULT: FaultScript = {
  name: 'reconcile',
  promise:
    'Whichever proxy is killed (SIGKILL), and when: before a backend that can be asked, every unknown outcome ends, completed or executed, and no key is executed twice.',
  quickMsMax: 30_000,
  run,
};

const LEASE_MS = 1_500;
const QUIET_MS = 1_500;
const CLIENTS = 24;
const PACE_PER_SECOND = 300;
const WORK_MS = 40;
/** Lease, quiet time, and what a busy machine adds. */
const END_MS_MAX = LEASE_MS + QUIET_MS + 15_000;

const ROUTE = {
  lease: `${LEASE_MS}ms`,
  quiet: `${QUIET_MS}ms`,
  inFlight: { wait: '200ms', waiters: 100 },
  reconcile: {
    request: { path: '/charges?key={key}' },
    rules: [
      {
        when: { status: 200, json: { '/data/0/key': '{key}', '/data/0/execution': { is: 'present' } } },
        verdict: 'completed',
        replay: { status: 201, body: '/data/0' },
      },
      { when: { status: 200, json: { '/data': [] } }, verdict: 'did-not-happen' },
    ],
    sweep: { interval: '1s' },
  },
};

function run(options: FaultRun): Promise<FaultResult> {
  return overBothStores((stage) => killOver(stage, options));
}

async function killOver(stage: StoreStage, { form, seed, say }: FaultRun): Promise<readonly Figure[]> {
  const { backend, kind } = stage;
  const random = seededRandom(seed);
  const kills = form === 'full' ? 50 : 1;
  const keyPrefix = `reconcile-${kind}-${seed}`;
  const proxies: [ChildProxy, ChildProxy] = [await start(stage), await start(stage)];
  const ports = (): readonly number[] => proxies.map(({ port }) => port);
  const unknown: string[] = [];
  const stop = new AbortController();
  const probes = answerProbes(stage, random);
  try {
    const load = runLoad({
      ...{ backend, ports, clients: CLIENTS, keys: 1_000_000, seed, keyPrefix, stop: stop.signal },
      pacePerSecond: PACE_PER_SECOND,
      onEnd: (key: string, end: LoadEnd) => {
        if (end === 'unknown') unknown.push(key);
      },
    });
    load.catch(() => undefined);
    for (let kill = 1; kill <= kills; kill += 1) {
      const next = await start(stage);
      await new Promise((resolve) => setTimeout(resolve, 300 + random() * 200));
      const slot = random() < 0.5 ? 0 : 1;
      await proxies[slot].kill();
      proxies[slot] = next;
      if (kill % 10 === 0) say(`reconcile: ${kind}: ${kill} of ${kills} kills`);
    }
    stop.abort();
    const result = await load;
    const ended = await Promise.all(unknown.map((key) => repeatUntilEnd(stage, ports, key)));
    return [
      told(`${kind}: kills`, kills),
      ...loadFigures(result, `${kind}: `),
      exactly(`${kind}: keys told unknown that never ended`, ended.filter((end) => end === 'open').length, 0),
      exactly(`${kind}: … that ended in another answer`, ended.filter((end) => end === 'wrong').length, 0),
      exactly(`${kind}: keys executed twice by then`, countDoubles(backend, keyPrefix, result.keys), 0),
      atLeast(`${kind}: probes`, probes(), 1),
    ];
  } finally {
    for (const proxy of proxies) await proxy.kill();
  }
}

async function start(stage: StoreStage): Promise<ChildProxy> {
  return await startChildProxy(['--config', stage.configure({ defaults: ROUTE })]);
}

/** What has arrived is told from the first byte on: of what may still be executed nobody says that it did not happen. */
function answerProbes({ backend }: StoreStage, random: () => number): () => number {
  const known = new Map<string, string>();
  let probes = 0;
  backend.behave((arrival: Arrival) => {
    if (arrival.request.method === 'GET') {
      probes += 1;
      const key = new URL(arrival.request.url ?? '', 'http://h').searchParams.get('key') ?? '';
      arrival.answer(200, `{"data":[${known.get(key) ?? ''}]}`);
      return;
    }
    if (!known.has(arrival.key)) known.set(arrival.key, JSON.stringify({ key: arrival.key }));
    setTimeout(() => {
      // As `executeAndAnswer` answers.
      const execution = arrival.execute();
      const text = JSON.stringify({ execution, key: arrival.key, body: arrival.body });
      known.set(arrival.key, text);
      arrival.answer(201, text, { 'X-Execution': String(execution) });
    }, random() * WORK_MS);
  });
  return () => probes;
}

async function repeatUntilEnd(
  { backend }: StoreStage,
  ports: () => readonly number[],
  key: string,
): Promise<'ended' | 'wrong' | 'open'> {
  const endMs = performance.now() + END_MS_MAX;
  while (performance.now() < endMs) {
    const answer = await sendRequest(ports()[0] ?? 0, {
      headers: keyed(key),
      body: JSON.stringify({ charge: key }),
    }).catch(() => null);
    if (answer?.status === 201) {
      const told: unknown = JSON.parse(answer.body.toString('utf8'));
      const fits = typeof told === 'object' && told !== null && 'key' in told && told.key === key;
      return fits && backend.executions(key) === 1 ? 'ended' : 'wrong';
    }
    if (answer !== null && !['outcome-unknown', 'in-flight'].includes(problemCode(answer))) return 'wrong';
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return 'open';
}

await runAlone(import.meta.url, FAULT);
