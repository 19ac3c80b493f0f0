import { describe, expect, it } from 'vitest';
import type { Pending } from '../../src/core/resource-version.ts';
import { createSightings } from '../../src/engine/sightings.ts';

const pending = (owner: string, untilMs: number): Pending => ({
  owner,
  leaseMs: 10,
  untilMs,
  quietMs: 20,
  claim: null,
});

describe('what a process has seen of a pending write', () => {
  it('counts from the first sight of it, as it is', () => {
    let nowMs = 100;
    const sightings = createSightings(() => nowMs);
    const first = sightings.watchedMs('k', pending('a', 1));
    nowMs = 130;
    const second = sightings.watchedMs('k', pending('a', 1));

    expect([first, second]).toEqual([0, 30]);
  });

  it('begins anew when it was renewed, replaced or settled', () => {
    let nowMs = 100;
    const sightings = createSightings(() => nowMs);
    const look = (...seen: readonly (Pending | null)[]): number => {
      let watched = 0;
      for (const one of seen) {
        nowMs += 30;
        watched = sightings.watchedMs('k', one);
      }
      return watched;
    };

    expect(look(pending('a', 1), pending('a', 2))).toBe(0);
    expect(look(pending('a', 1), pending('b', 1))).toBe(0);
    expect(look(pending('a', 1), null, pending('a', 1))).toBe(0);
  });

  it('is bounded: the oldest is forgotten, and watched anew', () => {
    let nowMs = 100;
    const sightings = createSightings(() => nowMs, 2);
    for (const key of ['k', 'l', 'm']) sightings.watchedMs(key, pending('a', 1));
    nowMs = 150;

    expect(sightings.watchedMs('m', pending('a', 1))).toBe(50);
    expect(sightings.watchedMs('k', pending('a', 1))).toBe(0);
  });
});
