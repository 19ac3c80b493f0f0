import { describe, expect, it } from 'vitest';
import { OBSERVED_EXAMPLES_MAX, OBSERVED_ROUTES_MAX } from '../../src/core/observed.ts';
import { createObservedLog } from '../../src/engine/observed-log.ts';

describe('the log of what is observed', () => {
  it('counts all and keeps the latest examples', () => {
    let nowMs = 0;
    const log = createObservedLog(() => nowMs);

    for (let n = 1; n <= 12; n += 1) {
      nowMs = n;
      log.note('pay', 'replayed', `key-${n}`, 201);
    }
    log.note('pay', 'no-key', null, null);

    expect(log.routes()).toEqual([
      {
        route: 'pay',
        counts: [
          {
            end: 'replayed',
            requests: 12,
            examples: [8, 9, 10, 11, 12].map((n) => ({ recordKey: `key-${n}`, atMs: n, status: 201 })),
          },
          { end: 'no-key', requests: 1, examples: [{ recordKey: null, atMs: 12, status: null }] },
        ],
      },
    ]);
    expect(OBSERVED_EXAMPLES_MAX).toBe(5);
  });

  it('has a limit of routes', () => {
    const log = createObservedLog(() => 0);

    for (let n = 0; n < OBSERVED_ROUTES_MAX + 10; n += 1) log.note(`r${n}`, 'executed', null, 200);
    log.note('r0', 'executed', null, 200);

    expect(log.routes()).toHaveLength(OBSERVED_ROUTES_MAX);
    expect(log.routes()[0]?.counts[0]?.requests).toBe(2);
  });

  it('tells once what has changed', () => {
    const log = createObservedLog(() => 0);
    const before = log.routesIfChanged();
    log.note('pay', 'executed', 'k', 200);

    expect([before, log.routesIfChanged()?.length, log.routesIfChanged()]).toEqual([null, 1, null]);
  });
});
