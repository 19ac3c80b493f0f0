import { openLmdbStore } from '../../src/store/lmdb/lmdb-store.ts';
import { systemClock } from '../../src/store/lmdb/system-clock.ts';
import { FULL, requestOf } from './harness.ts';
import { bodyOf } from './lmdb-support.ts';

/**
 * A process of its own for the kill tests: `lmdb-worker.ts <path> <durability> write <prefix>` claims and completes
 * keys without end; `… race <keys> <unused>` claims the keys `race-0` … once; `… claim <key>` claims one. A line on stdout follows each
 * acknowledgement: what was printed was promised.
 */
const [path = '', durability = '', task = '', argument = ''] = process.argv.slice(2);
const LANES = 8;

const store = await openLmdbStore({
  path,
  durability: durability === 'fsync' ? 'fsync' : 'commit',
  bytesMax: 1024 * 1024 * 1024,
  clock: systemClock(),
});

async function write(lane: number): Promise<void> {
  for (let i = 0; ; i += 1) {
    const key = `${argument}-${lane}-${i}`;
    const request = requestOf(1000, { lease: 60, retain: 3600, unknownRetain: 3600 });
    const result = await store.claim(key, request);
    if (result.kind !== 'claimed') throw new Error(`${key} is ${result.kind}`);
    process.stdout.write(`claimed ${key} ${result.token}\n`);
    const claim = { recordKey: key, owner: request.owner, token: result.token };
    await store.complete(claim, { ...FULL, body: bodyOf(key) }, 3_600_000);
    process.stdout.write(`completed ${key} ${result.token}\n`);
  }
}

/** A few at a time, so that the racers' transactions take turns. */
async function race(): Promise<void> {
  const keys = Array.from({ length: Number(argument) }, (_, i) => `race-${i}`);
  const lanes = Array.from({ length: LANES }, async () => {
    for (let key = keys.shift(); key !== undefined; key = keys.shift()) {
      const result = await store.claim(key, requestOf(1000, { lease: 60 }));
      process.stdout.write(`${result.kind} ${key} ${result.kind === 'claimed' ? result.token : 0}\n`);
    }
  });
  await Promise.all(lanes);
  await store.close();
}

async function claimOne(): Promise<void> {
  await store.claim(argument, requestOf(1000, { lease: 60 }));
  await store.close();
}

process.stdout.write('ready\n');
if (task === 'claim') {
  await claimOne();
} else if (task === 'race') {
  // Both racers are open before either begins.
  process.stdin.once('data', () => void race());
} else {
  await Promise.all(Array.from({ length: LANES }, (_, lane) => write(lane)));
}
