import { describe, expect, it } from 'vitest';
import type { WriteResult } from '../../src/core/record.ts';
import { claim } from '../../src/engine/claim.ts';
import { createSettler } from '../../src/engine/settler.ts';
import { type Store, StoreUnavailable } from '../../src/store/contract.ts';
import { guardStore } from '../../src/store/guard.ts';
import { contextWith } from './context.ts';

/** What a store that is down costs in the background. */

describe('claims while the store is down', () => {
  it('start a background release only where the claim may have reached the store', async () => {
    let sent = 0;
    const releases: string[] = [];
    const down = {
      kind: 'redis',
      claim: async () => {
        sent += 1;
        throw new StoreUnavailable('connection', 'down');
      },
      // A claim is all that is asked of it.
    } as unknown as Store;
    const store = guardStore(down, { deadlineMs: 60_000, monotonicMs: () => 0 });
    const context = contextWith({
      store,
      monotonicMs: () => 0,
      newOwner: () => 'owner',
      settler: { releaseOwner: (recordKey: string) => releases.push(recordKey) },
    });

    const kinds = new Set<string>();
    for (let n = 0; n < 1_000; n += 1)
      kinds.add((await claim(context, [`k${n}`], 'digest', Buffer.from('body'))).kind);

    expect([...kinds]).toEqual(['down']);
    expect(releases.length).toBe(sent);
    expect(sent).toBeLessThan(20);
  });

  it('that were never sent do not stand in the way of a settlement that failed once', async () => {
    const settler = createSettler({
      store: { releaseOwner: () => new Promise(() => undefined) },
      monotonicMs: () => 0,
      onGivenUp: () => undefined,
      pause: async (ms) => {
        // The settle wait does not end; every other pause is a turn of the event loop.
        await new Promise<void>((resolve) => (ms > 100_000 ? undefined : setImmediate(resolve)));
      },
    });
    for (let n = 0; n < 12_000; n += 1) settler.releaseOwner(`k${n}`, 'owner', 15_000);
    let tries = 0;

    const result = await settler.settle({
      write: async (): Promise<WriteResult> => {
        tries += 1;
        if (tries < 3) throw new StoreUnavailable('connection', 'down');
        return 'ok';
      },
      leaseMs: 15_000,
      settleWaitMs: 1_000_000,
      onLost: () => undefined,
      onEnd: () => undefined,
    });

    expect([result, tries, settler.pending()]).toEqual(['ok', 3, 0]);
  });
});
