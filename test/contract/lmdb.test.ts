import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { open } from 'lmdb';
import { afterEach, describe, expect, test } from 'vitest';
import { loadOrCreateSecret } from '../../src/store/lmdb/secret.ts';
import { systemClock } from '../../src/store/lmdb/system-clock.ts';
import { FULL, granted, newRecordKey, requestOf } from './harness.ts';
import { cleanUp, closeAll, newDirectory, openAt, TestClock } from './lmdb-support.ts';
import { storeContract } from './store-contract.ts';

afterEach(cleanUp);

for (const durability of ['commit', 'fsync'] as const) {
  storeContract(`lmdb (${durability})`, async () => {
    const path = newDirectory();
    const clock = new TestClock();
    const store = await openAt(path, clock, { durability });
    return {
      store,
      unitMs: 1000,
      advance: async (ms) => {
        clock.uptimeMs += ms;
      },
      reopen: async () => {
        await closeAll();
        return openAt(path, clock, { durability });
      },
      second: () => openAt(path, clock, { durability }),
      expiry: 'by-sweep',
      cleanup: cleanUp,
    };
  });
}

describe('a full lmdb store', () => {
  test('refuses new claims, answers replays, and has room again after a sweep', async () => {
    const clock = new TestClock();
    const store = await openAt(newDirectory(), clock, { bytesMax: 512 * 1024 });
    const kept = await granted(store, newRecordKey(), requestOf(1000));
    await store.complete(kept.claim, FULL, 3_600_000);
    let refusal: unknown = null;
    for (let i = 0; i < 200 && refusal === null; i += 1) {
      try {
        const { claim } = await granted(store, newRecordKey(), requestOf(1000));
        await store.complete(claim, { ...FULL, body: Buffer.alloc(32 * 1024) }, 10_000);
      } catch (error) {
        refusal = error;
      }
    }
    expect(refusal).toMatchObject({ reason: 'full' });
    await expect(store.ping()).rejects.toMatchObject({ reason: 'full' });
    expect((await store.claim(kept.claim.recordKey, requestOf(1000))).kind).toBe('completed');

    clock.uptimeMs += 11_000;

    expect((await store.claim(newRecordKey(), requestOf(1000))).kind).toBe('claimed');
    expect((await store.claim(kept.claim.recordKey, requestOf(1000))).kind).toBe('completed');
  });
});

describe('opening an lmdb store', () => {
  test('a file in place of the directory is refused with what to do', async () => {
    const path = join(newDirectory(), 'file');
    writeFileSync(path, 'x');

    await expect(openAt(path, new TestClock())).rejects.toThrow(
      /store path .* cannot be used: .*give the process a directory/s,
    );
  });

  test.each([
    ['no store', Buffer.alloc(64 * 1024, 'not a store ')],
    ['a page of zeros', Buffer.alloc(8192)],
    ['a few bytes', Buffer.from('LMDB')],
  ])('a data file of %s is refused with what to do', async (_name, content) => {
    const path = newDirectory();
    writeFileSync(join(path, 'data.mdb'), content);

    await expect(openAt(path, new TestClock())).rejects.toThrow(/cannot open the store .*restore a copy/s);
  });

  test('a newer format is refused with its version', async () => {
    const path = newDirectory();
    const root = open({ path, noSubdir: false, encoding: 'binary', overlappingSync: false });
    await root.openDB({ name: 'meta', encoding: 'binary' }).put('format', Buffer.from('2'));
    await root.close();

    await expect(openAt(path, new TestClock())).rejects.toThrow(
      /has format 2, this program writes 1; run the version that wrote it/,
    );
  });

  test('a file cut short is an error, not the end of the process', async () => {
    const path = newDirectory();
    const clock = new TestClock();
    const store = await openAt(path, clock);
    const keys = Array.from({ length: 50 }, newRecordKey);
    for (const key of keys) {
      const { claim } = await granted(store, key, requestOf(1000));
      await store.complete(claim, { ...FULL, body: Buffer.alloc(16 * 1024, 7) }, 3_600_000);
    }
    await store.close();
    const file = join(path, 'data.mdb');
    truncateSync(file, Math.floor(statSync(file).size / 2));

    const outcomes = await openAt(path, clock).then(
      (cut) =>
        Promise.all(
          keys.map((key) =>
            cut.claim(key, requestOf(1000)).then(
              (result) => result.kind,
              () => 'error',
            ),
          ),
        ),
      () => ['error'],
    );

    // A record may be whole or an error; never a body that is not the first one's.
    expect(outcomes).toContain('error');
  });

  test('a record with a flipped bit is unavailable, never served and never absent', async () => {
    const path = newDirectory();
    const clock = new TestClock();
    const store = await openAt(path, clock);
    const { claim } = await granted(store, newRecordKey(), requestOf(1000));
    await store.complete(claim, { ...FULL, body: Buffer.from('a body that is easy to find') }, 3_600_000);
    await store.close();
    const file = join(path, 'data.mdb');
    const bytes = readFileSync(file);
    for (let at = bytes.indexOf('easy to find'); at !== -1; at = bytes.indexOf('easy to find', at + 1))
      bytes[at] = 0x45;
    writeFileSync(file, bytes);

    const reopened = await openAt(path, clock);

    await expect(reopened.claim(claim.recordKey, requestOf(1000))).rejects.toMatchObject({
      reason: 'corrupt',
    });
  });

  test('a directory that cannot be written is refused with what to do', async ({ skip }) => {
    if (process.getuid?.() === 0) return skip('root may write anywhere');
    const path = newDirectory();
    chmodSync(path, 0o500);

    await expect(openAt(path, new TestClock())).rejects.toThrow(
      /cannot be used: .*give the process a directory/s,
    );
  });
});

describe('the secret beside the environment', () => {
  test('is made once, with 32 bytes that only the owner can read', async () => {
    const path = newDirectory();

    const first = await loadOrCreateSecret(path);
    const second = await loadOrCreateSecret(path);

    expect(first).toHaveLength(32);
    expect(Buffer.compare(first, second)).toBe(0);
    expect(statSync(join(path, 'hmac-secret')).mode & 0o777).toBe(0o600);
  });

  test('is the same for all who race for it', async () => {
    const path = join(newDirectory(), 'made', 'on', 'the', 'way');

    const secrets = await Promise.all(Array.from({ length: 20 }, () => loadOrCreateSecret(path)));

    expect(new Set(secrets.map((secret) => Buffer.from(secret).toString('hex'))).size).toBe(1);
  });

  test('is never replaced when it is damaged', async () => {
    const path = newDirectory();
    writeFileSync(join(path, 'hmac-secret'), 'short');

    await expect(loadOrCreateSecret(path)).rejects.toThrow(/must have 32 bytes; restore it/);
  });

  test('is never made anew for records that had another', async () => {
    const path = newDirectory();
    await (await openAt(path, new TestClock())).close();

    await expect(loadOrCreateSecret(path)).rejects.toThrow(
      /restore it, configure it, or remove the directory/,
    );
  });
});

describe('an lmdb store that another process writes to', () => {
  test('sees what that process was promised, also within one turn of its own event loop', async () => {
    const path = newDirectory();
    const store = await openAt(path, systemClock());
    const key = newRecordKey();
    const before = await store.inspect(key);

    // Without a turn of this event loop: the driver keeps its view until the next one.
    spawnSync(process.execPath, [join(import.meta.dirname, 'lmdb-worker.ts'), path, 'commit', 'claim', key]);
    const after = await store.inspect(key);
    const claimed = await store.claim(key, requestOf(1000));

    expect([before, after?.state, claimed.kind]).toEqual([null, 'dispatched', 'inFlight']);
  });
});
