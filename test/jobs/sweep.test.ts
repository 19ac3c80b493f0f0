import { describe, expect, it } from 'vitest';
import { SWEEP_STEP_RECORDS_MAX, type SweepParts, sweepPass } from '../../src/sweep.ts';

describe('a pass of the sweep', () => {
  /** A store with so many expired records, in which a step takes a millisecond for ten of them. */
  function stage(expired: number) {
    let nowMs = 0;
    const state = { left: expired, steps: 0, rested: [] as number[] };
    const parts: SweepParts = {
      async sweep(recordsMax) {
        const removed = Math.min(recordsMax, state.left);
        state.left -= removed;
        state.steps += 1;
        nowMs += removed / 10;
        return removed;
      },
      monotonicMs: () => nowMs,
      async rest(ms) {
        state.rested.push(ms);
        nowMs += ms;
      },
    };
    return { state, parts };
  }

  it('removes all that has expired, however much it is', async () => {
    const { state, parts } = stage(10_050);

    await sweepPass(parts, new AbortController().signal);

    expect(state.left).toBe(0);
  });

  it('takes bounded steps, and rests after each for as long as it took', async () => {
    const { state, parts } = stage(2 * SWEEP_STEP_RECORDS_MAX);

    await sweepPass(parts, new AbortController().signal);

    expect(state.steps).toBe(3);
    expect(state.rested).toEqual([SWEEP_STEP_RECORDS_MAX / 10, SWEEP_STEP_RECORDS_MAX / 10]);
  });

  it('with nothing to remove is one step', async () => {
    const { state, parts } = stage(0);

    await sweepPass(parts, new AbortController().signal);

    expect(state.steps).toBe(1);
  });

  it('ends between two steps when the process stops', async () => {
    const { state, parts } = stage(10_000);
    const stop = new AbortController();

    await sweepPass({ ...parts, rest: async () => stop.abort() }, stop.signal);

    expect(state.steps).toBe(1);
  });
});
