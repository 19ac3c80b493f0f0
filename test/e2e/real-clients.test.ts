import { randomInt } from 'node:crypto';
import got, { HTTPError, ReadError } from 'got';
import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  baseConfig,
  type ChildProxy,
  type Folder,
  startChildProxy,
  temporaryFolder,
} from '../support/child-proxy.ts';
import type { CountingBackend } from '../support/counting-backend.ts';
import {
  type Expected,
  FIRST_AMOUNT,
  type Plan,
  plansOf,
  startFailingBackend,
} from '../support/failing-backend.ts';

/**
 * Clients as they are installed, with their own retries, against a backend that fails in every way. ONCEWARD_SEED
 * repeats a run.
 */

const SEED = Number(process.env.ONCEWARD_SEED ?? randomInt(2 ** 31));
const CHARGES = 30;
const CLIENT_WAITS_MS = 1_500;
const BACKEND_TAKES_MS = 2_200;

type End = Expected['end'] | 'other';
type Ended = { readonly end: End; readonly detail: string };

let folder: Folder;
const stages: { backend: CountingBackend; proxy: ChildProxy }[] = [];

beforeAll(() => {
  folder = temporaryFolder();
  process.stdout.write(`real clients: ONCEWARD_SEED=${SEED}\n`);
});

afterAll(async () => {
  for (const { proxy, backend } of stages) {
    await proxy.kill();
    await backend.close();
  }
  folder.remove();
});

async function stage(
  name: string,
  plans: readonly Plan[],
): Promise<{ readonly backend: CountingBackend; readonly port: number }> {
  const backend = await startFailingBackend(plans, BACKEND_TAKES_MS);
  const proxy = await startChildProxy([
    '--config',
    folder.config(baseConfig(backend.origin, `lmdb:${folder.path}/${name}`), `${name}.yaml`),
  ]);
  stages.push({ backend, proxy });
  return { backend, port: proxy.port };
}

function expectAsPlanned(plans: readonly Plan[], ends: readonly Ended[], backend: CountingBackend): void {
  const wrong = plans
    .map((plan, i) => ({
      charge: i,
      steps: plan.steps.join(' → '),
      expected: plan.expected.end,
      ended: ends[i]?.end,
      detail: ends[i]?.detail,
    }))
    .filter(({ expected, ended }) => expected !== ended);
  expect(wrong, `seed ${SEED}`).toEqual([]);
  const executions = plans.reduce((sum, { expected }) => sum + expected.executions, 0);
  expect(backend.executionsOfAll(), `executions, seed ${SEED}`).toBe(executions);
  expect(backend.keysExecuted(), `distinct keys executed, seed ${SEED}`).toBe(executions);
}

describe('the unmodified client of Stripe, with automatic keys and retries', () => {
  it('charges once a key, whatever the backend does', { timeout: 90_000 }, async () => {
    const plans = plansOf(SEED, CHARGES, 'gives-up');
    const { backend, port } = await stage('stripe', plans);
    const stripe = new Stripe('sk_test_onceward', {
      host: '127.0.0.1',
      port,
      protocol: 'http',
      maxNetworkRetries: 5,
      timeout: CLIENT_WAITS_MS,
      telemetry: false,
    });

    const ends = await Promise.all(plans.map((_, i) => chargeWithStripe(stripe, FIRST_AMOUNT + i)));

    expectAsPlanned(plans, ends, backend);
  });
});

async function chargeWithStripe(stripe: Stripe, amount: number): Promise<Ended> {
  try {
    const charge = await stripe.charges.create({ amount, currency: 'eur', source: 'tok_visa' });
    if (charge.lastResponse.statusCode === 200)
      return { end: charge.id?.startsWith('ch_') ? 'charged' : 'other', detail: JSON.stringify(charge) };
    // A JSON body without "error" is an answer to this client, whatever its status: the problem itself comes back.
    const problem = new Map(Object.entries(charge));
    return {
      end: problem.get('code') === 'outcome-unknown' ? 'unknown' : 'other',
      detail: JSON.stringify(charge),
    };
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error;
    if (error.code === 'outcome-unknown') return { end: 'unknown', detail: error.message };
    const detail = `${error.type} ${error.statusCode} ${error.message}`;
    if (error instanceof Stripe.errors.StripeConnectionError) return { end: 'broken', detail };
    return {
      end: error.statusCode === 500 ? 'refused-500' : error.statusCode === 429 ? 'refused-429' : 'other',
      detail,
    };
  }
}

describe('got, with retries of POST and an explicit key', () => {
  it('charges once a key, whatever the backend does', { timeout: 90_000 }, async () => {
    const plans = plansOf(SEED + 1, CHARGES, 'retries');
    const { backend, port } = await stage('got', plans);

    const chargeAll = (): Promise<Ended[]> =>
      Promise.all(plans.map((_, i) => chargeWithGot(`http://127.0.0.1:${port}/charges`, FIRST_AMOUNT + i)));

    const ends = await chargeAll();
    expectAsPlanned(plans, ends, backend);
    const asked = await chargeAll();

    // Asked again, nothing is executed, a charge is the same charge, and half an answer has become "unknown".
    expect(backend.executionsOfAll()).toBe(plans.filter(({ expected }) => expected.executions === 1).length);
    expect(asked.map(({ end }) => end)).toEqual(ends.map(({ end }) => (end === 'broken' ? 'unknown' : end)));
    expect(asked.filter(({ end }) => end === 'charged').map(({ detail }) => detail)).toEqual(
      ends.filter(({ end }) => end === 'charged').map(({ detail }) => detail),
    );
  });
});

async function chargeWithGot(url: string, amount: number): Promise<Ended> {
  try {
    const body = await got
      .post(url, {
        json: { amount },
        headers: { 'Idempotency-Key': `"charge-${amount}"`, Authorization: 'Bearer shop' },
        timeout: { request: CLIENT_WAITS_MS },
        retry: { limit: 6, methods: ['POST'], statusCodes: [409, 429, 500, 502, 503], backoffLimit: 500 },
      })
      .text();
    return { end: body.includes('"ch_') ? 'charged' : 'other', detail: body };
  } catch (error) {
    if (error instanceof ReadError) return { end: 'broken', detail: error.message };
    if (!(error instanceof HTTPError)) return { end: 'other', detail: String(error) };
    const detail = `${error.response.statusCode} ${String(error.response.body)}`;
    if (error.response.statusCode === 500) return { end: 'refused-500', detail };
    return { end: detail.includes('"code":"outcome-unknown"') ? 'unknown' : 'other', detail };
  }
}
