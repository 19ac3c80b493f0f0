import { afterEach, expect, it } from 'vitest';
import { executeAndAnswer } from '../support/counting-backend.ts';
import { type LmdbStage, lmdbStage } from '../support/lmdb-stage.ts';
import { keyed, problemCode, sendRequest } from '../support/send-request.ts';

/** One of two proxies on one environment is killed again and again while clients retry at both (faults 1 to 6). */

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const CLIENTS = 24;
const KEYS_EACH = 40;
const KILLS = 3;
const WORK_MS = 15;
const ATTEMPTS_MAX = 400;

type End = 'charged' | 'unknown' | 'gave-up';

it('whoever is killed, no key is executed twice, and every client learns what can be known', async () => {
  const stage: LmdbStage = await lmdbStage(closers);
  const { backend, start } = stage;
  backend.behave((arrival) => setTimeout(executeAndAnswer, WORK_MS, arrival));
  const config = { defaults: { lease: '1500ms', inFlight: { wait: '200ms', waiters: 100 } } };
  const steady = await start(config);
  let victim = await start(config);
  const ends = new Map<string, End>();
  const client = async (number: number): Promise<void> => {
    for (let n = 0; n < KEYS_EACH; n++) {
      const key = `client-${number}-${n}`;
      ends.set(
        key,
        await chargeUntilKnown(key, (attempt) => (attempt % 2 === number % 2 ? victim.port : steady.port)),
      );
    }
  };

  const clients = Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
  let state: 'busy' | 'done' = 'busy';
  const done = clients.then(() => {
    state = 'done';
  });
  const isDone = (): boolean => state === 'done';
  let kills = 0;
  while (kills < KILLS && !isDone()) {
    const next = await start(config);
    // In the thick of it: every kill finds executions under way.
    await Promise.race([backend.nextArrival(), done]);
    await victim.kill();
    victim = next;
    kills += 1;
  }
  await clients;

  const counted = { charged: 0, unknown: 0, 'gave-up': 0 };
  for (const [key, end] of ends) {
    counted[end] += 1;
    expect(backend.executions(key), `${key} ${end}`).toBeLessThanOrEqual(1);
    if (end === 'charged') expect(backend.executions(key), key).toBe(1);
  }
  process.stdout.write(
    `kill under load: ${kills} kills, ${counted.charged} charged, ${counted.unknown} unknown\n`,
  );
  expect(counted['gave-up']).toBe(0);
  expect(counted.charged + counted.unknown).toBe(CLIENTS * KEYS_EACH);
  expect(counted.charged).toBeGreaterThan(counted.unknown);
});

/** As a client should: the same key until there is an answer, or word that there is none to be had. */
async function chargeUntilKnown(key: string, portOf: (attempt: number) => number): Promise<End> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    try {
      const answer = await sendRequest(portOf(attempt), { headers: keyed(key) });
      if (answer.status === 201) return 'charged';
      if (problemCode(answer) === 'outcome-unknown') return 'unknown';
    } catch {
      // The connection broke or nobody listens: what became of it is what the next attempt asks.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  return 'gave-up';
}
