import { describe, expect, it } from 'vitest';
import type { ClaimResult } from '../../src/core/record.ts';
import { createQuietWatch } from '../../src/store/quiet-watch.ts';

const HOUR_MS = 3_600_000;
const QUIET_MS = 60_000;

function unknown(unknownForMs: number, token = 7): ClaimResult {
  return { kind: 'unknown', fingerprint: 'f', policyId: 'p', token, reason: 'lease-lapsed', unknownForMs };
}

function harness(leaseMsMax = 15_000, sightsMax?: number) {
  const clock = { nowMs: 0 };
  return { clock, watch: createQuietWatch(() => clock.nowMs, leaseMsMax, sightsMax) };
}

describe('the quiet time of an unknown outcome', () => {
  it('is not over because the store says so: this process must have seen it for as long', () => {
    const { clock, watch } = harness();

    watch.claimed('key', unknown(HOUR_MS), 15_000);
    const atOnce = watch.isQuiet('key', 7, QUIET_MS);
    clock.nowMs = QUIET_MS - 1;
    watch.claimed('key', unknown(HOUR_MS + QUIET_MS - 1), 15_000);
    const almost = watch.isQuiet('key', 7, QUIET_MS);
    clock.nowMs = QUIET_MS;
    const over = watch.isQuiet('key', 7, QUIET_MS);

    expect([atOnce, almost, over]).toEqual(['not-yet', 'not-yet', 'yes']);
  });

  it('is never shorter than a lease, within which a live holder renews and is seen in flight', () => {
    const { clock, watch } = harness(15_000);
    watch.claimed('key', unknown(HOUR_MS), 15_000);

    clock.nowMs = 14_999;
    const almost = watch.isQuiet('key', 7, 1_000);
    clock.nowMs = 15_000;

    expect([almost, watch.isQuiet('key', 7, 1_000)]).toEqual(['not-yet', 'yes']);
  });

  it('begins anew when the record was in flight in between', () => {
    const { clock, watch } = harness();
    watch.claimed('key', unknown(HOUR_MS), 15_000);
    clock.nowMs = QUIET_MS;

    watch.claimed(
      'key',
      { kind: 'inFlight', fingerprint: 'f', policyId: 'p', token: 7, leaseLeftMs: 1 },
      15_000,
    );

    expect(watch.isQuiet('key', 7, QUIET_MS)).toBe('not-yet');
  });

  it('begins anew when the clock of the store jumped: a holder may have renewed between two jumps', () => {
    const { clock, watch } = harness();
    watch.claimed('key', unknown(HOUR_MS), 15_000);
    clock.nowMs = QUIET_MS;

    watch.claimed('key', unknown(2 * HOUR_MS), 15_000);

    expect(watch.isQuiet('key', 7, QUIET_MS)).toBe('not-yet');
  });

  it('begins anew with another token', () => {
    const { clock, watch } = harness();
    watch.claimed('key', unknown(HOUR_MS), 15_000);
    clock.nowMs = QUIET_MS;

    watch.claimed('key', unknown(HOUR_MS + QUIET_MS, 8), 15_000);

    expect([watch.isQuiet('key', 7, QUIET_MS), watch.isQuiet('key', 8, QUIET_MS)]).toEqual([
      'not-yet',
      'not-yet',
    ]);
  });

  it('is kept of a bounded number of keys, the ones that were there first', () => {
    const { clock, watch } = harness(15_000, 2);
    for (const key of ['a', 'b', 'c']) watch.claimed(key, unknown(0), 15_000);
    clock.nowMs = QUIET_MS;
    const quiet = ['a', 'b', 'c'].map((key) => watch.isQuiet(key, 7, QUIET_MS));

    clock.nowMs = 2 * HOUR_MS;
    watch.claimed('d', unknown(0), 15_000);
    clock.nowMs += QUIET_MS;

    expect(quiet).toEqual(['yes', 'yes', 'not-yet']);
    expect(watch.isQuiet('d', 7, QUIET_MS)).toBe('yes');
  });
});
