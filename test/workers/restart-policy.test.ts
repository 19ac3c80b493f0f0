import { describe, expect, it } from 'vitest';
import { afterEnd, FAILED_STARTS_MAX } from '../../src/workers/restart-policy.ts';

describe('a worker that ended', () => {
  it('after it was of use is started again at once, and what failed before is forgotten', () => {
    expect(afterEnd({ listenedMs: 1_000, failedStarts: 5, othersListening: 0 })).toEqual({
      kind: 'restart',
      delayMs: 0,
      failedStarts: 0,
    });
  });

  it.each([null, 0, 999])(
    'soon after its start (%s ms) waits, longer each time and never for ever',
    (listenedMs) => {
      const delays: number[] = [];
      let failedStarts = 0;
      for (let n = 0; n < 40; n += 1) {
        const decision = afterEnd({ listenedMs, failedStarts, othersListening: 1 });
        if (decision.kind === 'give-up') throw new Error('gave up while another serves');
        delays.push(decision.delayMs);
        failedStarts = decision.failedStarts;
      }

      expect(delays.slice(0, 6)).toEqual([100, 200, 400, 800, 1_600, 3_200]);
      expect(Math.max(...delays)).toBe(5_000);
    },
  );

  it('time after time, with nobody else to serve, is the end of all', () => {
    const before = { listenedMs: null, failedStarts: FAILED_STARTS_MAX - 2, othersListening: 0 };

    expect(afterEnd(before).kind).toBe('restart');
    expect(afterEnd({ ...before, failedStarts: FAILED_STARTS_MAX - 1 }).kind).toBe('give-up');
  });
});
