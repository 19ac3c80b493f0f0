import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClaimRequest, StoredResponse } from '../../src/core/record.ts';
import type { Store } from '../../src/store/contract.ts';
import { guardStore } from '../../src/store/guard.ts';
import { createQuietWatch } from '../../src/store/quiet-watch.ts';
import { createFalseClock, type FalseClock } from '../support/false-clock.ts';
import { createPostgresOpener } from '../support/postgres-opener.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { createRedisOpener } from '../support/redis-opener.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { until } from '../support/send-request.ts';

/**
 * The wall clock of a real server jumps by an hour while claims are held (fault 29). It may delay or park; nothing is
 * granted twice, forgotten, or held for ever.
 */

const HOUR_MS = 3_600_000;
const LEASE_MS = 400;
const DONE: StoredResponse = { kind: 'unstored', status: 201, receivedAtMs: 0 };

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

let nextOwner = 0;

function request(change: Partial<ClaimRequest> = {}): ClaimRequest {
  nextOwner += 1;
  return {
    owner: `owner-${nextOwner}`,
    fingerprint: 'digest',
    policyId: 'policy',
    leaseMs: LEASE_MS,
    retainMs: 24 * HOUR_MS,
    unknownRetainMs: 168 * HOUR_MS,
    state: 'dispatched',
    note: null,
    ...change,
  };
}

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

  async function claimed(key: string, change: Partial<ClaimRequest> = {}) {
    const asked = request(change);
    const result = await store.claim(key, asked);
    if (result.kind !== 'claimed') throw new Error(`not claimed: ${result.kind}`);
    return { recordKey: key, owner: asked.owner, token: result.token };
  }

  it('back, the claim of a dead holder ends with its lease, not an hour later', async () => {
    clock.set(0);
    await claimed('dead');
    clock.set(-HOUR_MS);

    const first = await store.claim('dead', request());
    const view = await store.inspect('dead');
    const ended = await until(
      () => store.claim('dead', request()),
      ({ kind }) => kind !== 'inFlight',
    );

    expect(first).toMatchObject({ kind: 'inFlight' });
    expect(first.kind === 'inFlight' ? first.leaseLeftMs : null).toBeLessThanOrEqual(LEASE_MS);
    expect(view?.leaseLeftMs).toBeLessThanOrEqual(LEASE_MS);
    expect(ended.kind).toBe('unknown');
  });

  it('back, a claim that was never dispatched is free again with its lease', async () => {
    clock.set(0);
    await claimed('undispatched', { state: 'claimed' });
    clock.set(-HOUR_MS);

    const ended = await until(
      () => store.claim('undispatched', request()),
      ({ kind }) => kind !== 'inFlight',
    );

    expect(ended.kind).toBe('claimed');
  });

  it('forth, a live claim looks unknown, is granted to nobody, and comes back with its renewal', async () => {
    clock.set(0);
    const claim = await claimed('live');
    clock.set(HOUR_MS);

    const other = await store.claim('live', request());
    const renewed = await store.renew(claim, LEASE_MS);
    const after = await store.claim('live', request());
    const completed = await store.complete(claim, DONE, 24 * HOUR_MS);
    clock.set(0);
    const replayed = await store.claim('live', request());

    expect([other.kind, renewed, after.kind, completed, replayed.kind]).toEqual([
      'unknown',
      'ok',
      'inFlight',
      'ok',
      'completed',
    ]);
  });

  it('forth, a live claim is not re-opened, however quiet it looks', async () => {
    clock.set(0);
    let nowMs = 0;
    const guarded = guardStore(store, {
      deadlineMs: 60_000,
      monotonicMs: () => nowMs,
      quiet: createQuietWatch(() => nowMs, LEASE_MS),
    });
    const claim = await claimed('quiet');
    clock.set(HOUR_MS);

    const seen = await guarded.claim('quiet', request());
    const reopened = await guarded.resolve('quiet', claim.token, { kind: 'released', quietMs: 60_000 });
    nowMs = 60_000;
    clock.set(HOUR_MS + 60_000);
    await guarded.inspect('quiet');
    const later = await guarded.resolve('quiet', claim.token, { kind: 'released', quietMs: 60_000 });

    expect(seen).toMatchObject({ kind: 'unknown' });
    expect(seen.kind === 'unknown' ? seen.unknownForMs : 0).toBeGreaterThan(60_000);
    expect([reopened, later]).toEqual(['lost', 'ok']);
  });

  it('back, an unknown outcome can still be resolved', async () => {
    clock.set(0);
    const claim = await claimed('parked');
    await store.park(claim, 'reset');
    clock.set(-HOUR_MS);

    const byProbe = await store.resolve('parked', claim.token, {
      kind: 'completed',
      response: DONE,
      retainMs: 24 * HOUR_MS,
    });
    const replayed = await store.claim('parked', request());

    expect([byProbe, replayed.kind]).toEqual(['ok', 'completed']);
  });

  it('tokens grow, whichever way it jumps', async () => {
    const tokens: number[] = [];
    for (const offsetMs of [0, -HOUR_MS, HOUR_MS, 0, -2 * HOUR_MS]) {
      clock.set(offsetMs);
      const claim = await claimed('tokens');
      tokens.push(claim.token);
      await store.release(claim, null);
    }

    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    expect(new Set(tokens).size).toBe(tokens.length);
  });

  it('tokens grow also after what was left of a release has gone', async () => {
    clock.set(0);
    const before = await claimed('gone');
    clock.set(-2 * HOUR_MS);
    await store.release(before, null);
    // Further than a release stays visible.
    clock.set(-HOUR_MS + 120_000);
    await store.sweep(100);

    const after = await claimed('gone');

    expect(after.token).toBeGreaterThan(before.token);
  });

  it('a completed record is replayed, whichever way it jumps', async () => {
    clock.set(0);
    const claim = await claimed('done');
    await store.complete(claim, DONE, 24 * HOUR_MS);
    const kinds: string[] = [];
    for (const offsetMs of [HOUR_MS, -HOUR_MS, 0]) {
      clock.set(offsetMs);
      kinds.push((await store.claim('done', request())).kind);
    }

    expect(kinds).toEqual(['completed', 'completed', 'completed']);
  });
});
