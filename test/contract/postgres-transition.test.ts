import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Claim, ClaimRequest, StoredResponse } from '../../src/core/record.ts';
import { unreachable } from '../../src/core/unreachable.ts';
import type { Store } from '../../src/store/contract.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { type PostgresClock, takeClock } from '../support/postgres-clock.ts';
import { postgresOptions } from '../support/postgres-opener.ts';
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts';
import { FULL, requestOf } from './harness.ts';

/**
 * The statements against the pure state machine (through the memory store, which is nothing else), under one clock.
 */

const UNIT_MS = 1000;
const KEYS = ['a', 'b'] as const;

let server: PostgresServer;
let postgres: Store;
let clock: PostgresClock;
let runs = 0;

beforeAll(async () => {
  // Nothing here outlives the server: it need not wait for its disk.
  server = await startPostgresServer({
    config: { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' },
  });
  clock = await takeClock(server);
  const opened = await openPostgresStore(
    postgresOptions(server.url, { acceptLoss: 'accept', commandTimeoutMs: 5000 }),
  );
  postgres = opened.store;
});

afterAll(async () => {
  await postgres.close();
  await server.remove();
});

type Step =
  | {
      readonly do: 'claim';
      readonly key: string;
      readonly state: 'claimed' | 'dispatched';
      readonly lease: number;
      readonly sender: 'new' | 'last';
    }
  | {
      readonly do: 'dispatch' | 'renew' | 'complete' | 'release' | 'releaseOwner' | 'park' | 'reseal';
      readonly pick: number;
    }
  | {
      readonly do: 'resolve';
      readonly pick: number;
      readonly to: 'completed' | 'released' | 'restarted';
      readonly quiet: number;
    }
  | { readonly do: 'forget'; readonly key: string; readonly how: 'settled-only' | 'forced' }
  | { readonly do: 'advance'; readonly units: number }
  | { readonly do: 'sweep' };

const key = fc.constantFrom(...KEYS);
/** Which of the claims ever granted: mostly the last ones. */
const pick = fc.nat(4);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('claim' as const),
      key,
      lease: fc.integer({ min: 1, max: 3 }),
      state: fc.constantFrom('claimed' as const, 'dispatched' as const),
      sender: fc.constantFrom('new' as const, 'new' as const, 'last' as const),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...(['dispatch', 'renew', 'complete', 'release', 'releaseOwner', 'park', 'reseal'] as const),
      ),
      pick,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('resolve' as const),
      pick,
      to: fc.constantFrom('completed' as const, 'released' as const, 'restarted' as const),
      quiet: fc.integer({ min: 0, max: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('forget' as const),
      key,
      how: fc.constantFrom('settled-only' as const, 'forced' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      units: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constant(61)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
);

/** The same claim in both stores, which give it different tokens. */
type Pair = { readonly memory: Claim; readonly postgres: Claim };

class Twins {
  readonly #memory = createMemoryStore({ clock, bytesMax: 1e8 });
  readonly #run = runs++;
  readonly #pairs: Pair[] = [];
  #last: ClaimRequest | null = null;
  #count = 0;

  async take(next: Step): Promise<void> {
    switch (next.do) {
      case 'claim':
        return this.#claim(next);
      case 'forget':
        return this.#same(this.#keyOf(next.key), (store, recordKey) => store.forget(recordKey, next.how));
      case 'advance':
        await clock.advance(next.units * UNIT_MS);
        return;
      case 'sweep':
        // How many is each store's own affair; what can be seen afterwards is not.
        await Promise.all([this.#memory.sweep(100), postgres.sweep(100)]);
        return;
      default:
        return this.#write(next);
    }
  }

  async compare(): Promise<void> {
    for (const name of KEYS)
      await this.#same(this.#keyOf(name), (store, recordKey) => store.inspect(recordKey));
  }

  #keyOf(name: string): string {
    return `run-${this.#run}-${name}`;
  }

  async #claim(next: Extract<Step, { do: 'claim' }>): Promise<void> {
    this.#count += 1;
    const owner = next.sender === 'last' ? this.#last?.owner : undefined;
    const request = requestOf(UNIT_MS, {
      owner: owner ?? `owner-${this.#count}`,
      fingerprint: `fingerprint-${this.#count}`,
      lease: next.lease,
      retain: 3,
      unknownRetain: 6,
      state: next.state,
      note: this.#count % 2 === 0 ? null : Buffer.from(`note ${this.#count}`),
    });
    const recordKey = this.#keyOf(next.key);
    const [here, there] = [
      await this.#memory.claim(recordKey, request),
      await postgres.claim(recordKey, request),
    ];
    if (here.kind === 'claimed' && there.kind === 'claimed') {
      const pair = {
        memory: { recordKey, owner: request.owner, token: here.token },
        postgres: { recordKey, owner: request.owner, token: there.token },
      };
      const former = this.#pairs.filter(({ postgres: claim }) => claim.recordKey === recordKey).at(-1);
      if (former === undefined || former.memory.token < here.token) {
        expect(there.token).toBeGreaterThan(former?.postgres.token ?? 0);
        this.#pairs.push(pair);
        this.#last = request;
      }
    }
    expect(this.#named(recordKey, there, 'postgres')).toEqual(this.#named(recordKey, here, 'memory'));
  }

  async #write(next: Exclude<Step, { do: 'claim' | 'forget' | 'advance' | 'sweep' }>): Promise<void> {
    const pair = this.#pairs.at(-1 - (next.pick % Math.max(1, this.#pairs.length)));
    if (pair === undefined) return;
    this.#count += 1;
    const response: StoredResponse = { ...FULL, body: Buffer.from(`body ${this.#count}`) };
    await this.#same(pair.memory.recordKey, (store) => {
      const claim = pair[store === postgres ? 'postgres' : 'memory'];
      switch (next.do) {
        case 'dispatch':
          return store.dispatch(claim);
        case 'renew':
          return store.renew(claim, 2 * UNIT_MS);
        case 'complete':
          return store.complete(claim, response, 2 * UNIT_MS);
        case 'release':
          return store.release(claim, 1500);
        case 'releaseOwner':
          return store.releaseOwner(claim.recordKey, claim.owner);
        case 'park':
          return store.park(claim, `reason ${this.#count}`);
        case 'reseal':
          return store.reseal(claim.recordKey, claim.token, response);
        case 'resolve':
          return store.resolve(
            claim.recordKey,
            claim.token,
            next.to === 'completed'
              ? { kind: 'completed', response, retainMs: 2 * UNIT_MS }
              : next.to === 'released'
                ? { kind: 'released', quietMs: next.quiet * UNIT_MS }
                : { kind: 'restarted' },
          );
        default:
          return unreachable(next);
      }
    });
  }

  async #same(recordKey: string, ask: (store: Store, recordKey: string) => Promise<unknown>): Promise<void> {
    const [here, there] = [await ask(this.#memory, recordKey), await ask(postgres, recordKey)];
    expect(this.#named(recordKey, there, 'postgres')).toEqual(this.#named(recordKey, here, 'memory'));
  }

  /** With the number of the claim in place of its token. */
  #named(recordKey: string, result: unknown, which: 'memory' | 'postgres'): unknown {
    if (typeof result !== 'object' || result === null || !('token' in result)) return result;
    const number = this.#pairs.findLastIndex(
      ({ [which]: claim }) => claim.recordKey === recordKey && claim.token === result.token,
    );
    return { ...result, token: `claim ${number}` };
  }
}

it('the statements do what the state machine does, whatever the order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const twins = new Twins();
      for (const next of steps) {
        await twins.take(next);
        await twins.compare();
      }
    }),
    { numRuns: 80 },
  );
}, 120_000);
