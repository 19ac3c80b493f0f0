import { closeSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/store/lmdb/system-clock.ts';
import { listAll, requestOf } from './harness.ts';
import { killWorkers, startWorker } from './lmdb-processes.ts';
import { cleanUp, newDirectory, openAt } from './lmdb-support.ts';

/** Processes that open the store while others write to it: with each, LMDB may put the count of commits back. */

const locks: number[] = [];
afterEach(async () => {
  killWorkers();
  await cleanUp();
  for (const lock of locks.splice(0)) closeSync(lock);
});

const COUNT_AT = 8;

/** As an opening does that read the data file so many commits ago. The file stays open: to close it gives up its locks. */
function putCountBack(path: string, commits: bigint): void {
  const lock = openSync(join(path, 'lock.mdb'), 'r+');
  locks.push(lock);
  const count = Buffer.alloc(8);
  readSync(lock, count, 0, 8, COUNT_AT);
  count.writeBigUInt64LE(count.readBigUInt64LE() - commits);
  writeSync(lock, count, 0, 8, COUNT_AT);
}

it.each([1n, 2n, 5n])('a count of commits that goes back by %d takes no commit with it', async (commits) => {
  const path = newDirectory();
  const store = await openAt(path, systemClock());
  const before = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const key of before) await store.claim(key, requestOf(1000));

  putCountBack(path, commits);
  const together = await Promise.all(['g', 'h'].map((key) => store.claim(key, requestOf(1000))));
  await store.close();
  const again = await openAt(path, systemClock());

  expect(together.map(({ kind }) => kind)).toEqual(['claimed', 'claimed']);
  const kept = await Promise.all([...before, 'g', 'h'].map((key) => again.inspect(key)));
  expect(kept.filter((record) => record === null)).toEqual([]);
});

it('a record that the count leaves behind is found by a claim all the same', async () => {
  const path = newDirectory();
  const store = await openAt(path, systemClock());
  await store.claim('a', requestOf(1000));
  await store.claim('b', requestOf(1000));

  putCountBack(path, 1n);

  expect((await store.claim('b', requestOf(1000))).kind).toBe('inFlight');
});

describe.each(['commit', 'fsync'] as const)('beside a process that writes (%s)', (durability) => {
  it('others open the store, claim and go, and nothing acknowledged is lost', async () => {
    const path = newDirectory();
    const writer = startWorker(path, durability, 'write', 'w');
    await writer.ready;
    const openers = Array.from({ length: 12 }, (_none, nth) =>
      startWorker(path, durability, 'claim', `opener-${nth}`),
    );

    await Promise.all(openers.map((opener) => opener.ended));
    writer.child.kill('SIGKILL');
    await writer.ended;
    const store = await openAt(path, systemClock());

    expect(openers.map(({ child }) => child.exitCode)).toEqual(openers.map(() => 0));
    const completed = new Set(writer.lines.filter(({ word }) => word === 'completed').map(({ key }) => key));
    const kept = new Map((await listAll(store, null)).map((record) => [record.recordKey, record.state]));
    expect(completed.size).toBeGreaterThan(0);
    expect([...completed].filter((key) => kept.get(key) !== 'completed')).toEqual([]);
    expect(openers.filter((_opener, nth) => !kept.has(`opener-${nth}`))).toEqual([]);
  });
});

it('processes that start together on an empty directory have one store', async () => {
  const path = newDirectory();

  const openers = Array.from({ length: 8 }, (_none, nth) => startWorker(path, 'commit', 'claim', `k-${nth}`));
  await Promise.all(openers.map((opener) => opener.ended));
  const store = await openAt(path, systemClock());

  expect(openers.map(({ child }) => child.exitCode)).toEqual(openers.map(() => 0));
  expect((await listAll(store, null)).length).toBe(8);
  expect(readdirSync(path).sort()).toEqual(['data.mdb', 'lock.mdb']);
});
