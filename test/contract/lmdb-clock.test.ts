import { afterEach, describe, expect, test } from 'vitest';
import { FULL, granted, newRecordKey, requestOf, responseOf } from './harness.ts';
import { cleanUp, newDirectory, openAt, START_MS, TestClock } from './lmdb-support.ts';

afterEach(cleanUp);

describe('the time of an lmdb store', () => {
  test.each([
    ['forward', 3_600_000],
    ['back', -3_600_000],
  ])('an hour’s jump of the wall clock %s ends no lease and no record', async (_name, jumpMs) => {
    const clock = new TestClock();
    const store = await openAt(newDirectory(), clock);
    const inFlight = await granted(store, newRecordKey(), requestOf(1000));
    const completed = await granted(store, newRecordKey(), requestOf(1000));
    await store.complete(completed.claim, FULL, 10_000);

    clock.wall += jumpMs;

    expect((await store.claim(inFlight.claim.recordKey, requestOf(1000))).kind).toBe('inFlight');
    expect((await store.claim(completed.claim.recordKey, requestOf(1000))).kind).toBe('completed');
  });

  test('after a boot every lease counts as lapsed', async () => {
    const path = newDirectory();
    const clock = new TestClock();
    const before = await openAt(path, clock);
    const dispatched = await granted(before, newRecordKey(), requestOf(1000, { lease: 100 }));
    const claimed = await granted(before, newRecordKey(), requestOf(1000, { lease: 100, state: 'claimed' }));
    await before.close();
    clock.reboot(START_MS + 20_000);

    const after = await openAt(path, clock);

    expect(await after.claim(dispatched.claim.recordKey, requestOf(1000))).toMatchObject({
      kind: 'unknown',
      unknownForMs: 0,
    });
    expect(await after.dispatch(claimed.claim)).toBe('lost');
    expect((await granted(after, claimed.claim.recordKey, requestOf(1000))).attempt).toBe(2);
  });

  test('after a boot with the wall clock set back, time and tokens still go on', async () => {
    const path = newDirectory();
    const clock = new TestClock();
    const before = await openAt(path, clock);
    clock.uptimeMs += 60_000;
    const first = await granted(before, newRecordKey(), requestOf(1000));
    await before.complete(first.claim, FULL, 10_000);
    await before.close();
    clock.reboot(START_MS - 86_400_000);

    const after = await openAt(path, clock);

    // Not a day more than it had: the store's time did not go back with the wall clock.
    expect((await after.inspect(first.claim.recordKey))?.expiresInMs).toBeLessThanOrEqual(10_000);
    expect(responseOf(await after.claim(first.claim.recordKey, requestOf(1000)))).toEqual(FULL);
    expect((await granted(after, newRecordKey(), requestOf(1000))).claim.token).toBeGreaterThan(
      first.claim.token,
    );
  });

  test('a process that counts another boot is shut out once a newer one has claimed', async () => {
    const path = newDirectory();
    const older = await openAt(path, new TestClock());
    const other = new TestClock();
    other.reboot(START_MS);
    const newer = await openAt(path, other);
    const { claim } = await granted(newer, newRecordKey(), requestOf(1000));
    await newer.complete(claim, FULL, 60_000);

    await expect(older.claim(newRecordKey(), requestOf(1000))).rejects.toMatchObject({ reason: 'error' });

    expect(responseOf(await older.claim(claim.recordKey, requestOf(1000)))).toEqual(FULL);
  });

  test('after a boot a record lives until its retention is over by the wall clock', async () => {
    const path = newDirectory();
    const clock = new TestClock();
    const before = await openAt(path, clock);
    const { claim } = await granted(before, newRecordKey(), requestOf(1000));
    await before.complete(claim, FULL, 100_000);
    await before.close();
    clock.reboot(START_MS + 99_000);
    const store = await openAt(path, clock);
    expect((await store.claim(claim.recordKey, requestOf(1000))).kind).toBe('completed');

    clock.uptimeMs += 2_000;

    expect((await store.claim(claim.recordKey, requestOf(1000))).kind).toBe('claimed');
  });

  test('after a boot with the wall clock set back, the versions and times of cells still go on', async () => {
    const path = newDirectory();
    const clock = new TestClock();
    const before = await openAt(path, clock);
    clock.uptimeMs += 60_000;
    const key = newRecordKey();
    const value = Buffer.from('holder');
    const write = { expectedVersion: 0, value, lifeMs: 10_000, wakes: 'nobody' } as const;
    const first = await before.cells.write(key, write);
    const read = await before.cells.read(key);
    await before.close();
    clock.reboot(START_MS - 86_400_000);

    const after = await openAt(path, clock);
    const again = await after.cells.read(key);

    expect([first.kind, again.version]).toEqual(['written', read.version]);
    // A deadline in the value is not further away than it was.
    expect(again.nowMs).toBeGreaterThanOrEqual(read.nowMs);
    clock.uptimeMs += 10_001;
    expect((await after.cells.read(key)).version).toBe(0);
    expect(await after.cells.write(key, write)).toMatchObject({ kind: 'written' });
    expect((await after.cells.read(key)).version).toBeGreaterThan(read.version);
  });
});
