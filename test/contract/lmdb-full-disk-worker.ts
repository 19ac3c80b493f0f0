import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreUnavailable } from '../../src/store/contract.ts';
import { openLmdbStore } from '../../src/store/lmdb/lmdb-store.ts';
import { systemClock } from '../../src/store/lmdb/system-clock.ts';
import { FULL, newRecordKey, requestOf } from './harness.ts';

/**
 * A process on a small file system: writes until the disk is full, then says on stdout what a replay, a new claim, a
 * ping and the settlement of a claim from before give. At a line on stdin it removes its ballast, tries until a claim is executed, and says it once more.
 */
const [root = ''] = process.argv.slice(2);
const path = join(root, 'store');
const ballast = join(root, 'ballast');

writeFileSync(ballast, Buffer.alloc(1024 * 1024, 1));
const store = await openLmdbStore({
  path,
  durability: 'fsync',
  bytesMax: 1024 * 1024 * 1024,
  clock: systemClock(),
});

async function execute(key: string): Promise<void> {
  const request = requestOf(1000, { lease: 60, retain: 3600, unknownRetain: 3600 });
  const result = await store.claim(key, request);
  if (result.kind !== 'claimed') throw new Error(`${key} is ${result.kind}`);
  await store.complete(
    { recordKey: key, owner: request.owner, token: result.token },
    { ...FULL, body: Buffer.alloc(20_000) },
    3_600_000,
  );
}

function reasonOf(error: unknown): string {
  return error instanceof StoreUnavailable ? error.reason : String(error);
}

async function report(): Promise<void> {
  const replay = await store.claim('kept', requestOf(1000)).then((result) => result.kind, reasonOf);
  const fresh = await execute(newRecordKey()).then(() => 'executed', reasonOf);
  const ping = await store.ping().then(() => 'well', reasonOf);
  const settled = await store
    .complete(inFlight, { ...FULL, body: Buffer.alloc(20_000) }, 3_600_000)
    .then((result) => result, reasonOf);
  process.stdout.write(`${replay} ${fresh} ${ping} ${settled}\n`);
}

async function failure(): Promise<string | null> {
  return execute(newRecordKey()).then(() => null, reasonOf);
}

await execute('kept');
const before = requestOf(1000, { lease: 60, retain: 3600, unknownRetain: 3600 });
const held = await store.claim('in-flight', before);
if (held.kind !== 'claimed') throw new Error(`in-flight is ${held.kind}`);
const inFlight = { recordKey: 'in-flight', owner: before.owner, token: held.token };
while ((await failure()) === null);
await report();
process.stdin.once('data', async () => {
  rmSync(ballast);
  while ((await failure()) !== null);
  await report();
  await store.close();
  process.stdin.destroy();
});
