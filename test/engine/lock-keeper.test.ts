import { describe, expect, test } from 'vitest';
import { createLockKeeper, type LockKeeper, type TakenLocks } from '../../src/engine/lock-keeper.ts';
import { type Cells, StoreUnavailable } from '../../src/store/contract.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { createManualTime, type ManualTime } from '../store/manual-time.ts';

const TERMS = { leaseMs: 3_000, waitMs: 0, queueMax: 10 };

type Faults = { read: number; writeBefore: number; writeAfter: number };

type Scene = {
  readonly time: ManualTime;
  readonly cells: Cells;
  /** How many of the next calls fail, before or after they did their work. */
  readonly faults: Faults;
  readonly lost: string[];
  keeper(): LockKeeper;
};

function scene(): Scene {
  const time = createManualTime();
  const { cells: inner } = createMemoryStore({ clock: { nowMs: time.nowMs }, bytesMax: 10_000_000 });
  const faults: Faults = { read: 0, writeBefore: 0, writeAfter: 0 };
  const spend = (which: keyof Faults): void => {
    if (faults[which] === 0) return;
    faults[which] -= 1;
    throw new StoreUnavailable('connection', `planned: ${which}`);
  };
  const cells: Cells = {
    async read(cellKey) {
      spend('read');
      return await inner.read(cellKey);
    },
    async write(cellKey, write) {
      spend('writeBefore');
      const result = await inner.write(cellKey, write);
      spend('writeAfter');
      return result;
    },
    changed: (cellKey, signal) => inner.changed(cellKey, signal),
  };
  let owners = 0;
  return {
    time,
    cells,
    faults,
    lost: [],
    keeper: () =>
      createLockKeeper({
        cells,
        monotonicMs: time.nowMs,
        newOwner: () => {
          owners += 1;
          return owners.toString(16).padStart(32, '0');
        },
        ticker: time.ticker,
        onError: (error) => {
          throw error;
        },
        pause: () => new Promise((resolve) => setImmediate(resolve)),
      }),
  };
}

function take(
  keeper: LockKeeper,
  { lost }: Scene,
  names: readonly string[],
  change: Partial<typeof TERMS> & { readonly gone?: AbortSignal } = {},
): Promise<TakenLocks> {
  const { gone = new AbortController().signal, ...terms } = change;
  return keeper.take({
    resources: names.map((name) => [name]),
    terms: { ...TERMS, ...terms },
    gone,
    onLost: () => lost.push(names.join()),
  });
}

async function taken(
  ...args: Parameters<typeof take>
): Promise<Extract<TakenLocks, { kind: 'held' }>['locks']> {
  const result = await take(...args);
  if (result.kind !== 'held') throw new Error(`not held but ${result.kind}`);
  return result.locks;
}

async function leftAll(keeper: LockKeeper): Promise<void> {
  while (keeper.leaving() > 0) await new Promise((resolve) => setImmediate(resolve));
}

describe('a keeper of locks', () => {
  test('takes all or none, and gives back what it has when one is another’s', async () => {
    const played = scene();
    const [one, two] = [played.keeper(), played.keeper()];
    const b = await taken(one, played, ['b']);

    expect(await take(two, played, ['a', 'b'])).toEqual({ kind: 'locked' });
    await leftAll(two);
    const a = await taken(one, played, ['a']);
    b.release();
    a.release();
    await leftAll(one);
    const both = await taken(two, played, ['a', 'b']);

    expect(both.tokens).toHaveLength(2);
    expect(both.tokens[0]).toBeGreaterThan(a.tokens[0] ?? 0);
    expect(both.tokens[1]).toBeGreaterThan(b.tokens[0] ?? 0);
    expect([one.held(), two.held(), played.lost]).toEqual([0, 2, []]);
  });

  test('renews what it holds for as long as it holds it', async () => {
    const played = scene();
    const [one, two] = [played.keeper(), played.keeper()];
    const held = await taken(one, played, ['a']);

    await played.time.pass(10 * TERMS.leaseMs);

    expect(held.leaseLeftMs()).toBeGreaterThan(TERMS.leaseMs / 2);
    expect(await take(two, played, ['a'])).toEqual({ kind: 'locked' });
    held.abandon();
    await played.time.pass(TERMS.leaseMs + 1);
    expect((await take(two, played, ['a'])).kind).toBe('held');
    expect(played.lost).toEqual([]);
  });

  test('tells once that it lost several, and that nothing is left of the lease', async () => {
    const played = scene();
    const [one, two] = [played.keeper(), played.keeper()];
    const held = await taken(one, played, ['a', 'b']);
    played.faults.writeBefore = Number.POSITIVE_INFINITY;
    await played.time.pass(TERMS.leaseMs + 1);
    expect([held.leaseLeftMs(), played.lost]).toEqual([0, []]);
    played.faults.writeBefore = 0;
    const others = await taken(two, played, ['a', 'b']);

    await played.time.pass(TERMS.leaseMs / 2);

    expect(played.lost).toEqual(['a,b']);
    expect(held.leaseLeftMs()).toBe(0);
    expect(others.tokens[0]).toBeGreaterThan(held.tokens[0] ?? 0);
    held.release();
    await leftAll(one);
    expect(others.leaseLeftMs()).toBeGreaterThan(0);
  });

  test('comes back from an outage that nobody used, and has lost nothing', async () => {
    const played = scene();
    const one = played.keeper();
    const held = await taken(one, played, ['a']);
    played.faults.writeBefore = Number.POSITIVE_INFINITY;
    await played.time.pass(TERMS.leaseMs + 500);
    played.faults.writeBefore = 0;

    await played.time.pass(TERMS.leaseMs / 2);

    expect(held.leaseLeftMs()).toBeGreaterThan(0);
    expect(played.lost).toEqual([]);
  });

  test('gives back a lock of which it never heard that it had it', async () => {
    const played = scene();
    const [one, two] = [played.keeper(), played.keeper()];
    played.faults.writeAfter = 1;

    const result = await take(one, played, ['a']);
    await leftAll(one);

    expect(result).toMatchObject({ kind: 'down', error: { reason: 'connection' } });
    expect((await take(two, played, ['a'])).kind).toBe('held');
    expect(played.lost).toEqual([]);
  });

  test('tries again to give back, and takes a lost reply for no loss', async () => {
    const played = scene();
    const [one, two] = [played.keeper(), played.keeper()];
    const held = await taken(one, played, ['a']);
    played.faults.writeBefore = 2;
    played.faults.writeAfter = 1;

    held.release();
    await leftAll(one);

    expect((await take(two, played, ['a'])).kind).toBe('held');
    expect(played.lost).toEqual([]);
  });

  test('waits for its turn, and is woken when it comes', async () => {
    const played = scene();
    const [one, two] = [played.keeper(), played.keeper()];
    const held = await taken(one, played, ['a']);
    const waiting = take(two, played, ['a'], { waitMs: 60_000 });
    await queued(played, 'a');

    held.release();

    expect((await waiting).kind).toBe('held');
  });

  test('leaves the queue when nobody waits any more', async () => {
    const played = scene();
    const [one, two] = [played.keeper(), played.keeper()];
    await taken(one, played, ['a']);
    const gone = new AbortController();
    const waiting = take(two, played, ['a'], { waitMs: 60_000, gone: gone.signal });
    await queued(played, 'a');

    gone.abort();

    expect(await waiting).toEqual({ kind: 'gone' });
    await leftAll(two);
    expect((await played.cells.read('a')).value.byteLength).toBe(ONE_HELD_BYTES);
  });

  test('says that the store is down, also while it waits', async () => {
    const played = scene();
    const [one, two] = [played.keeper(), played.keeper()];
    await taken(one, played, ['a']);
    const waiting = take(two, played, ['a'], { waitMs: 60_000 });
    await queued(played, 'a');
    played.faults.read = 1;

    expect(await waiting).toMatchObject({ kind: 'down' });
  });

  test('takes a cell that is no lock for a damaged store', async () => {
    const played = scene();
    const value = Buffer.from('something else');
    await played.cells.write('a', { expectedVersion: 0, value, lifeMs: 60_000, wakes: 'nobody' });

    expect(await take(played.keeper(), played, ['a'])).toMatchObject({
      kind: 'down',
      error: { reason: 'corrupt' },
    });
  });
});

const ONE_HELD_BYTES = 10 + 28;

/** Somebody stands behind the holder. */
async function queued({ cells }: Scene, cellKey: string): Promise<void> {
  for (;;) {
    if ((await cells.read(cellKey)).value.byteLength > ONE_HELD_BYTES) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
