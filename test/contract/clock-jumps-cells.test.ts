import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLockKeeper, type HeldLocks } from '../../src/engine/lock-keeper.ts';
import type { Store } from '../../src/store/contract.ts';
import { createFalseClock, type FalseClock } from '../support/false-clock.ts';
import { createPostgresOpener } from '../support/postgres-opener.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { createRedisOpener } from '../support/redis-opener.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

/** The wall clock of a real server jumps while cells are used: versions grow, and no lock outlives its lease by it. */

const HOUR_MS = 3_600_000;
const LEASE_MS = 600;

const SERVERS = [
  {
    name: 'redis',
    async start(clock: FalseClock) {
      const server = await startRedisServer({ env: clock.env });
      const opener = createRedisOpener();
      const store = await opener.open(server.url, { commandTimeoutMs: 5_000 });
      return { store, end: () => opener.closeAll().then(() => server.remove()) };
    },
  },
  {
    name: 'postgres',
    async start(clock: FalseClock) {
      const server = await startPostgresServer({ env: clock.env });
      const opener = createPostgresOpener();
      const store = await opener.open(server.url, { commandTimeoutMs: 5_000 });
      return { store, end: () => opener.closeAll().then(() => server.remove()) };
    },
  },
];

describe.each(SERVERS)('when the clock of $name jumps', ({ start }) => {
  let clock: FalseClock;
  let store: Store;
  let end: () => Promise<void>;

  beforeAll(async () => {
    clock = createFalseClock();
    ({ store, end } = await start(clock));
  }, 60_000);
  afterAll(async () => {
    await end();
    clock.remove();
  });

  async function write(cellKey: string, lifeMs: number): Promise<number> {
    const { version } = await store.cells.read(cellKey);
    const result = await store.cells.write(cellKey, {
      expectedVersion: version,
      value: Buffer.from('v'),
      lifeMs,
      wakes: 'nobody',
    });
    if (result.kind !== 'written') throw new Error('somebody else writes');
    return result.version;
  }

  async function lock(waitMs: number): Promise<HeldLocks> {
    const keeper = createLockKeeper({
      cells: store.cells,
      monotonicMs: () => performance.now(),
      newOwner: () => randomBytes(16).toString('hex'),
      onError: (error) => {
        throw error;
      },
    });
    const taken = await keeper.take({
      resources: [['lock']],
      terms: { leaseMs: LEASE_MS, waitMs, queueMax: 10 },
      gone: new AbortController().signal,
      onLost: () => undefined,
    });
    if (taken.kind !== 'held') throw new Error(`not held but ${taken.kind}`);
    return taken.locks;
  }

  it('versions of a cell grow, whichever way it jumps', async () => {
    const versions: number[] = [];
    for (const offsetMs of [0, -HOUR_MS, HOUR_MS, 0, -2 * HOUR_MS]) {
      clock.set(offsetMs);
      versions.push(await write('cell', 24 * HOUR_MS));
    }

    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  });

  it('versions of a cell grow also after it has gone', async () => {
    clock.set(0);
    const before = await write('gone', 1);
    clock.set(-HOUR_MS);
    // It lives on until its time has come again, or is swept: absent or not, the next is greater.
    await store.sweep(100);
    const back = await write('gone', 1);
    clock.set(120_000);
    await until('it has gone', async () => ((await store.cells.read('gone')).version === 0 ? 'gone' : null));
    await store.sweep(100);
    const after = await write('gone', 1);

    expect([before, back, after]).toEqual([...new Set([before, back, after])].sort((a, b) => a - b));
  });

  it('back, the lock of a dead holder ends with its lease, and who waits for it is not forgotten', async () => {
    clock.set(0);
    const dead = await lock(0);
    dead.abandon();
    clock.set(-HOUR_MS);

    const next = await lock(10_000);

    expect(next.tokens[0]).toBeGreaterThan(dead.tokens[0] ?? 0);
    expect(next.leaseLeftMs()).toBeGreaterThan(0);
    next.abandon();
  });

  it('forth, a lock can be taken from a holder that lives, with a greater token', async () => {
    clock.set(0);
    const held = await lock(10_000);
    clock.set(HOUR_MS);

    const other = await lock(10_000);

    expect(other.tokens[0]).toBeGreaterThan(held.tokens[0] ?? 0);
    held.abandon();
    other.release();
  });
});
