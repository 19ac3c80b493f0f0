import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../src/store/contract.ts';
import {
  CELL,
  claimOf,
  completing,
  issue,
  LIFE_MS,
  memory,
  newEpoch,
  over,
  POLICY,
  scheduled,
  send,
} from './sequence-stage.ts';

/** The order of claim, cell and execution, in every order in which the store may hear of them. */

type Event = {
  readonly epoch: number;
  readonly sequence: number;
  readonly what: 'start' | 'done' | 'not-done';
};

const asked = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      epoch: fc.constantFrom(0, 0, 1),
      sequence: fc.constantFrom(0, 0, 0, 1, 1, 2),
      end: fc.constantFrom('done', 'done', 'not-done', 'lost'),
    }),
  },
  { weight: 2, arbitrary: fc.constant('bump' as const) },
);

describe('requests of one producer at many proxies', () => {
  it('are executed one at a time, in order, each completed once, and none of an older epoch after one of a newer', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(asked, { minLength: 2, maxLength: 14 }),
        async (scheduler, asks) => {
          const plain = memory({ nowMs: 1 });
          await issue(plain);
          const store = scheduled(plain, scheduler);
          const events: Event[] = [];

          const all = asks.map(async (one) => {
            if (one === 'bump') return await newEpoch(store);
            const { epoch, sequence, end } = one;
            await send(store, epoch, sequence, async (claimed, token) => {
              events.push({ epoch, sequence, what: 'start' });
              await scheduler.schedule(Promise.resolve(), 'backend');
              // Lost: the process dies here, and its lease lives on.
              if (end === 'lost') return;
              events.push({ epoch, sequence, what: end === 'done' ? 'done' : 'not-done' });
              if (end === 'done') await completing(store)(claimed, token);
              else await store.release(claimOf(claimed, token), null);
            });
          });
          await scheduler.waitFor(Promise.all(all));

          expectOrder(events);
        },
      ),
      { numRuns: 600 },
    );
  });
});

function expectOrder(events: readonly Event[]): void {
  const done = new Set<string>();
  let open: Event | null = null;
  let epoch = 0;
  for (const event of events) {
    const name = `${event.epoch}/${event.sequence}`;
    if (event.what === 'start') {
      expect(open, `${name} began while another was at work`).toBeNull();
      expect(done.has(name), `${name} was executed again`).toBe(false);
      expect(event.epoch).toBeGreaterThanOrEqual(epoch);
      if (event.sequence > 0) expect(done.has(`${event.epoch}/${event.sequence - 1}`)).toBe(true);
      open = event;
      epoch = event.epoch;
    } else {
      open = null;
      if (event.what === 'done') done.add(name);
    }
  }
}

describe('a turn', () => {
  it('is refused once the record of the last one could have expired, though it can be claimed', async () => {
    const clock = { nowMs: 1 };
    const store = memory(clock);
    await issue(store);
    await send(store, 0, 0, completing(store));
    clock.nowMs += POLICY.retainMs + 1;

    const again = await send(store, 0, 0, () => Promise.reject(new Error('executed twice')));
    const next = await send(store, 0, 1, () => Promise.reject(new Error('executed out of order')));

    expect([again.did, next.did]).toEqual(['producer-unknown', 'producer-unknown']);
  });

  it('is refused too when the record expires between the look at the producer and the claim', async () => {
    const clock = { nowMs: 1 };
    const plain = memory(clock);
    await issue(plain);
    await send(plain, 0, 0, completing(plain));
    // Not yet so late that the look alone says so.
    clock.nowMs = POLICY.retainMs * 0.8;
    const store = over(plain, {
      claim: (key, request) => {
        clock.nowMs = POLICY.retainMs + 10;
        return plain.claim(key, request);
      },
    });

    const again = await send(store, 0, 0, () => Promise.reject(new Error('executed twice')));

    expect(again.did).toBe('producer-unknown');
  });

  it('that an older epoch asks for is refused when a newer one has begun between its look and its claim', async () => {
    const plain = memory({ nowMs: 1 });
    await issue(plain);
    await send(plain, 0, 0, (claimed, token) =>
      plain.release(claimOf(claimed, token), null).then(() => undefined),
    );
    let overtaken: 'not-yet' | 'yes' = 'not-yet';
    const store = over(plain, {
      claim: async (key, request) => {
        if (overtaken === 'not-yet') {
          overtaken = 'yes';
          await newEpoch(plain);
          await send(plain, 1, 0, completing(plain));
        }
        return await plain.claim(key, request);
      },
    });

    const late = await send(store, 0, 0, () => Promise.reject(new Error('executed after the newer epoch')));
    const next = await send(plain, 1, 1, completing(plain));

    expect([late.did, next.did]).toEqual(['producer-fenced', 'claimed']);
  });

  it('that somebody else was given meanwhile is given back, for whoever asks next', async () => {
    const plain = memory({ nowMs: 1 });
    await issue(plain);
    const keys: string[] = [];
    const store = over(plain, {
      claim: async (key, request) => {
        keys.push(key);
        await newEpoch(plain);
        return await plain.claim(key, request);
      },
    });

    const fenced = await send(store, 0, 0, () => Promise.reject(new Error('executed under an older epoch')));

    expect(fenced.did).toBe('producer-fenced');
    expect((await plain.inspect(keys[0] ?? ''))?.state).toBe('released');
  });

  it('of one of the last five is never claimed, though its record is gone', async () => {
    const store = memory({ nowMs: 1 });
    await issue(store);
    const keys: string[] = [];
    for (const n of [0, 1, 2])
      await send(store, 0, n, async (claimed, token) => {
        keys.push(claimed.recordKey);
        await completing(store)(claimed, token);
      });
    await store.forget(keys[1] ?? '', 'settled-only');

    const again = await send(store, 0, 1, () => Promise.reject(new Error('executed twice')));

    expect(again.did).toBe('sequence-too-old');
  });

  it('that the cell has lost and the record has not is caught up with by its repeat', async () => {
    const store = memory({ nowMs: 1 });
    await issue(store);
    await send(store, 0, 0, completing(store));
    const before = await store.cells.read(CELL);
    await send(store, 0, 1, completing(store));
    const lost = await store.cells.read(CELL);
    await store.cells.write(CELL, {
      expectedVersion: lost.version,
      value: before.value,
      lifeMs: LIFE_MS,
      wakes: 'nobody',
    });

    const early = await send(store, 0, 2, completing(store));
    const again = await send(store, 0, 1, () => Promise.reject(new Error('executed twice')));
    const next = await send(store, 0, 2, completing(store));

    expect([early.did, again.did, next.did]).toEqual(['sequence-gap', 'completed', 'claimed']);
  });

  it('of a producer whose cell cannot be read is refused, even where any is accepted', async () => {
    const store = memory({ nowMs: 1 });
    await store.cells.write(CELL, {
      expectedVersion: 0,
      value: Buffer.from('[2]'),
      lifeMs: LIFE_MS,
      wakes: 'nobody',
    });

    expect((await send(store, 0, 0, completing(store), 'accept')).did).toBe('producer-unknown');
    expect((await send(memory({ nowMs: 1 }), 0, 0, async () => undefined, 'accept')).did).toBe('claimed');
  });

  it('is given back when the cell cannot be written, and is there again afterwards', async () => {
    const plain = memory({ nowMs: 1 });
    await issue(plain);
    const failing = over(plain, {
      cells: { ...plain.cells, write: () => Promise.reject(new StoreUnavailable('timeout', 'late')) },
    });

    const first = await send(failing, 0, 0, () => Promise.reject(new Error('executed without its turn')));
    const again = await send(plain, 0, 0, completing(plain));

    expect([first.did, again.did]).toEqual(['store-unavailable', 'claimed']);
  });

  it('that was written though its reply was lost goes on as the last one', async () => {
    const plain = memory({ nowMs: 1 });
    await issue(plain);
    const losing = over(plain, {
      cells: {
        ...plain.cells,
        write: async (key, write) => {
          await plain.cells.write(key, write);
          throw new StoreUnavailable('timeout', 'late');
        },
      },
    });

    const first = await send(losing, 0, 0, () => Promise.reject(new Error('executed without its turn')));
    const next = await send(plain, 0, 1, completing(plain));
    const again = await send(plain, 0, 0, completing(plain));

    expect([first.did, next.did, again.did]).toEqual(['store-unavailable', 'sequence-gap', 'claimed']);
  });
});
