import { expect, it } from 'vitest';
import type { RecordKey, StoredResponse, WriteResult } from '../../src/core/record.ts';
import { createResealer } from '../../src/engine/resealer.ts';
import { StoreUnavailable } from '../../src/store/contract.ts';

/** Off the request's path, bounded, and never louder than the store that fails it. */

const FORM: StoredResponse = { kind: 'sealed', bytes: Buffer.from('newer') };

function bench(reseal: (recordKey: RecordKey) => Promise<WriteResult>) {
  const asked: RecordKey[] = [];
  const ended: string[] = [];
  const defects: unknown[] = [];
  const resealer = createResealer({
    store: {
      reseal: (recordKey) => {
        asked.push(recordKey);
        return reseal(recordKey);
      },
    },
    onEnded: (result) => ended.push(result),
    onError: (error) => defects.push(error),
  });
  const idle = async (): Promise<void> => {
    while (resealer.pending() > 0) await new Promise((resolve) => setImmediate(resolve));
  };
  return { resealer, asked, ended, defects, idle };
}

it('nothing is sealed or written before the caller has gone on', async () => {
  const { resealer, asked, ended, idle } = bench(async () => 'ok');
  let made = 0;

  resealer.offer('a', 7, () => {
    made += 1;
    return FORM;
  });

  expect([made, asked]).toEqual([0, []]);
  await idle();
  expect([made, asked, ended]).toEqual([1, ['a'], ['ok']]);
});

it('a hundred reads of one record write it once, and the next read after that may write again', async () => {
  const { resealer, asked, idle } = bench(async () => 'ok');

  for (let n = 0; n < 100; n += 1) resealer.offer('a', 7, () => FORM);
  await idle();
  resealer.offer('a', 7, () => FORM);
  await idle();

  expect(asked).toEqual(['a', 'a']);
});

it('while the store hangs no more than eight wait, and what found no place is forgotten', async () => {
  const { resealer, asked, ended } = bench(() => new Promise(() => undefined));

  for (let n = 0; n < 1000; n += 1) resealer.offer(`key ${n}`, 7, () => FORM);
  await new Promise((resolve) => setImmediate(resolve));

  expect([resealer.pending(), asked.length, ended.length]).toEqual([8, 8, 0]);
});

it('a store that fails is counted and not told: the next read tries again', async () => {
  const { resealer, ended, defects, idle } = bench(() =>
    Promise.reject(new StoreUnavailable('timeout', 'too slow')),
  );

  resealer.offer('a', 7, () => FORM);
  await idle();

  expect([ended, defects]).toEqual([['failed'], []]);
});

it('a defect is told, and holds no place', async () => {
  const { resealer, ended, defects, idle } = bench(async () => 'ok');
  const defect = new Error('no such cipher');

  resealer.offer('a', 7, () => {
    throw defect;
  });
  await idle();

  expect([ended, defects, resealer.pending()]).toEqual([['failed'], [defect], 0]);
});
