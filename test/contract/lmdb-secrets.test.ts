import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { adoptSecrets, loadOrCreateSecret } from '../../src/store/lmdb/secret.ts';
import { openStore } from '../../src/store/open.ts';
import { cleanUp, closeAll, newDirectory, openAt, TestClock } from './lmdb-support.ts';

/** Under a secret that the records were not made with, every repeat would be another record, and executed again. */

const OLD = Buffer.alloc(32, 1);
const NEW = Buffer.alloc(32, 2);

afterEach(cleanUp);

async function withRecords(path: string): Promise<void> {
  await openAt(path, new TestClock());
  await closeAll();
}

describe('configured secrets of an lmdb store', () => {
  test('are refused where the records were made with another one, and taken with it', async () => {
    const path = newDirectory();
    expect(await adoptSecrets(path, [OLD], ['old'])).toEqual([OLD]);
    await withRecords(path);

    await expect(adoptSecrets(path, [NEW], ['new'])).rejects.toThrow(/another secret/);

    expect(await adoptSecrets(path, [NEW, OLD], ['new', 'old'])).toEqual([NEW, OLD]);
    expect(await adoptSecrets(path, [NEW], ['new'])).toEqual([NEW]);
    await expect(adoptSecrets(path, [OLD], ['old'])).rejects.toThrow(/another secret/);
  });

  test('cannot be left out once records were made with them', async () => {
    const path = newDirectory();
    await adoptSecrets(path, [OLD], ['old']);
    await withRecords(path);

    await expect(loadOrCreateSecret(path)).rejects.toThrow(/a secret of the configuration/);
  });

  test('come before the own one of the store, whose records are still found', async () => {
    const path = newDirectory();
    const own = await loadOrCreateSecret(path);
    await withRecords(path);

    expect(await adoptSecrets(path, [NEW], ['new'])).toEqual([NEW, own]);
    expect(await adoptSecrets(path, [NEW], ['new'])).toEqual([NEW, own]);
  });

  test('leave no repeat of an earlier record without it', async () => {
    const path = newDirectory();
    const spec = { kind: 'lmdb', path, durability: 'commit', bytesMax: 64 * 1024 * 1024 } as const;
    const options = {
      ...{ spec, commandTimeoutMs: 1000, randomBytes, warn: () => undefined },
      wallMs: () => Date.parse('2026-11-25'),
      monotonicMs: () => performance.now(),
    };
    const before = await openStore({ ...options, secrets: [] });
    await before.store.close();

    const after = await openStore({ ...options, secrets: ['0123456789abcdefghijklmnopqrstuv'] });
    await after.store.close();

    expect(after.secrets).toHaveLength(2);
    expect(after.secrets.at(-1)).toEqual(before.secrets[0]);
  });

  test('are free to change while there are no records', async () => {
    const path = newDirectory();
    await adoptSecrets(path, [OLD], ['old']);

    expect(await adoptSecrets(path, [NEW], ['new'])).toEqual([NEW]);
    const other = newDirectory();
    await adoptSecrets(other, [OLD], ['old']);
    const own = await loadOrCreateSecret(other);
    await withRecords(other);
    expect(await loadOrCreateSecret(other)).toEqual(own);
  });

  test('are adopted once by processes that start together', async () => {
    const path = newDirectory();

    const all = await Promise.all(Array.from({ length: 10 }, () => adoptSecrets(path, [OLD], ['old'])));

    expect(all).toEqual(Array.from({ length: 10 }, () => [OLD]));
  });
});
