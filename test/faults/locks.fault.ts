import type { ChildProxy } from '../support/child-proxy.ts';
import { type LockStage, type LockStore, lockStage } from '../support/lock-stage.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { seededRandom } from '../support/seeded.ts';
import { keyed, type SentRequest, sendRequest } from '../support/send-request.ts';
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
import { versionOf } from './store-stage.ts';

/**
 * Many clients, three accounts, operations on one of them or two; one of two proxies is killed at a moment that the seed
 * chooses, again and again, with what it held and what it waited for.
 */
export const FAULT: FaultScript = {
  name: 'locks',
  promise:
    'Whichever proxy is killed (SIGKILL), and when: no two requests are at work on one account at once, tokens of an account only grow, no key is executed twice, and those who live get their turn.',
  quickMsMax: 30_000,
  run,
};

const CLIENTS = 24;
const ACCOUNTS = ['a', 'b', 'c'] as const;
const CALM_MS = 600;

type Count = { answered: number; refused: number; unknown: number };

async function run(options: FaultRun): Promise<FaultResult> {
  const figures: Figure[] = [];
  const server = await startRedisServer({ appendfsync: 'always' });
  try {
    figures.push(...(await killOver('lmdb', 'lmdb', options)));
    figures.push(...(await killOver('redis', { url: server.url }, options)));
  } finally {
    await server.remove();
  }
  return { figures, versions: [versionOf('redis-server')] };
}

async function killOver(name: string, store: LockStore, { form, seed, say }: FaultRun): Promise<Figure[]> {
  const random = seededRandom(seed);
  const kills = form === 'full' ? 50 : 2;
  const closers: (() => Promise<void> | void)[] = [];
  try {
    const stage = await lockStage({ store, lock: { lease: 'short', wait: '5s' } }, closers);
    const proxies: [ChildProxy, ChildProxy] = [await stage.start(), await stage.start()];
    const count: Count = { answered: 0, refused: 0, unknown: 0 };
    const stop = new AbortController();
    const pick = (): ChildProxy => (random() < 0.5 ? proxies[0] : proxies[1]);
    const clients = Array.from({ length: CLIENTS }, (_, client) =>
      runClient(client, pick, random, count, stop.signal),
    );
    for (let kill = 1; kill <= kills; kill += 1) {
      const next = await stage.start();
      await new Promise((resolve) => setTimeout(resolve, CALM_MS + random() * CALM_MS));
      const slot = random() < 0.5 ? 0 : 1;
      await proxies[slot].kill();
      proxies[slot] = next;
      if (kill % 10 === 0) say(`locks: ${name}: ${kill} of ${kills} kills`);
    }
    stop.abort();
    await Promise.all(clients);
    return figuresOf(name, kills, stage, count);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

function figuresOf(name: string, kills: number, stage: LockStage, count: Count): Figure[] {
  const { backend } = stage;
  const shrunk = [...stage.tokens().values()]
    .flatMap((tokens) => tokens.map((token, i) => token > (tokens[i - 1] ?? 0)))
    .filter((grows) => !grows).length;
  return [
    told(`${name}: kills`, kills),
    atLeast(`${name}: operations executed`, backend.executionsOfAll(), kills),
    told(`${name}: answered 423, and tried again`, count.refused),
    told(`${name}: keys whose outcome a kill left unknown`, count.unknown),
    exactly(`${name}: most requests at work on one account at once`, stage.overlap(), 1),
    exactly(`${name}: tokens that did not grow`, shrunk, 0),
    exactly(`${name}: keys executed twice`, backend.executionsOfAll() - backend.keysExecuted(), 0),
  ];
}

/** One operation after the other, each repeated with its key until it is answered or known to be unknown. */
async function runClient(
  client: number,
  pick: () => ChildProxy,
  random: () => number,
  count: Count,
  stop: AbortSignal,
): Promise<void> {
  for (let operation = 0; !stop.aborted; operation += 1) {
    const sent = operationOf(`k${client}-${operation}`, random);
    for (;;) {
      const answer = await sendRequest(pick().port, sent).catch(() => null);
      if (answer?.status === 201) {
        count.answered += 1;
        break;
      }
      if (answer?.status === 409 && answer.body.toString().includes('outcome-unknown')) {
        count.unknown += 1;
        break;
      }
      if (answer?.status === 423) count.refused += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function operationOf(key: string, random: () => number): SentRequest {
  const at = Math.floor(random() * ACCOUNTS.length);
  const account = ACCOUNTS[at] ?? 'a';
  if (random() < 0.75) return { path: `/accounts/${account}/charges`, headers: keyed(key) };
  const to = ACCOUNTS[(at + 1) % ACCOUNTS.length] ?? 'b';
  return { path: '/transfers', headers: keyed(key), body: JSON.stringify({ from: account, to }) };
}

await runAlone(import.meta.url, FAULT);
