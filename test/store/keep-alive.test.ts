import { describe, expect, test } from 'vitest';
import type { Claim, WriteResult } from '../../src/core/record.ts';
import { StoreUnavailable } from '../../src/store/contract.ts';
import { createKeepAlive, type KeepAlive } from '../../src/store/keep-alive.ts';
import { createManualTime, type ManualTime } from './manual-time.ts';

const LEASE_MS = 1200;

type Renewal = { readonly atMs: number; readonly token: number; readonly leaseMs: number };

type Scene = {
  readonly time: ManualTime;
  readonly keepAlive: KeepAlive;
  readonly renewals: Renewal[];
  /** What the store says to the next renewals; ok where nothing is planned. */
  readonly plan: (() => Promise<WriteResult>)[];
};

function scene(): Scene {
  const time = createManualTime();
  const renewals: Renewal[] = [];
  const plan: (() => Promise<WriteResult>)[] = [];
  const renew = (claim: Claim, leaseMs: number): Promise<WriteResult> => {
    renewals.push({ atMs: time.nowMs(), token: claim.token, leaseMs });
    return plan.shift()?.() ?? Promise.resolve('ok');
  };
  const keepAlive = createKeepAlive({ renew, monotonicMs: time.nowMs, ticker: time.ticker });
  return { time, keepAlive, renewals, plan };
}

function claim(token: number): Claim {
  return { recordKey: `key-${token}`, owner: 'owner', token };
}

describe('keep-alive', () => {
  test('renews a claim at a third of its lease, again and again', async () => {
    const { time, keepAlive, renewals } = scene();
    keepAlive.hold(claim(1), LEASE_MS, time.nowMs(), () => undefined);

    await time.pass(3 * LEASE_MS);

    const gaps = renewals.map((renewal, i) => renewal.atMs - (renewals[i - 1]?.atMs ?? 1000));
    expect(renewals.length).toBeGreaterThanOrEqual(6);
    for (const gap of gaps) expect(gap).toBeLessThanOrEqual(LEASE_MS / 2);
    expect(renewals.every((renewal) => renewal.leaseMs === LEASE_MS && renewal.token === 1)).toBe(true);
  });

  test('serves any number of claims with one ticker, and stops it when none is held', async () => {
    const { time, keepAlive } = scene();
    const holds = Array.from({ length: 50 }, (_, i) =>
      keepAlive.hold(claim(i), LEASE_MS, time.nowMs(), () => undefined),
    );
    expect([keepAlive.held(), time.running()]).toEqual([50, 1]);

    for (const hold of holds) hold.release();
    await time.pass(LEASE_MS);

    expect([keepAlive.held(), time.running()]).toEqual([0, 0]);
  });

  test('ticks faster when a claim with a shorter lease comes', async () => {
    const { time, keepAlive, renewals } = scene();
    keepAlive.hold(claim(1), 60_000, time.nowMs(), () => undefined);
    keepAlive.hold(claim(2), 90, time.nowMs(), () => undefined);

    await time.pass(60);

    expect(renewals.map((renewal) => renewal.token)).toEqual([2]);
    expect(time.running()).toBe(1);
  });

  test('renews nothing after the release', async () => {
    const { time, keepAlive, renewals } = scene();
    keepAlive.hold(claim(1), LEASE_MS, time.nowMs(), () => undefined).release();

    await time.pass(2 * LEASE_MS);

    expect(renewals).toEqual([]);
  });

  test('tells a loss once and lets go', async () => {
    const { time, keepAlive, renewals, plan } = scene();
    let losses = 0;
    plan.push(() => Promise.resolve('lost'));
    const hold = keepAlive.hold(claim(1), LEASE_MS, time.nowMs(), () => {
      losses += 1;
    });

    await time.pass(3 * LEASE_MS);

    expect([losses, renewals.length, keepAlive.held(), hold.leaseLeftMs()]).toEqual([1, 1, 0, 0]);
  });

  test('tries again at the next tick when the store did not answer', async () => {
    const { time, keepAlive, renewals, plan } = scene();
    plan.push(() => Promise.reject(new StoreUnavailable('connection', 'down')));
    keepAlive.hold(claim(1), LEASE_MS, time.nowMs(), () => undefined);

    await time.pass(LEASE_MS / 2);

    expect(renewals).toHaveLength(2);
    expect((renewals[1]?.atMs ?? 0) - (renewals[0]?.atMs ?? 0)).toBeLessThanOrEqual(100);
  });

  test('sends no second renewal while one is under way', async () => {
    const { time, keepAlive, renewals, plan } = scene();
    plan.push(() => new Promise(() => undefined));
    keepAlive.hold(claim(1), LEASE_MS, time.nowMs(), () => undefined);

    await time.pass(3 * LEASE_MS);

    expect(renewals).toHaveLength(1);
  });

  test('a renewal that is lost because the claim was settled meanwhile is no loss', async () => {
    const { time, keepAlive, plan } = scene();
    const answer = Promise.withResolvers<WriteResult>();
    let losses = 0;
    plan.push(() => answer.promise);
    const hold = keepAlive.hold(claim(1), LEASE_MS, time.nowMs(), () => {
      losses += 1;
    });
    await time.pass(LEASE_MS / 2);

    hold.release();
    answer.resolve('lost');
    await time.pass(1);

    expect(losses).toBe(0);
  });

  test('counts a lease from when it was asked for, never from when it was answered', async () => {
    const { time, keepAlive, plan } = scene();
    const answer = Promise.withResolvers<WriteResult>();
    plan.push(() => answer.promise);
    const hold = keepAlive.hold(claim(1), LEASE_MS, time.nowMs() - 200, () => undefined);
    expect(hold.leaseLeftMs()).toBe(LEASE_MS - 200);
    await time.pass(500);
    expect(hold.leaseLeftMs()).toBe(LEASE_MS - 700);

    answer.resolve('ok');
    await time.pass(1);

    // Asked for at the first tick after a third of the lease: 200 to 300 ms on.
    expect(hold.leaseLeftMs()).toBeLessThan(LEASE_MS - 199);
    expect(hold.leaseLeftMs()).toBeGreaterThanOrEqual(LEASE_MS - 301);
  });

  test('a lease that is over has nothing left', async () => {
    const { time, keepAlive, plan } = scene();
    plan.push(() => new Promise(() => undefined));
    const hold = keepAlive.hold(claim(1), LEASE_MS, time.nowMs(), () => undefined);

    await time.pass(LEASE_MS);

    expect(hold.leaseLeftMs()).toBe(0);
  });
});
