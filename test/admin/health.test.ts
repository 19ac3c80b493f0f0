import { describe, expect, it } from 'vitest';
import { createHealth, drainCheck, storeCheck } from '../../src/admin/health.ts';
import { StoreUnavailable } from '../../src/store/contract.ts';

const store = (ping: () => Promise<void>, nowMs: () => number = () => 0, deadlineMs = 5_000) =>
  storeCheck({ ping, monotonicMs: nowMs, deadlineMs, cacheMs: 1_000 });

describe('readiness', () => {
  it('is ready when every check passes', async () => {
    const health = createHealth({ checks: [store(async () => undefined), drainCheck(() => 'serving')] });

    expect(await health.readiness()).toEqual({ status: 'ready', reasons: [] });
  });

  it('names every reason at once', async () => {
    const down = store(() => Promise.reject(new StoreUnavailable('readonly', 'a replica')));
    const health = createHealth({ checks: [down, drainCheck(() => 'draining')] });

    expect(await health.readiness()).toEqual({
      status: 'not-ready',
      reasons: [
        { check: 'store', reason: 'readonly' },
        { check: 'draining', reason: 'draining' },
      ],
    });
  });

  it('what a store throws besides StoreUnavailable is the reason error', async () => {
    const health = createHealth({ checks: [store(() => Promise.reject(new TypeError('defect')))] });

    expect((await health.readiness()).reasons).toEqual([{ check: 'store', reason: 'error' }]);
  });

  it('a check that throws makes the process not ready, and nothing rejects', async () => {
    const health = createHealth({
      checks: [
        () => {
          throw new Error('defect');
        },
      ],
    });

    expect(await health.readiness()).toEqual({
      status: 'not-ready',
      reasons: [{ check: 'health', reason: 'error' }],
    });
  });
});

describe('the check of the store', () => {
  it('asks the store once in a second', async () => {
    let nowMs = 0;
    let pings = 0;
    const check = store(
      async () => {
        pings += 1;
      },
      () => nowMs,
    );

    await check();
    nowMs = 999;
    await check();
    expect(pings).toBe(1);
    nowMs = 1_000;
    await check();
    expect(pings).toBe(2);
  });

  it('probes that come together share one ping', async () => {
    let pings = 0;
    const check = store(async () => {
      pings += 1;
    });

    await Promise.all([check(), check(), check()]);

    expect(pings).toBe(1);
  });

  it('a failure is told for a second as well, then the store is asked again', async () => {
    let nowMs = 0;
    let broken: 'broken' | 'mended' = 'broken';
    const check = store(
      async () => {
        if (broken === 'broken') throw new StoreUnavailable('connection', 'refused');
      },
      () => nowMs,
    );

    expect(await check()).toEqual({ check: 'store', reason: 'connection' });
    broken = 'mended';
    expect(await check()).toEqual({ check: 'store', reason: 'connection' });
    nowMs = 1_000;
    expect(await check()).toBeNull();
  });

  it('a ping that hangs is a time-out, is not doubled, and counts once it comes back', async () => {
    let pings = 0;
    let answer = (): void => undefined;
    const check = store(
      () => {
        pings += 1;
        return new Promise((resolve) => {
          answer = resolve;
        });
      },
      () => 0,
      10,
    );

    expect(await check()).toEqual({ check: 'store', reason: 'timeout' });
    expect(await check()).toEqual({ check: 'store', reason: 'timeout' });
    expect(pings).toBe(1);
    answer();
    expect(await check()).toBeNull();
    expect(pings).toBe(1);
  });
});
