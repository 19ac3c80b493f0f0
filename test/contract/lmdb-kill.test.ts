import { afterEach, describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import { systemClock } from '../../src/store/lmdb/system-clock.ts';
import { listAll, requestOf, responseOf } from './harness.ts';
import { killWorkers, type Line, startWorker } from './lmdb-processes.ts';
import { cleanUp, newDirectory, openAt } from './lmdb-support.ts';

const SEED = Number(process.env.ONCEWARD_SEED ?? Math.floor(Math.random() * 2 ** 31));

afterEach(async () => {
  killWorkers();
  await cleanUp();
});

const openHere = (path: string): Promise<Store> =>
  openAt(path, systemClock(), { durability: 'fsync', bytesMax: 1024 * 1024 * 1024 });

/** Reproducible numbers below 1. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function expectKept(store: Store, lines: readonly Line[]): Promise<void> {
  const completed = new Set(lines.filter((line) => line.word === 'completed').map((line) => line.key));
  for (const { key, token } of lines) {
    const result = await store.claim(key, requestOf(1000));
    if (completed.has(key)) {
      const response = responseOf(result);
      expect(response.kind === 'full' ? Buffer.from(response.body).toString() : '').toBe(
        `${key};`.repeat(400),
      );
    } else {
      // Claimed and acknowledged; the completion may have made it or not.
      expect(['inFlight', 'completed']).toContain(result.kind);
    }
    expect(result).toMatchObject({ token });
  }
}

describe.each(['commit', 'fsync'] as const)('processes killed while they write (%s)', (durability) => {
  test(`keep every acknowledged write, and no half one (seed ${SEED})`, async () => {
    const path = newDirectory();
    const random = numbers(SEED);
    const lines: Line[] = [];
    for (let round = 0; round < 5; round += 1) {
      const workers = [0, 1].map((n) => startWorker(path, durability, 'write', `r${round}w${n}`));
      await Promise.all(workers.map((worker) => worker.ready));
      await Promise.all(workers.map((worker) => worker.reached(1 + Math.floor(random() * 150))));
      for (const worker of workers) worker.child.kill('SIGKILL');
      await Promise.all(workers.map((worker) => worker.ended));
      for (const worker of workers) lines.push(...worker.lines);
    }

    const store = await openHere(path);

    expect(lines.length).toBeGreaterThan(10);
    await expectKept(store, lines);
  });

  test('leave claims that become unknown when their lease is over, never absent', async () => {
    const path = newDirectory();
    const worker = startWorker(path, durability, 'write', 'w');
    await worker.reached(20);
    worker.child.kill('SIGKILL');
    await worker.ended;
    const later = systemClock();
    // Three leases of a minute on.
    const clock = { ...later, monotonicMs: () => later.monotonicMs() + 180_000 };
    const store = await openAt(path, clock, { durability, bytesMax: 1024 * 1024 * 1024 });

    const kinds = new Set<string>();
    for (const { key } of worker.lines) kinds.add((await store.claim(key, requestOf(1000))).kind);

    expect([...kinds].filter((kind) => kind !== 'completed' && kind !== 'unknown')).toEqual([]);
    expect((await listAll(store, null)).map((record) => record.state)).not.toContain('dispatched');
  });

  test('two processes that race for the same keys have one winner each', async () => {
    const path = newDirectory();
    const racers = [
      startWorker(path, durability, 'race', '200'),
      startWorker(path, durability, 'race', '200'),
    ];
    await Promise.all(racers.map((racer) => racer.ready));

    for (const racer of racers) racer.child.stdin?.end('go');
    await Promise.all(racers.map((racer) => racer.ended));

    const winners = racers.flatMap((racer) => racer.lines).filter((line) => line.word === 'claimed');
    expect(new Set(winners.map((line) => line.key)).size).toBe(200);
    expect(winners).toHaveLength(200);
    expect(new Set(winners.map((line) => line.token)).size).toBe(200);
  });
});
