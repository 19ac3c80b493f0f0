import { createInterface } from 'node:readline';
import { StoreUnavailable } from '../../src/store/contract.ts';
import { openLmdbStore } from '../../src/store/lmdb/lmdb-store.ts';
import { systemClock } from '../../src/store/lmdb/system-clock.ts';
import { FULL, requestOf } from '../contract/harness.ts';
import { bodyOf } from '../contract/lmdb-support.ts';

/**
 * A process that may die: for every line on stdin, `<path of a store> <key>,<key>…` of completed keys, it opens the
 * store, asks for each key, executes a few new ones, asks again, and says on stdout what it got.
 */
export type TornReport = {
  readonly opened: 'yes' | 'refused';
  /** Of a refusal. */
  readonly message: string;
  readonly right: number;
  readonly wrong: number;
  readonly absent: number;
  /** Known, but not as completed. */
  readonly behind: number;
  readonly unavailable: number;
};

const NEW_KEYS = 8;

async function look(path: string, keys: readonly string[]): Promise<TornReport> {
  const counts = { right: 0, wrong: 0, absent: 0, behind: 0, unavailable: 0 };
  const opening = openLmdbStore({
    path,
    durability: 'commit',
    bytesMax: 256 * 1024 * 1024,
    clock: systemClock(),
  });
  const store = await opening.catch((error: unknown) => String(error));
  if (typeof store === 'string') return { opened: 'refused', message: store, ...counts };
  for (const pass of ['before', 'after']) {
    for (const key of keys) {
      const seen = await store.claim(key, requestOf(1000, { lease: 60 })).catch(unavailable);
      if (seen === 'unavailable') counts.unavailable += 1;
      else if (seen.kind === 'claimed') counts.absent += 1;
      else if (seen.kind !== 'completed') counts.behind += 1;
      else if (seen.response.kind === 'full' && bodyOf(key).equals(seen.response.body)) counts.right += 1;
      else counts.wrong += 1;
    }
    // A damaged list of free pages shows when they are used.
    for (let n = 0; n < NEW_KEYS; n += 1) {
      const key = `new-${pass}-${n}`;
      const request = requestOf(1000, { lease: 60, retain: 3600, unknownRetain: 3600 });
      const result = await store.claim(key, request).catch(unavailable);
      if (result === 'unavailable' || result.kind !== 'claimed') continue;
      const claim = { recordKey: key, owner: request.owner, token: result.token };
      await store.complete(claim, { ...FULL, body: bodyOf(key) }, 3_600_000).catch(unavailable);
    }
  }
  await store.close().catch(() => undefined);
  return { opened: 'yes', message: '', ...counts };
}

function unavailable(error: unknown): 'unavailable' {
  if (error instanceof StoreUnavailable) return 'unavailable';
  throw error;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [path = '', keys = ''] = line.split(' ');
  process.stdout.write(`${JSON.stringify(await look(path, keys.split(',')))}\n`);
}
