import process from 'node:process';
import { parseArgs } from 'node:util';
import {
  atLeast,
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  runAlone,
  told,
} from './fault-script.ts';
import { BROKEN } from './simulation/broken.ts';
import { digestOf, playHistories, traceOf } from './simulation/history.ts';

/**
 * The real engine on virtual time, between a simulated network, store, backend and clients (docs/simulation.md).
 * A history follows from its seed alone:
 *
 *   node test/faults/simulation.fault.ts --seed N --histories 1     plays one again and prints its trace
 */
export const FAULT: FaultScript = {
  name: 'simulation',
  promise:
    'Crashes, stalls, drains, clock jumps, a store that fails in every way but losing writes, a backend that fails in every way, and clients that retry at every proxy: no key is dispatched twice, no response is another, nothing is called "not executed" that was, everything ends.',
  quickMsMax: 90_000,
  run,
};

const FORMS = {
  quick: { histories: 5_000, playedTwice: 20, lossy: 300 },
  full: { histories: 100_000, playedTwice: 200, lossy: 3_000 },
} as const;

/** A broken part shows in one of some thousand histories at the worst, and once was not seen in 15,000. */
const UNTIL_FOUND_MAX = 60_000;

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const { histories, playedTwice, lossy } = FORMS[form];
  const tenth = histories / 10;
  const sound = await playHistories(seed, histories, {
    onSlice: (played, before) => {
      if (Math.floor(played / tenth) > Math.floor(before / tenth)) say(`${played} of ${histories} histories`);
    },
  });
  for (const { seed: broke, violations } of sound.violating)
    say(`seed ${broke}: ${violations.map(({ what, detail }) => `${what}: ${detail}`).join('; ')}`);
  const first = sound.violating[0];
  if (first !== undefined) for (const line of await traceOf(first.seed)) say(line);
  const { seen } = sound;
  return {
    figures: [
      atLeast('histories', sound.played, histories),
      exactly('histories that broke the promise', sound.violating.length, 0),
      told('requests in them', sound.requests),
      told('requests that reached the backend', seen.dispatched),
      told('replays and joined answers compared byte for byte', seen.replayed),
      told('answers "outcome unknown"', seen.unknown),
      exactly('histories that a second play did not repeat', await unlike(seed, playedTwice), 0),
      ...(await teeth(seed, say)),
      await doublesOfLossyStore(seed, lossy),
    ],
    versions: [],
  };
}

async function unlike(seed: number, count: number): Promise<number> {
  let different = 0;
  for (let n = 0; n < count; n += 1) {
    const first = await digestOf(seed + n);
    const second = await digestOf(seed + n);
    if (first !== second) different += 1;
  }
  return different;
}

/** Every part that is broken on purpose has to be found, or the silence above says nothing. */
async function teeth(seed: number, say: FaultRun['say']): Promise<FaultResult['figures']> {
  let found = 0;
  let most = 0;
  for (const broken of BROKEN) {
    const { played, violating } = await playHistories(seed, UNTIL_FOUND_MAX, { broken, violatingMax: 1 });
    const violation = violating[0]?.violations[0];
    say(
      `broken: ${broken.name}: ${violation === undefined ? 'NOT FOUND' : `${violation.what}, after ${played}`}`,
    );
    if (violation !== undefined) found += 1;
    most = Math.max(most, played);
  }
  return [
    exactly('parts broken on purpose that were found', found, BROKEN.length),
    told('histories until the last of them showed', most),
  ];
}

/** What is not promised, and happens: the store comes back without writes that it had acknowledged. */
async function doublesOfLossyStore(seed: number, histories: number): Promise<FaultResult['figures'][number]> {
  const { withDoubles } = await playHistories(seed, histories, { storeWrites: 'lost' });
  return atLeast(
    `of ${histories} histories over a store that loses acknowledged writes, those with a key executed twice`,
    withDoubles,
    1,
  );
}

const { values } = parseArgs({
  options: { seed: { type: 'string' }, histories: { type: 'string' } },
  strict: false,
});
if (typeof values.histories === 'string' && typeof values.seed === 'string') {
  const count = Number(values.histories);
  const seed = Number(values.seed);
  const { violating } = await playHistories(seed, count, { violatingMax: 1 });
  const shown = count === 1 ? seed : violating[0]?.seed;
  if (shown !== undefined) process.stdout.write(`${(await traceOf(shown)).join('\n')}\n`);
  process.stdout.write(`${violating.length === 0 ? 'no violation' : `violation at seed ${shown}`}\n`);
  process.exitCode = violating.length === 0 ? 0 : 1;
} else {
  await runAlone(import.meta.url, FAULT);
}
