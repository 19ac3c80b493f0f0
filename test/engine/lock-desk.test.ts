import { describe, expect, test } from 'vitest';
import type { SeenLock } from '../../src/engine/lock-cell.ts';
import { createLockDesk, type LockDesk } from '../../src/engine/lock-desk.ts';
import { createLockKeeper } from '../../src/engine/lock-keeper.ts';
import type { Cells } from '../../src/store/contract.ts';
import { createMemoryStore } from '../../src/store/memory.ts';

type Counted = { readonly cells: Cells; calls(): number };

function counted(): Counted {
  const { cells } = createMemoryStore({ clock: { nowMs: () => 1_000 }, bytesMax: 10_000_000 });
  let calls = 0;
  return {
    calls: () => calls,
    cells: {
      read(cellKey) {
        calls += 1;
        return cells.read(cellKey);
      },
      write(cellKey, write) {
        calls += 1;
        return cells.write(cellKey, write);
      },
      changed: (cellKey, signal) => cells.changed(cellKey, signal),
    },
  };
}

function seenAt(version: number): SeenLock {
  return { version, lock: { holder: null, freeSinceMs: 0, queue: [] }, nowMs: 1, atMs: version };
}

describe('the desk of a lock', () => {
  test('reads once for all who ask in one turn, after the last of them, and anew for the next', async () => {
    const { cells, calls } = counted();
    const desk = createLockDesk({ cells, monotonicMs: () => 0 });

    const looks = [desk.look('a'), desk.look('a'), desk.look('b')];
    const before = calls();
    await Promise.all(looks);
    await desk.look('a');

    expect([before, calls()]).toEqual([0, 3]);
  });

  test('lets one write at a time, each from the newest that was seen, past one that fails', async () => {
    const desk: LockDesk = createLockDesk({ cells: counted().cells, monotonicMs: () => 0 });
    const told: string[] = [];
    const write = (name: string, becomes: number | null) => (newest: SeenLock) => {
      told.push(`${name} from ${newest.version}`);
      return new Promise<{ result: string; seen: SeenLock; from: SeenLock; sentMs: number }>(
        (resolve, reject) => {
          setImmediate(() => {
            told.push(`${name} done`);
            if (becomes === null) reject(new Error('planned'));
            else resolve({ result: name, seen: seenAt(becomes), from: newest, sentMs: 0 });
          });
        },
      );
    };

    const ends = await Promise.allSettled([
      desk.inTurn('a', seenAt(1), write('one', 5)),
      desk.inTurn('a', seenAt(1), write('two', null)),
      desk.inTurn('a', seenAt(9), write('three', 10)),
    ]);
    await desk.inTurn('a', seenAt(2), write('later', 3));

    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(told).toEqual([
      'one from 1',
      'one done',
      'two from 5',
      'two done',
      'three from 9',
      'three done',
      'later from 2',
      'later done',
    ]);
  });

  test('keeps what a hundred who want one lock ask of the store in proportion to them', async () => {
    const { cells, calls } = counted();
    let owners = 0;
    const keeper = createLockKeeper({
      cells,
      monotonicMs: () => performance.now(),
      newOwner: () => {
        owners += 1;
        return owners.toString(16).padStart(32, '0');
      },
      onError: (error) => {
        throw error;
      },
    });
    const order: number[] = [];

    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const taken = await keeper.take({
          resources: [['a']],
          terms: { leaseMs: 15_000, waitMs: 60_000, queueMax: 100 },
          gone: new AbortController().signal,
          onLost: () => undefined,
        });
        if (taken.kind !== 'held') throw new Error(taken.kind);
        order.push(i);
        taken.locks.release();
      }),
    );

    expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(calls()).toBeLessThan(1_000);
  });
});
