import { describe, expect, it } from 'vitest';
import {
  type MemoryUse,
  nextPressure,
  OVERLOADS,
  type Pressure,
  usedShare,
} from '../../src/core/overload.ts';

const LIMITS = { refuseShare: 0.9, stopShare: 0.95 };
const MIB = 1024 * 1024;

describe('the pressure on memory', () => {
  it.each([
    ['none', 0.89, 'none'],
    ['none', 0.9, 'refuse'],
    ['none', 0.95, 'stop'],
    ['refuse', 0.86, 'refuse'],
    ['refuse', 0.84, 'none'],
    ['refuse', 0.94, 'refuse'],
    ['refuse', 0.95, 'stop'],
    ['stop', 0.91, 'stop'],
    ['stop', 0.89, 'refuse'],
    ['stop', 0.86, 'refuse'],
    ['stop', 0.2, 'none'],
  ] as readonly [Pressure, number, Pressure][])(
    'after %s, at a share of %d, is %s',
    (before, share, after) => {
      expect(nextPressure(before, share, LIMITS)).toBe(after);
    },
  );

  it('does not flicker around a threshold', () => {
    let pressure: Pressure = 'none';
    let changes = 0;
    for (let n = 0; n < 100; n += 1) {
      const next = nextPressure(pressure, n % 2 === 0 ? 0.91 : 0.89, LIMITS);
      if (next !== pressure) changes += 1;
      pressure = next;
    }

    expect(changes).toBe(1);
  });
});

function use(outer: MemoryUse['outer'], heapUsedBytes = 10 * MIB): MemoryUse {
  return { heapUsedBytes, heapLimitBytes: 100 * MIB, outer };
}

describe('the share of the memory that is used', () => {
  it('is that of the heap where nothing else bounds the process', () => {
    expect(usedShare(use(null, 50 * MIB))).toBe(0.5);
  });

  it('is that of the container where it is the fuller', () => {
    const outer = {
      usedBytes: 900 * MIB,
      limitBytes: 1000 * MIB,
      ownBytes: 900 * MIB,
      liveBytes: 800 * MIB,
    };

    expect(usedShare(use(outer))).toBe(0.9);
  });

  it('counts what other processes of the container have', () => {
    const outer = {
      usedBytes: 900 * MIB,
      limitBytes: 1000 * MIB,
      ownBytes: 100 * MIB,
      liveBytes: 100 * MIB,
    };

    expect(usedShare(use(outer))).toBe(0.9);
  });

  it('leaves out freed memory that the allocator keeps: a process must not refuse for ever because of it', () => {
    const outer = {
      usedBytes: 950 * MIB,
      limitBytes: 1000 * MIB,
      ownBytes: 950 * MIB,
      liveBytes: 100 * MIB,
    };

    expect(usedShare(use(outer))).toBeCloseTo(0.214, 3);
  });

  it('is that of the heap where it is the fuller', () => {
    const outer = { usedBytes: 100 * MIB, limitBytes: 1000 * MIB, ownBytes: 100 * MIB, liveBytes: 90 * MIB };

    expect(usedShare(use(outer, 80 * MIB))).toBe(0.8);
  });

  it('counts half as much again as is alive, and 64 MiB', () => {
    const outer = { usedBytes: 800 * MIB, limitBytes: 1000 * MIB, ownBytes: 600 * MIB, liveBytes: 200 * MIB };

    // 200 of others; 1.5 × 200 + 64 of ours.
    expect(usedShare(use(outer))).toBeCloseTo(0.564, 10);
  });

  it('does not take a process that is measured later, and has grown, for less of the others', () => {
    const outer = { usedBytes: 300 * MIB, limitBytes: 1000 * MIB, ownBytes: 400 * MIB, liveBytes: 400 * MIB };

    expect(usedShare(use(outer))).toBe(0.4);
  });
});

describe('a level of pressure', () => {
  it.each([
    ['none', 0.5, 'refuse'],
    ['none', 0.46, 'none'],
    ['refuse', 0.46, 'refuse'],
    ['refuse', 0.72, 'refuse'],
    ['stop', 0.72, 'stop'],
    ['stop', 0.7, 'stop'],
    ['stop', 0.69, 'refuse'],
    ['stop', 0.46, 'refuse'],
    ['stop', 0.44, 'none'],
  ] as readonly [Pressure, number, Pressure][])(
    'of %s at a share of %d becomes %s',
    (before, share, after) => {
      expect(nextPressure(before, share, { refuseShare: 0.5, stopShare: 0.75 })).toBe(after);
    },
  );
});

it('what there can be too much of has a name that metrics and answers keep', () => {
  expect(OVERLOADS).toEqual([
    'in_flight',
    'buffer',
    'memory',
    'joiners',
    'tasks',
    'client_in_flight',
    'principal_in_flight',
    'principal_new_keys',
    'principal_tickets',
  ]);
});
