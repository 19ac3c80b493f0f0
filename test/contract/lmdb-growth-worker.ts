import { createInterface } from 'node:readline';
import { openLmdbStore } from '../../src/store/lmdb/lmdb-store.ts';
import { systemClock } from '../../src/store/lmdb/system-clock.ts';
import { FULL, requestOf } from './harness.ts';

/**
 * One of two processes that share a store whose map begins small: `lmdb-growth-worker.ts <path> <size in MiB>`. Lines
 * on stdin: `write <prefix> <records>`, `read <prefix> <records>`; each is answered by `done`, or by what went wrong.
 */
const [path = '', sizeMiB = ''] = process.argv.slice(2);
const BODY_BYTES = 100_000;

const store = await openLmdbStore({
  path,
  durability: 'commit',
  bytesMax: Number(sizeMiB) * 1024 * 1024,
  mapBytes: 1024 * 1024,
  clock: systemClock(),
});

function bodyOf(key: string): Buffer {
  return Buffer.alloc(BODY_BYTES, `${key};`);
}

async function write(key: string): Promise<string | null> {
  const request = requestOf(1000, { lease: 60, retain: 3600, unknownRetain: 3600 });
  const result = await store.claim(key, request);
  if (result.kind !== 'claimed') return result.kind;
  const claim = { recordKey: key, owner: request.owner, token: result.token };
  const written = await store.complete(claim, { ...FULL, body: bodyOf(key) }, 3_600_000);
  return written === 'ok' ? null : written;
}

async function read(key: string): Promise<string | null> {
  const result = await store.claim(key, requestOf(1000));
  if (result.kind !== 'completed' || result.response.kind !== 'full') return result.kind;
  return bodyOf(key).equals(result.response.body) ? null : 'another body';
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const [word, prefix, records] = line.split(' ');
  let wrong: string | null = null;
  for (let n = 0; n < Number(records) && wrong === null; n += 1) {
    wrong = await (word === 'write' ? write : read)(`${prefix}-${n}`).catch(String);
  }
  process.stdout.write(`${wrong ?? 'done'}\n`);
}
await store.close();
