import { describe, expect, it } from 'vitest';
import { readConditions } from '../../src/core/precondition.ts';
import type { ClaimRequest } from '../../src/core/record.ts';
import { createSettler } from '../../src/engine/settler.ts';
import { TRUSTED_CLOCK } from '../../src/engine/sightings.ts';
import {
  createVersions,
  type Reservation,
  type Versions,
  type WantedWrite,
} from '../../src/engine/versions.ts';
import { createWaiters } from '../../src/engine/waiters.ts';
import { type Cells, type Store, StoreUnavailable } from '../../src/store/contract.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { createManualTime, type ManualTime } from '../store/manual-time.ts';

/** Two processes on one store, whose replies are lost when the test says so. */

const LEASE_MS = 120;
const QUIET_MS = 50;

type Stage = {
  readonly time: ManualTime;
  readonly store: Store;
  readonly one: Versions;
  readonly other: Versions;
  /** What becomes of the writes to come, in order; then all are well. */
  readonly trouble: ('reply-lost' | 'fails')[];
  readonly lost: string[];
  reserve(versions: Versions, over?: Partial<WantedWrite>): ReturnType<Versions['reserve']>;
  read(): Promise<string | null>;
};

function openStage(): Stage {
  const time = createManualTime();
  const store = createMemoryStore({ clock: time, bytesMax: 1_000_000 });
  const trouble: ('reply-lost' | 'fails')[] = [];
  const lost: string[] = [];
  const cells: Cells = {
    read: (cellKey) => store.cells.read(cellKey),
    changed: (cellKey, signal) => store.cells.changed(cellKey, signal),
    async write(cellKey, write) {
      const next = trouble.shift();
      if (next === 'fails') throw new StoreUnavailable('timeout', 'not written');
      const written = await store.cells.write(cellKey, write);
      if (next === 'reply-lost') throw new StoreUnavailable('timeout', 'written');
      return written;
    },
  };
  let owners = 0;
  const make = (): Versions =>
    createVersions({
      store: { cells, inspect: (recordKey) => store.inspect(recordKey) },
      settler: createSettler({
        store: { releaseOwner: async () => 'ok' },
        monotonicMs: time.nowMs,
        onGivenUp: () => undefined,
        pause: async (ms) => await time.pass(Math.ceil(ms)),
      }),
      waiters: createWaiters(10, () => 'none'),
      sightings: TRUSTED_CLOCK,
      monotonicMs: time.nowMs,
      ticker: time.ticker,
      newOwner: () => {
        owners += 1;
        return owners.toString(16).padStart(32, '0');
      },
      onError: (error) => {
        throw error;
      },
    });
  const one = make();
  return {
    ...{ time, store, one, other: make(), trouble, lost },
    reserve: (versions, over = {}) =>
      versions.reserve({
        cellKeys: ['cell'],
        conditions: readConditions([]),
        claim: null,
        leaseMs: LEASE_MS,
        quietMs: QUIET_MS,
        retainMs: 100_000,
        waitMs: 0,
        settleWaitMs: 10,
        onLost: () => lost.push('lost'),
        ...over,
      }),
    read: () => one.forRead(['cell'], 100_000),
  };
}

async function reserved(stage: Stage, over: Partial<WantedWrite> = {}): Promise<Reservation> {
  const found = await stage.reserve(stage.one, over);
  if (found.kind !== 'reserved') throw new Error(found.kind);
  return found.reservation;
}

const matching = (opaque: string | null) => readConditions(['If-Match', `"${opaque}"`]);
const ADVANCED = { kind: 'advanced', existence: 'exists' } as const;

/** Whatever was left to the background. */
const settledDown = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, 5);
  });

describe('replicas in the middle of a rotation of secrets', () => {
  it('go on with one version, though two were made at the same moment', async () => {
    const { one, other, reserve } = openStage();
    const [mine, theirs] = [
      ['a', 'b'],
      ['b', 'a'],
    ] as const;
    const both = await Promise.all([reserve(one, { cellKeys: mine }), reserve(other, { cellKeys: theirs })]);
    for (const made of both) if (made.kind === 'reserved') await made.reservation.settle(ADVANCED);

    const told = await Promise.all([one.forRead(mine, 100_000), other.forRead(theirs, 100_000)]);
    const first = await reserve(one, { cellKeys: mine });
    const second = await reserve(other, { cellKeys: theirs });

    expect(both.map(({ kind }) => kind)).toEqual(['reserved', 'reserved']);
    expect(told[0]).toBe(told[1]);
    expect([first.kind, second.kind]).toEqual(['reserved', 'busy']);
  });
});

describe('a write that is let out', () => {
  it('keeps the resource for as long as it lives, however many leases that takes', async () => {
    const stage = openStage();
    const write = await reserved(stage);

    await stage.time.pass(LEASE_MS * 5);
    const meanwhile = await stage.reserve(stage.other);
    const left = write.leaseLeftMs();
    await write.settle(ADVANCED);

    expect(meanwhile.kind).toBe('busy');
    expect(left).toBeGreaterThan(LEASE_MS / 3);
    expect(await stage.read()).toBe(write.opaque);
    expect(stage.lost).toEqual([]);
  });

  it('is one of two that race for the resource', async () => {
    const stage = openStage();

    const both = await Promise.all([stage.reserve(stage.one), stage.reserve(stage.other)]);

    expect(both.map(({ kind }) => kind).toSorted()).toEqual(['busy', 'reserved']);
  });

  it('is waited for by another, which then sees what it did', async () => {
    const stage = openStage();
    const before = await stage.read();
    const write = await reserved(stage);
    const second = stage.reserve(stage.other, { waitMs: 10_000, conditions: matching(before) });
    const third = stage.reserve(stage.other, { waitMs: 10_000, conditions: matching(write.opaque) });

    await write.settle(ADVANCED);

    expect((await second).kind).toBe('stale');
    expect((await third).kind).toBe('reserved');
  });

  it('that was never reserved for want of a reply keeps nobody from the resource', async () => {
    const stage = openStage();
    const before = await stage.read();
    stage.trouble.push('reply-lost');

    const down = await stage.reserve(stage.one);
    await settledDown();
    const next = await stage.reserve(stage.other, { conditions: matching(before) });

    expect([down.kind, next.kind]).toEqual(['down', 'reserved']);
  });

  it.each([['reply-lost'], ['fails']] as const)(
    'has moved the version though its end was written in trouble: %s',
    async (how) => {
      const stage = openStage();
      const write = await reserved(stage);
      stage.trouble.push(how, how);

      await write.settle(ADVANCED);
      await settledDown();

      expect(await stage.read()).toBe(write.opaque);
      expect(stage.lost).toEqual([]);
    },
  );

  it('whose end cannot be written is in doubt, and then counts as made', async () => {
    const stage = openStage();
    const write = await reserved(stage);
    stage.trouble.push(...Array.from({ length: 50 }, () => 'fails' as const));

    await write.settle(ADVANCED);
    await stage.time.pass(LEASE_MS);
    stage.trouble.length = 0;
    const doubtful = [(await stage.reserve(stage.other)).kind, await stage.read()];
    await stage.time.pass(QUIET_MS);

    expect(doubtful).toEqual(['unsure', null]);
    expect(await stage.read()).toBe(write.opaque);
  });

  it('that nobody renews is in doubt after its lease, and is told when it comes back too late', async () => {
    const stage = openStage();
    const write = await reserved(stage);
    write.abandon();
    await stage.time.pass(LEASE_MS);
    const doubtful = await stage.reserve(stage.other);
    await stage.time.pass(QUIET_MS);
    const next = await stage.reserve(stage.other, { conditions: matching(write.opaque) });

    expect([doubtful.kind, next.kind, write.leaseLeftMs()]).toEqual(['unsure', 'reserved', 0]);
    expect(await write.settle({ kind: 'unchanged' })).toBe('ok');
    expect(await write.settle(ADVANCED)).toBe('ok');
    if (next.kind === 'reserved') await next.reservation.settle(ADVANCED);
    expect(await write.settle(ADVANCED)).toBe('lost');
  });
});

describe('a doubt about a write with a key', () => {
  const request: ClaimRequest = {
    owner: 'f'.repeat(32),
    fingerprint: 'f',
    policyId: 'p',
    leaseMs: 1_000,
    retainMs: 10_000,
    unknownRetainMs: 10_000,
    state: 'dispatched',
    note: null,
  };

  async function doubted(stage: Stage) {
    const before = await stage.read();
    const claimed = await stage.store.claim('k', request);
    if (claimed.kind !== 'claimed') throw new Error(claimed.kind);
    const { token } = claimed;
    const write = await reserved(stage, { claim: { recordKey: 'k', token }, quietMs: 5_000 });
    await stage.store.park({ recordKey: 'k', owner: request.owner, token }, 'reset');
    await write.settle({ kind: 'parked' });
    return { before, token, write, inDoubt: await stage.read() };
  }

  it('ends with the word that it was made', async () => {
    const stage = openStage();
    const { token, write, inDoubt } = await doubted(stage);
    const response = { kind: 'unstored', status: 200, receivedAtMs: 0 } as const;

    await stage.store.resolve('k', token, { kind: 'completed', response, retainMs: 10_000 });

    expect(inDoubt).toBeNull();
    expect(await stage.read()).toBe(write.opaque);
  });

  it('ends with the word that it was not, and its version with it', async () => {
    const stage = openStage();
    const { before, token } = await doubted(stage);

    await stage.store.resolve('k', token, { kind: 'released', quietMs: 0 });

    expect((await stage.reserve(stage.other, { conditions: matching(before) })).kind).toBe('reserved');
  });
});

describe('a version while secrets are rotated', () => {
  it('is found under the older one, and stays there', async () => {
    const stage = openStage();
    const write = await reserved(stage);
    await write.settle(ADVANCED);
    const cellKeys = ['newer', 'cell'];

    const next = await stage.reserve(stage.other, { cellKeys, conditions: matching(write.opaque) });

    expect(await stage.other.forRead(cellKeys, 100_000)).toBeNull();
    expect([next.kind, (await stage.reserve(stage.one)).kind]).toEqual(['reserved', 'busy']);
  });
});
