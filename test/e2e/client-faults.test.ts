import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createOncewardClient, type OncewardResult } from '../../client/onceward-client.js';
import { baseConfig, type Folder, startChildProxy, temporaryFolder } from '../support/child-proxy.ts';
import { type Expected, FIRST_AMOUNT, plansOf, startFailingBackend } from '../support/failing-backend.ts';

/**
 * The client of client/ in plain JavaScript, against a backend that fails in every way, with
 * Onceward before it and without. ONCEWARD_SEED repeats a run.
 */

const SEED = Number(process.env.ONCEWARD_SEED ?? randomInt(2 ** 31));
const CHARGES = 30;
const CLIENT_WAITS_MS = 1_500;
const BACKEND_TAKES_MS = 2_200;

const closers: (() => Promise<void> | void)[] = [];
let folder: Folder;

beforeAll(() => {
  folder = temporaryFolder();
  process.stdout.write(`client: ONCEWARD_SEED=${SEED}\n`);
});
afterAll(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  folder.remove();
});

function clientOf(server: 'honours-key' | 'unknown') {
  const backoff = { firstMs: 50, maxMs: 500 };
  return createOncewardClient({ server, attemptMs: CLIENT_WAITS_MS, attemptsMax: 50, backoff });
}

async function chargeAll(
  url: string,
  server: 'honours-key' | 'unknown',
  keyed: 'own-keys' | 'fresh-keys',
): Promise<readonly OncewardResult[]> {
  const { send } = clientOf(server);
  return await Promise.all(
    Array.from({ length: CHARGES }, (_, n) =>
      send(url, {
        method: 'POST',
        body: JSON.stringify({ amount: FIRST_AMOUNT + n }),
        headers: { Authorization: 'Bearer shop', 'Content-Type': 'application/json' },
        ...(keyed === 'own-keys' ? { key: `charge-${n}` } : {}),
      }),
    ),
  );
}

async function endOf(result: OncewardResult): Promise<Expected['end'] | 'other'> {
  if (result.kind !== 'answered') return result.kind === 'unknown' ? 'unknown' : 'other';
  const body = await result.response.text();
  if (result.response.status === 200 && body.includes('"ch_')) return 'charged';
  return result.response.status === 500 ? 'refused-500' : 'other';
}

it('with Onceward a charge is executed once, and its end is known wherever it can be', {
  timeout: 90_000,
}, async () => {
  const plans = plansOf(SEED, CHARGES, 'retries');
  const backend = await startFailingBackend(plans, BACKEND_TAKES_MS);
  closers.push(() => backend.close());
  const config = baseConfig(backend.origin, `lmdb:${folder.path}/data`);
  const proxy = await startChildProxy(['--config', folder.config(config)]);
  closers.push(() => proxy.kill());
  const url = `http://127.0.0.1:${proxy.port}/charges`;

  const results = await chargeAll(url, 'honours-key', 'own-keys');
  const again = await chargeAll(url, 'honours-key', 'own-keys');

  const ends = await Promise.all(results.map(endOf));
  // Half an answer is asked for again, and then nobody knows it.
  const expected = plans.map(({ expected: { end } }) => (end === 'broken' ? 'unknown' : end));
  expect(ends, `seed ${SEED}`).toEqual(expected);
  expect(await Promise.all(again.map(endOf)), `asked again, seed ${SEED}`).toEqual(expected);
  const executions = plans.reduce((sum, plan) => sum + plan.expected.executions, 0);
  expect([backend.executionsOfAll(), backend.keysExecuted()], `seed ${SEED}`).toEqual([
    executions,
    executions,
  ]);
});

it('without it a charge is sent once, whatever becomes of it', { timeout: 90_000 }, async () => {
  const plans = plansOf(SEED + 1, CHARGES, 'retries');
  const backend = await startFailingBackend(plans, BACKEND_TAKES_MS);
  closers.push(() => backend.close());

  const results = await chargeAll(`${backend.origin}/charges`, 'unknown', 'fresh-keys');

  expect(results.map(({ attempts }) => attempts)).toEqual(results.map(() => 1));
  expect(backend.arrivals(), `seed ${SEED}`).toBe(CHARGES);
  const told = results.map((result, n) => [result.kind, plans[n]?.steps[0]] as const);
  for (const [kind, mode] of told) {
    const lost = ['slow', 'reset-before', 'reset-after', 'truncated'].includes(mode ?? '');
    expect(kind, `${mode}, seed ${SEED}`).toBe(lost ? 'unknown' : 'answered');
  }
});
