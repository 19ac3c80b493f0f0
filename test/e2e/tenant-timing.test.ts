import { Agent } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CountingBackend, executeAndAnswer, startCountingBackend } from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { seededRandom } from '../support/seeded.ts';
import { type Answer, keyed, sendRequest } from '../support/send-request.ts';

/** That another tenant has used a key can be seen neither in an answer nor in the time it takes. */

let backend: CountingBackend;
let proxy: TestProxy;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

beforeAll(async () => {
  backend = await startCountingBackend(executeAndAnswer);
  proxy = await startProxyWith(
    [
      'listen: 127.0.0.1:0',
      'observe: { listen: 127.0.0.1:0 }',
      'admin: off',
      `upstream: { url: "${backend.origin}" }`,
      'store: "memory:"',
      'drain: { timeout: 0s }',
    ].join('\n'),
  );
});

afterAll(async () => {
  agent.destroy();
  await proxy.close();
  await backend.close();
});

const ask = (key: string, caller: string): Promise<Answer> =>
  sendRequest(proxy.port, { headers: keyed(key, `Bearer ${caller}`), agent });

/** How often each operation of the store has been made, by kind and result. */
async function operations(): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.app.observeAddress?.port}/metrics`)).text();
  const found = text.matchAll(/^onceward_store_operation_duration_seconds_count(\{.*\}) (\d+)$/gm);
  return new Map([...found].map(([, labels = '', count]) => [labels, Number(count)]));
}

async function operationsOf(run: () => Promise<Answer>): Promise<readonly string[]> {
  const before = await operations();
  await run();
  const after = await operations();
  return [...after].flatMap(([labels, count]) => {
    const more = count - (before.get(labels) ?? 0);
    return more === 0 ? [] : [`${more} × ${labels}`];
  });
}

it('the key of another tenant and a key of nobody lead to the same answer and the same operations of the store', async () => {
  await ask('known', 'owner');
  const answers: Answer[] = [];
  const told = async (key: string): Promise<Answer> => {
    const answer = await ask(key, 'other');
    answers.push(answer);
    return answer;
  };

  const [known, unknown] = [
    await operationsOf(() => told('known')),
    await operationsOf(() => told('nobody-has-it')),
  ];

  expect(known.length).toBeGreaterThan(0);
  expect(known).toEqual(unknown);
  expect(answers.map(({ status }) => status)).toEqual([201, 201]);
  const names = answers.map(({ rawHeaders }) => rawHeaders.filter((_text, at) => at % 2 === 0));
  expect(names[0]).toEqual(names[1]);
});

const SAMPLES = 500;

/** How likely one of the first takes longer than one of the second: 0.5 where nothing tells them apart (Mann and Whitney 1947). */
function tellsApart(first: readonly number[], second: readonly number[]): number {
  let longer = 0;
  for (const a of first) for (const b of second) longer += a > b ? 1 : a === b ? 0.5 : 0;
  return longer / (first.length * second.length);
}

it('the time of an answer does not tell the key of another tenant from one of nobody', async () => {
  const random = seededRandom(20_261_127);
  const [known, unknown, own]: [number[], number[], number[]] = [[], [], []];
  const kinds = [known, unknown, own].flatMap((times) => Array.from({ length: SAMPLES }, () => times));
  for (let i = 0; i < SAMPLES; i += 1) await ask(`timed-${i}`, 'owner');
  // In a random order, so that whatever else the machine does falls on all of them alike.
  const order = kinds.map((times) => ({ times, at: random() })).toSorted((a, b) => a.at - b.at);
  for (const { times } of order) {
    const key = `timed-${times === unknown ? 'unknown-' : ''}${times.length}`;
    const startMs = performance.now();
    await ask(key, times === own ? 'owner' : 'other');
    times.push(performance.now() - startMs);
  }

  // Four standard deviations of the statistic, were they the same: 1 / sqrt(6 n).
  const boundary = 4 / Math.sqrt(6 * SAMPLES);
  expect(Math.abs(tellsApart(known, unknown) - 0.5)).toBeLessThan(boundary);
  // A replay spares the backend: the measure does see what there is to see.
  expect(tellsApart(unknown, own)).toBeGreaterThan(0.5 + boundary);
});
