import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import { FULL, granted, newRecordKey, requestOf, responseOf } from './harness.ts';
import { cleanUp, closeAll, newDirectory, openAt, TestClock } from './lmdb-support.ts';

const PAGE_BYTES = 4096;
const HEAD_BYTES = 24;
const [BRANCH, LEAF] = [1, 2];

afterEach(cleanUp);

async function completed(store: Store, key = newRecordKey(), retainMs = 3_600_000): Promise<string> {
  const { claim } = await granted(store, key, requestOf(1000, { retain: retainMs / 1000 }));
  await store.complete(claim, FULL, retainMs);
  return key;
}

type Written = { readonly path: string; readonly clock: TestClock; readonly keys: readonly string[] };

async function written(records: number): Promise<Written> {
  const path = newDirectory();
  const clock = new TestClock();
  const store = await openAt(path, clock);
  const keys = Array.from({ length: records }, newRecordKey);
  for (const key of keys) await completed(store, key);
  await closeAll();
  return { path, clock, keys };
}

/** Changes the data file while nobody has it open. */
function damage(path: string, change: (bytes: Buffer) => void): void {
  const file = join(path, 'data.mdb');
  const bytes = readFileSync(file);
  change(bytes);
  writeFileSync(file, bytes);
}

/** Where the text stands in the newest version of a leaf: the one that the trees point at. */
function everyPlace(bytes: Buffer, text: string, change: (at: number) => void): void {
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) change(at);
}

function pagesOf(bytes: Buffer, kind: number | undefined): readonly number[] {
  const pages = Array.from({ length: bytes.length / PAGE_BYTES }, (_, page) => page * PAGE_BYTES);
  return pages.filter((at) => bytes.readUInt16LE(at + 18) === kind);
}

describe('a damaged lmdb file is refused at start, with what to do', () => {
  test.each<readonly [string, (bytes: Buffer, keys: readonly string[]) => void, RegExp]>([
    [
      'a record under another key',
      (bytes, [key = '']) =>
        everyPlace(bytes, key, (at) => {
          // In the tree of records alone: the index has the key behind its time.
          if (bytes[at - 1] !== 0 || bytes[at - 2] !== 0) bytes[at + 40] = (bytes[at + 40] ?? 0) ^ 1;
        }),
      /not in the index|out of order/,
    ],
    [
      'branches that point outside of the file',
      (bytes) => {
        for (const at of pagesOf(bytes, BRANCH)) {
          const node = at + HEAD_BYTES + bytes.readUInt16LE(at + HEAD_BYTES);
          bytes.writeUInt32LE(0x00ff_ffff, node);
        }
      },
      /is not one of the store/,
    ],
    [
      'leaves that lost their last entry',
      (bytes) => {
        for (const at of pagesOf(bytes, LEAF)) {
          const lower = bytes.readUInt16LE(at + 20);
          if (lower > 4) bytes.writeUInt16LE(lower - 2, at + 20);
        }
      },
      /entries of/,
    ],
    [
      'the tree of records under another name',
      (bytes) => everyPlace(bytes, 'records\0', (at) => bytes.write('recordz', at)),
      /a tree is missing/,
    ],
    [
      'a head that lost the last transaction',
      (bytes) => {
        const newest = bytes.readUInt32LE(152) > bytes.readUInt32LE(PAGE_BYTES + 152) ? 0 : PAGE_BYTES;
        bytes.writeUInt32LE(bytes.readUInt32LE(newest + 152) - 4, newest + 152);
      },
      /heads do not follow one another/,
    ],
    [
      'a page from a transaction that is still to come',
      (bytes) => {
        for (const at of pagesOf(bytes, LEAF)) bytes.writeUInt8(1, at + 13);
      },
      /from a transaction that has not been/,
    ],
    [
      'a tree whose values are said to be many for a key',
      (bytes) => everyPlace(bytes, 'records\0', (at) => bytes.writeUInt16LE(0x04, at + 12)),
      /has the flags 4/,
    ],
    [
      'a clock with a wrong digit',
      (bytes) => everyPlace(bytes, '"timeMs":1', (at) => bytes.write('2', at + 9)),
      /the clock it keeps is not readable/,
    ],
  ])('%s', async (_name, change, reason) => {
    const { path, clock, keys } = await written(300);
    damage(path, (bytes) => change(bytes, keys));

    const opening = openAt(path, clock);

    await expect(opening).rejects.toThrow(reason);
    await expect(opening).rejects.toThrow(/cannot open the store in .*: .*restore a copy/);
  });

  test('a list of free pages with one that is in use', async () => {
    const { path, clock } = await written(300);
    damage(path, (bytes) => {
      const newest = bytes.readUInt32LE(152) > bytes.readUInt32LE(PAGE_BYTES + 152) ? 0 : PAGE_BYTES;
      const root = bytes.readUInt32LE(newest + 88) * PAGE_BYTES;
      const node = root + HEAD_BYTES + bytes.readUInt16LE(root + HEAD_BYTES);
      // The page that holds the list is in use; the list stands behind the node's head, its key and its length.
      bytes.writeBigInt64LE(BigInt(root / PAGE_BYTES), node + 8 + 8 + 8);
    });

    await expect(openAt(path, clock)).rejects.toThrow(/is free and in use/);
  });

  test('a file without damage is not, however often it was written', async () => {
    const { path, clock, keys } = await written(300);
    for (let round = 0; round < 5; round += 1) {
      clock.uptimeMs += 100_000;
      const store = await openAt(path, clock);
      for (let n = 0; n < 50; n += 1) await completed(store, newRecordKey(), 1_000);
      await store.sweep(100);
      await closeAll();
    }

    const store = await openAt(path, clock);

    for (const key of keys) expect(responseOf(await store.claim(key, requestOf(1000)))).toEqual(FULL);
  });
});

describe('a record that cannot be read', () => {
  async function withDamagedHead(): Promise<Written & { readonly store: Store }> {
    const all = await written(20);
    const root = open<Buffer, string>({
      path: all.path,
      noSubdir: false,
      encoding: 'binary',
      overlappingSync: false,
    });
    const records = root.openDB<Buffer, string>('records', { encoding: 'binary' });
    const [key = ''] = all.keys;
    const bytes = Buffer.from(records.get(key) ?? '');
    bytes[30] = (bytes[30] ?? 0) ^ 1;
    await records.put(key, bytes);
    await root.close();
    return { ...all, store: await openAt(all.path, all.clock) };
  }

  test('is neither served nor absent, and hides no other', async () => {
    const { store, keys } = await withDamagedHead();
    const [damaged = '', ...others] = keys;

    await expect(store.claim(damaged, requestOf(1000))).rejects.toMatchObject({ reason: 'corrupt' });
    await expect(store.inspect(damaged)).rejects.toMatchObject({ reason: 'corrupt' });
    for (const key of others) expect(responseOf(await store.claim(key, requestOf(1000)))).toEqual(FULL);
    expect((await store.list(null, { state: null, limit: 100 })).records).toHaveLength(others.length);
  });

  test('stays when all others have expired, and does not keep them', async () => {
    const { store, path, clock, keys } = await withDamagedHead();
    clock.uptimeMs += 7_200_000;

    expect(await store.sweep(100)).toBe(keys.length - 1);

    await expect(store.claim(keys[0] ?? '', requestOf(1000))).rejects.toMatchObject({ reason: 'corrupt' });
    await closeAll();
    expect((await (await openAt(path, clock)).stats()).records).toBe(1);
  });

  test('goes by the word of an operator only', async () => {
    const { store, keys } = await withDamagedHead();
    const [damaged = ''] = keys;

    await expect(store.forget(damaged, 'settled-only')).rejects.toMatchObject({ reason: 'corrupt' });
    expect(await store.forget(damaged, 'forced')).toBe('ok');

    expect((await store.claim(damaged, requestOf(1000))).kind).toBe('claimed');
  });
});

describe('what another version wrote', () => {
  async function rewrite(path: string, tree: string, key: string, value: Buffer): Promise<void> {
    const root = open<Buffer, string>({ path, noSubdir: false, encoding: 'binary', overlappingSync: false });
    await root.openDB<Buffer, string>(tree, { encoding: 'binary' }).put(key, value);
    await root.close();
  }

  test('a newer format is refused with its version before anything else is looked at', async () => {
    const { path, clock } = await written(20);
    await rewrite(path, 'a-tree-of-tomorrow', 'x', Buffer.from('x'));
    await rewrite(path, 'meta', 'format', Buffer.from('2'));

    await expect(openAt(path, clock)).rejects.toThrow(
      /has format 2, this program writes 1; run the version that wrote it, or use another directory/,
    );
  });

  test('a newer record is unavailable by its version, and left as it is', async () => {
    const { path, clock, keys } = await written(3);
    const [key = ''] = keys;
    const newer = Buffer.concat([Buffer.from([99]), Buffer.alloc(300, 7)]);
    await rewrite(path, 'records', key, newer);

    const store = await openAt(path, clock);

    await expect(store.claim(key, requestOf(1000))).rejects.toThrow(
      /its format is version 99, this program knows/,
    );
    await closeAll();
    const root = open<Buffer, string>({ path, noSubdir: false, encoding: 'binary', overlappingSync: false });
    expect(
      Buffer.from(root.openDB<Buffer, string>('records', { encoding: 'binary' }).get(key) ?? ''),
    ).toEqual(newer);
    await root.close();
  });

  test('a clock and a token from before their checksums are read', async () => {
    const { path, clock, keys } = await written(3);
    const base = { bootId: clock.bootId, monotonicMs: 5_000, timeMs: clock.wall, epoch: 1 };
    await rewrite(path, 'meta', 'clock', Buffer.from(JSON.stringify(base)));
    const token = Buffer.alloc(16);
    token.writeDoubleBE((clock.wall + 1_000_000) * 1000, 0);
    token.writeDoubleBE(1, 8);
    await rewrite(path, 'meta', 'token', token);

    const store = await openAt(path, clock);

    expect(responseOf(await store.claim(keys[0] ?? '', requestOf(1000)))).toEqual(FULL);
    const { claim } = await granted(store, newRecordKey(), requestOf(1000));
    expect(claim.token).toBe((clock.wall + 1_000_000) * 1000 + 1);
  });

  test('a token whose checksum does not fit is refused', async () => {
    const { path, clock } = await written(3);
    await rewrite(path, 'meta', 'token', Buffer.alloc(20, 1));

    await expect(openAt(path, clock)).rejects.toThrow(/the last token it keeps cannot be trusted/);
  });
});
