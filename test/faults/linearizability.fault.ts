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
import { BROKEN_STORES } from './linearizability/broken-stores.ts';
import { checkKey, type Operation } from './linearizability/checker.ts';
import {
  type LinearSubject,
  lmdbSubject,
  memorySubject,
  postgresSubject,
  redisSubject,
} from './linearizability/subjects.ts';

/** Every store, asked by several clients at once, answers as if it had taken their operations one after the other. */
export const FAULT: FaultScript = {
  name: 'linearizability',
  promise:
    'Concurrent clients of two connections, some without their answers: what they saw of each key is what the state machine says for some order of their operations (linearizable), on every store.',
  quickMsMax: 45_000,
  run,
};

const SUBJECTS = [
  { name: 'memory', open: () => memorySubject(), quick: 1_000, full: 20_000 },
  { name: 'lmdb (two processes)', open: lmdbSubject, quick: 300, full: 5_000 },
  { name: 'redis (two connections)', open: redisSubject, quick: 300, full: 5_000 },
  { name: 'postgres (two connections)', open: postgresSubject, quick: 200, full: 5_000 },
] as const;

/** Histories at once: they share no key. */
const AT_ONCE = 8;
const UNTIL_FOUND_MAX = 2_000;

type Checked = {
  readonly histories: number;
  readonly operations: number;
  readonly lost: number;
  readonly wrong: number;
  readonly undecided: number;
};

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const figures: Figure[] = [];
  for (const { name, open, quick, full } of SUBJECTS) {
    const subject = await open();
    try {
      const wanted = form === 'quick' ? quick : full;
      const checked = await checkHistories(subject, seed, wanted, 'all', say);
      say(`${name}: ${checked.operations} operations in ${checked.histories} histories`);
      figures.push(
        atLeast(`${name}: histories`, checked.histories, wanted),
        told(`${name}: operations, those without an answer`, `${checked.operations}, ${checked.lost}`),
        exactly(`${name}: keys whose history is not linearizable`, checked.wrong, 0),
        exactly(`${name}: keys that were not decided`, checked.undecided, 0),
      );
    } finally {
      await subject.close();
    }
  }
  figures.push(await teeth(seed, say));
  return { figures, versions: [] };
}

async function checkHistories(
  subject: LinearSubject,
  seed: number,
  histories: number,
  until: 'all' | 'first-wrong',
  say: FaultRun['say'],
): Promise<Checked> {
  const sum = { histories: 0, operations: 0, lost: 0, wrong: 0, undecided: 0 };
  while (sum.histories < histories && (until === 'all' || sum.wrong === 0)) {
    const batch = Array.from({ length: Math.min(AT_ONCE, histories - sum.histories) }, (_, n) =>
      subject.record({
        name: `linear-${seed}-${sum.histories + n}`,
        seed: seed + 7_919 * (sum.histories + n),
        clients: ['a', 'b', 'c', 'd'],
        stepsEach: 7,
        keys: 2,
        lost: 0.08,
        pace: 'as-it-is',
      }),
    );
    for (const recorded of await Promise.all(batch)) {
      sum.histories += 1;
      for (const [key, operations] of Object.entries(recorded)) {
        sum.operations += operations.length;
        sum.lost += operations.filter(({ returned }) => returned === null).length;
        const verdict = checkKey(operations);
        if (verdict === 'undecided') sum.undecided += 1;
        if (verdict !== 'not-linearizable') continue;
        sum.wrong += 1;
        if (until === 'all') for (const line of traceOf(key, operations)) say(line);
      }
    }
  }
  return sum;
}

function traceOf(key: string, operations: readonly Operation[]): readonly string[] {
  const firstNs = Math.min(...operations.map(({ calledNs }) => calledNs));
  const us = (atNs: number): string => ((atNs - firstNs) / 1000).toFixed(1);
  return [
    `${key} is not linearizable:`,
    ...[...operations]
      .sort((a, b) => a.calledNs - b.calledNs)
      .map(({ client, step, calledNs, returned }) => {
        const seen =
          returned === null ? 'no answer' : `${us(returned.atNs)} ${JSON.stringify(returned.seen)}`;
        return `  ${client} ${JSON.stringify(step)} ${us(calledNs)} … ${seen}`;
      }),
  ];
}

/** Stores that are broken on purpose have to be found out, or the silence above says nothing. */
async function teeth(seed: number, say: FaultRun['say']): Promise<Figure> {
  let found = 0;
  for (const { name, breakStore } of BROKEN_STORES) {
    const subject = await memorySubject(breakStore);
    const { wrong, histories } = await checkHistories(subject, seed, UNTIL_FOUND_MAX, 'first-wrong', say);
    await subject.close();
    say(`broken: ${name}: ${wrong === 0 ? 'NOT FOUND' : `found within ${histories} histories`}`);
    if (wrong > 0) found += 1;
  }
  return exactly('stores broken on purpose that were found', found, BROKEN_STORES.length);
}

await runAlone(import.meta.url, FAULT);
