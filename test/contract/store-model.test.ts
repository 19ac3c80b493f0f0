import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ClaimRequest, ClaimResult, StoredResponse } from '../../src/core/record.ts';
import { unreachable } from '../../src/core/unreachable.ts';
import { FULL } from './harness.ts';
import { lmdbSubject, memorySubject, type Subject } from './model-subjects.ts';
import { type ModelClaim, StoreModel } from './store-model.ts';

const UNIT_MS = 1000;
const KEYS = ['key-a', 'key-b', 'key-c'] as const;

type Step =
  | {
      readonly do: 'claim';
      readonly key: string;
      readonly state: 'claimed' | 'dispatched';
      readonly lease: number;
      readonly sender: 'new' | 'last';
    }
  | { readonly do: 'dispatch' | 'release' | 'releaseOwner' | 'park' | 'reseal'; readonly pick: number }
  | { readonly do: 'renew'; readonly pick: number; readonly lease: number }
  | { readonly do: 'complete'; readonly pick: number; readonly retain: number }
  | { readonly do: 'resolve'; readonly pick: number; readonly to: 'completed' | 'released' | 'restarted' }
  | { readonly do: 'forget'; readonly key: string; readonly how: 'settled-only' | 'forced' }
  | { readonly do: 'advance'; readonly units: number }
  | { readonly do: 'sweep' }
  | { readonly do: 'reopen' }
  | { readonly do: 'reboot'; readonly units: number };

const key = fc.constantFrom(...KEYS);
/** Which of the claims ever granted: mostly the last ones, but old ones too. */
const pick = fc.nat(5);
const lease = fc.integer({ min: 1, max: 3 });
const units = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 0, max: 4 }) },
  { weight: 1, arbitrary: fc.constant(61) },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('claim' as const),
      key,
      lease,
      state: fc.constantFrom('claimed' as const, 'dispatched' as const),
      sender: fc.constantFrom('new' as const, 'new' as const, 'last' as const),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom(...(['dispatch', 'release', 'releaseOwner', 'park', 'reseal'] as const)),
      pick,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('renew' as const), pick, lease }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('complete' as const),
      pick,
      retain: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('resolve' as const),
      pick,
      to: fc.constantFrom('completed' as const, 'released' as const, 'restarted' as const),
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
  { weight: 4, arbitrary: fc.record({ do: fc.constant('advance' as const), units }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reboot' as const), units }) },
);

class Run {
  readonly #subject: Subject;
  readonly #model = new StoreModel();
  readonly #claims: ModelClaim[] = [];
  readonly #requests: ClaimRequest[] = [];
  #lastToken = 0;
  #bodies = 0;

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  async take(next: Step): Promise<void> {
    const store = this.#subject.store();
    const model = this.#model;
    switch (next.do) {
      case 'claim':
        return this.#claim(next);
      case 'forget':
        expect(await store.forget(next.key, next.how)).toBe(model.forget(next.key, next.how));
        return;
      case 'advance':
        this.#subject.advance(next.units * UNIT_MS);
        model.nowMs += next.units * UNIT_MS;
        return;
      case 'sweep':
        await store.sweep(10);
        return;
      case 'reopen':
        return this.#subject.reopen();
      case 'reboot': {
        // A millisecond more: tokens given at one instant run ahead of the clock, and time goes on from the last one.
        const ms = next.units * UNIT_MS + 1;
        if ((await this.#subject.reboot(ms)) === 'ended') model.reboot(ms);
        return;
      }
      default:
        return this.#write(next);
    }
  }

  /** Every key must look the same from outside. */
  async compare(): Promise<void> {
    for (const recordKey of KEYS) {
      const view = await this.#subject.store().inspect(recordKey);
      const seen =
        view === null
          ? null
          : {
              state: view.state,
              token: view.token,
              expiresInMs: view.expiresInMs,
              body: bodyOf(view.response),
              note: view.note === null ? null : Buffer.from(view.note).toString(),
            };
      expect(seen).toEqual(this.#model.view(recordKey));
    }
  }

  async #claim(next: Extract<Step, { do: 'claim' }>): Promise<void> {
    const last = this.#requests.at(-1);
    const request: ClaimRequest = {
      owner: next.sender === 'last' && last !== undefined ? last.owner : `owner-${this.#requests.length}`,
      fingerprint: `fingerprint-${this.#requests.length}`,
      policyId: 'policy',
      leaseMs: next.lease * UNIT_MS,
      retainMs: 3 * UNIT_MS,
      unknownRetainMs: 6 * UNIT_MS,
      state: next.state,
      note: this.#requests.length % 2 === 0 ? null : Buffer.from(`note ${this.#requests.length}`),
    };
    const expected = this.#model.claim(next.key, request);
    const result = await this.#subject.store().claim(next.key, request);
    if (result.kind !== 'claimed' || expected.kind !== 'claimed') {
      expect(comparableAnswer(result)).toEqual(expected);
      return;
    }
    expect(result.attempt).toBe(expected.attempt);
    if (expected.resent === 'resent') {
      expect(result.token).toBe(this.#model.records.get(next.key)?.token);
      // The stored fingerprint stays the first one's.
      const fingerprint = this.#model.records.get(next.key)?.fingerprint ?? '';
      this.#model.grant(next.key, { ...request, fingerprint }, result.token, result.attempt, 'resent');
      return;
    }
    expect(result.token).toBeGreaterThan(this.#lastToken);
    this.#lastToken = result.token;
    this.#requests.push(request);
    this.#claims.push({ key: next.key, owner: request.owner, token: result.token });
    this.#model.grant(next.key, request, result.token, result.attempt, 'new');
  }

  async #write(
    next: Exclude<Step, { do: 'claim' | 'forget' | 'advance' | 'sweep' | 'reopen' | 'reboot' }>,
  ): Promise<void> {
    const held = this.#claims.at(-1 - (next.pick % Math.max(1, this.#claims.length)));
    if (held === undefined) return;
    const store = this.#subject.store();
    const claim = { recordKey: held.key, owner: held.owner, token: held.token };
    switch (next.do) {
      case 'dispatch':
        expect(await store.dispatch(claim)).toBe(this.#model.dispatch(held));
        return;
      case 'renew':
        expect(await store.renew(claim, next.lease * UNIT_MS)).toBe(
          this.#model.renew(held, next.lease * UNIT_MS),
        );
        return;
      case 'complete': {
        const body = this.#newBody();
        expect(await store.complete(claim, withBody(body), next.retain * UNIT_MS)).toBe(
          this.#model.complete(held, body, next.retain * UNIT_MS),
        );
        return;
      }
      case 'release':
        expect(await store.release(claim, 1500)).toBe(this.#model.release(held, 1500));
        return;
      case 'releaseOwner':
        expect(await store.releaseOwner(held.key, held.owner)).toBe(
          this.#model.releaseOwner(held.key, held.owner),
        );
        return;
      case 'park':
        expect(await store.park(claim, 'reset')).toBe(this.#model.park(held, 'reset'));
        return;
      case 'reseal': {
        const wanted = this.#model.reseal(held.key, held.token, 'resealed');
        return expect(await store.reseal(held.key, held.token, withBody('resealed'))).toBe(wanted);
      }
      case 'resolve': {
        const body = this.#newBody();
        const to =
          next.to === 'completed'
            ? { kind: next.to, response: withBody(body), retainMs: 2 * UNIT_MS }
            : { kind: next.to, quietMs: 0 };
        expect(await store.resolve(held.key, held.token, to)).toBe(
          this.#model.resolve(held.key, held.token, next.to, body, 2 * UNIT_MS),
        );
        return;
      }
      default:
        return unreachable(next);
    }
  }

  #newBody(): string {
    this.#bodies += 1;
    return `body ${this.#bodies}`;
  }
}

function comparableAnswer(result: ClaimResult): object {
  switch (result.kind) {
    case 'claimed':
      return result;
    case 'inFlight':
      return {
        kind: result.kind,
        token: result.token,
        fingerprint: result.fingerprint,
        leaseLeftMs: result.leaseLeftMs,
      };
    case 'completed':
      return {
        kind: result.kind,
        token: result.token,
        fingerprint: result.fingerprint,
        body: bodyOf(result.response),
      };
    case 'unknown':
      return {
        kind: result.kind,
        token: result.token,
        fingerprint: result.fingerprint,
        reason: result.reason,
        unknownForMs: result.unknownForMs,
      };
    default:
      return unreachable(result);
  }
}

function withBody(body: string): StoredResponse {
  return { ...FULL, body: Buffer.from(body) };
}

function bodyOf(response: StoredResponse | null): string | null {
  return response?.kind === 'full' ? Buffer.from(response.body).toString() : null;
}

describe.each([
  ['memory', memorySubject, 500],
  ['lmdb', lmdbSubject, 80],
] as const)('the %s store', (_name, openSubject, numRuns) => {
  test('does what the model of the state machine does, whatever the order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const subject = await openSubject();
        try {
          const run = new Run(subject);
          for (const next of steps) {
            await run.take(next);
            await run.compare();
          }
        } finally {
          await subject.close();
        }
      }),
      { numRuns },
    );
  }, 60_000);
});
