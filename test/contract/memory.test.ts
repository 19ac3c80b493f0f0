import { describe, expect, test } from 'vitest';
import { createMemoryStore } from '../../src/store/memory.ts';
import { FULL, granted, newRecordKey, requestOf } from './harness.ts';
import { storeContract } from './store-contract.ts';

const START_MS = 1_795_000_000_000;

storeContract('memory', async () => {
  let nowMs = START_MS;
  const store = createMemoryStore({ clock: { nowMs: () => nowMs }, bytesMax: 64 * 1024 * 1024 });
  return {
    store,
    unitMs: 1000,
    advance: async (ms) => {
      nowMs += ms;
    },
    reopen: null,
    second: async () => store,
    expiry: 'by-sweep',
    cleanup: () => store.close(),
  };
});

describe('a full memory store', () => {
  test('refuses new claims, answers replays and takes the completion of what is in flight', async () => {
    const store = createMemoryStore({ clock: { nowMs: () => START_MS }, bytesMax: 5000 });
    const completed = await granted(store, newRecordKey(), requestOf(1000));
    await store.complete(completed.claim, FULL, 60_000);
    const inFlight = await granted(store, newRecordKey(), requestOf(1000));
    await store.complete(
      (await granted(store, newRecordKey(), requestOf(1000))).claim,
      { ...FULL, body: Buffer.alloc(4000) },
      60_000,
    );

    await expect(store.claim(newRecordKey(), requestOf(1000))).rejects.toMatchObject({ reason: 'full' });
    await expect(store.ping()).rejects.toMatchObject({ reason: 'full' });

    expect((await store.claim(completed.claim.recordKey, requestOf(1000))).kind).toBe('completed');
    expect(await store.complete(inFlight.claim, FULL, 60_000)).toBe('ok');
  });

  test('makes room from what has expired, never from what lives', async () => {
    let nowMs = START_MS;
    const store = createMemoryStore({ clock: { nowMs: () => nowMs }, bytesMax: 5000 });
    const short = await granted(store, newRecordKey(), requestOf(1000));
    await store.complete(short.claim, { ...FULL, body: Buffer.alloc(3000) }, 1000);
    const lives = await granted(store, newRecordKey(), requestOf(1000));
    await expect(store.claim(newRecordKey(), requestOf(1000))).rejects.toMatchObject({ reason: 'full' });

    nowMs += 1001;

    expect((await store.claim(newRecordKey(), requestOf(1000))).kind).toBe('claimed');
    expect((await store.inspect(lives.claim.recordKey))?.state).toBe('dispatched');
  });

  test('counts its bytes back to nothing', async () => {
    let nowMs = START_MS;
    const store = createMemoryStore({ clock: { nowMs: () => nowMs }, bytesMax: 1_000_000 });
    for (let i = 0; i < 20; i += 1) {
      const { claim } = await granted(store, newRecordKey(), requestOf(1000));
      if (i % 2 === 0) await store.complete(claim, FULL, 1000);
      else await store.release(claim, null);
    }
    nowMs += 3_600_000;

    await store.sweep(100);

    expect(await store.stats()).toEqual({ records: 0, bytes: 0 });
  });
});

describe('waiting at a memory store', () => {
  test('has a limit, and a waiter that left makes room', async () => {
    const store = createMemoryStore({ clock: { nowMs: () => START_MS }, bytesMax: 1_000_000, waitersMax: 2 });
    const key = newRecordKey();
    const abort = new AbortController();
    const waiting = [store.settled(key, abort.signal), store.settled(key, abort.signal)];
    await expect(store.settled(key, new AbortController().signal)).rejects.toMatchObject({ reason: 'busy' });
    abort.abort();
    await Promise.all(waiting);

    const again = new AbortController();
    const woken = store.settled(key, again.signal);
    again.abort();

    await expect(woken).resolves.toBeUndefined();
  });
});
