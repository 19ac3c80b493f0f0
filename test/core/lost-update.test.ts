import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readConditions } from '../../src/core/precondition.ts';
import {
  decideWrite,
  type Effect,
  opaqueOf,
  renewed,
  settleStep,
  standingOf,
  UNWRITTEN,
  type Versioned,
} from '../../src/core/resource-version.ts';

/**
 * Clients read and write one resource in every order, holders die and are slow, and the backend makes a write whenever it
 * can still be at work on it. A write that names a version is made only over the content its client has seen.
 */

const LEASE_MS = 10;
const QUIET_MS = 20;
const RETAIN_MS = 200;
const CLIENTS = 3;

type Seen = { readonly tag: string; readonly content: number };

type Client = {
  reading: string | null;
  seen: Seen | null;
  write: Write | null;
};

type Write = {
  readonly owner: string;
  readonly content: number;
  /** The content its condition is about; null: it has none. */
  readonly over: number | null;
  expectedVersion: number;
  next: Versioned;
  phase: 'decided' | 'out';
  /** What its holder may believe of its lease. */
  leaseEndMs: number;
};

/** At the backend, and not made yet. It has given up by `untilMs`; null: by the quiet time after the lease. */
type Late = { readonly write: Write; untilMs: number | null };

type Rules = { readonly quietMs: number; readonly isFenced: boolean };
const RIGHT: Rules = { quietMs: QUIET_MS, isFenced: true };

const steps = fc.array(
  fc.record({
    client: fc.nat(CLIENTS - 1),
    what: fc.oneof(
      { weight: 6, arbitrary: fc.constant('next') },
      { weight: 1, arbitrary: fc.constantFrom('read', 'read-end', 'decide-unconditional', 'make', 'renew') },
      { weight: 1, arbitrary: fc.constantFrom('succeed', 'fail', 'park', 'die', 'wait', 'wait') },
    ),
    ms: fc.constantFrom(1, 4, 9, 11, 21, 31, 190),
  }),
  { minLength: 20, maxLength: 120 },
);

type Step = { readonly client: number; readonly what: string; readonly ms: number };

/** Runs the steps that apply, and tells of the first lost update, and how many conditional writes were made. */
class World {
  made = 0;
  lost: string | null = null;
  #nowMs = 1_000;
  #content = 0;
  #last = 0;
  #owners = 0;
  #cell: { version: number; state: Versioned; expiresAtMs: number } = {
    version: 0,
    state: UNWRITTEN,
    expiresAtMs: 0,
  };
  #lates: Late[] = [];
  readonly #rules: Rules;
  readonly #clients: Client[] = Array.from({ length: CLIENTS }, () => ({
    reading: null,
    seen: null,
    write: null,
  }));

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  step({ client: index, what: asked, ms }: Step): void {
    const client = this.#clients[index];
    if (client === undefined) return;
    const { write } = client;
    const what = asked === 'next' ? this.#next(client) : asked;
    if (what === 'wait') this.#nowMs += ms;
    else if (what === 'read') this.#read(client);
    else if (what === 'read-end') this.#readEnd(client);
    else if (what === 'decide' && write === null && client.seen !== null) this.#decide(client, client.seen);
    else if (what === 'decide-unconditional' && write === null) this.#decide(client, null);
    else if (what === 'commit' && write?.phase === 'decided') this.#commit(client, write);
    else if (what === 'make') this.#make(ms);
    else if (write?.phase === 'out') this.#end(client, write, what);
  }

  /** What a client does that is in luck. */
  #next({ reading, seen, write }: Client): string {
    if (write === null) return reading !== null ? 'read-end' : seen === null ? 'read' : 'decide';
    if (write.phase === 'decided') return 'commit';
    return this.#lates.some((late) => late.write === write) ? 'make' : 'succeed';
  }

  #readEnd(client: Client): void {
    if (client.reading !== null) client.seen = { tag: client.reading, content: this.#content };
    client.reading = null;
  }

  /** An expired cell is absent. */
  #look(): { readonly version: number; readonly state: Versioned } {
    return this.#cell.expiresAtMs > this.#nowMs ? this.#cell : { version: 0, state: UNWRITTEN };
  }

  #write(expectedVersion: number, state: Versioned): boolean {
    if (this.#look().version !== expectedVersion) return false;
    this.#last += 1;
    this.#cell = { version: this.#last, state, expiresAtMs: this.#nowMs + RETAIN_MS };
    return true;
  }

  #read(client: Client): void {
    const standing = standingOf(this.#look().state, this.#nowMs, Number.POSITIVE_INFINITY);
    client.reading = standing.kind === 'settled' ? opaqueOf(standing.version, this.#nowMs) : null;
  }

  #decide(client: Client, seen: Seen | null): void {
    const { version, state } = this.#look();
    this.#owners += 1;
    const owner = this.#owners.toString(16).padStart(32, '0');
    const standing = standingOf(state, this.#nowMs, Number.POSITIVE_INFINITY);
    const decision = decideWrite(
      state,
      standing,
      {
        conditions: readConditions(seen === null ? [] : ['If-Match', `"${seen.tag}"`]),
        owner,
        claim: null,
        leaseMs: LEASE_MS,
        quietMs: this.#rules.quietMs,
        retainMs: RETAIN_MS,
      },
      this.#nowMs,
    );
    // Whoever is refused reads anew.
    if (seen !== null && decision.kind !== 'wait') client.seen = null;
    if (decision.kind !== 'reserve') return;
    client.write = {
      owner,
      content: this.#owners,
      over: seen?.content ?? null,
      expectedVersion: version,
      next: decision.next,
      phase: 'decided',
      leaseEndMs: this.#nowMs + LEASE_MS,
    };
  }

  #commit(client: Client, write: Write): void {
    const isWritten = this.#write(
      this.#rules.isFenced ? write.expectedVersion : this.#look().version,
      write.next,
    );
    if (!isWritten) client.write = null;
    // The last look at the lease before the first byte.
    else if (this.#nowMs < write.leaseEndMs) {
      write.phase = 'out';
      this.#lates.push({ write, untilMs: null });
    } else this.#settle(client, write, { kind: 'unchanged' });
  }

  #make(pick: number): void {
    this.#lates = this.#lates.filter(
      ({ write, untilMs }) => (untilMs ?? write.leaseEndMs + QUIET_MS) > this.#nowMs,
    );
    const late = this.#lates[pick % Math.max(1, this.#lates.length)];
    if (late === undefined) return;
    this.#lates = this.#lates.filter((other) => other !== late);
    const { over, content } = late.write;
    if (over !== null && over !== this.#content)
      this.lost = `${content} over ${this.#content}, having seen ${over}`;
    if (over !== null) this.made += 1;
    this.#content = content;
  }

  #end(client: Client, write: Write, what: string): void {
    const late = this.#lates.find((one) => one.write === write);
    const isLive = this.#nowMs < write.leaseEndMs;
    if (what === 'renew' && isLive) {
      const { version, state } = this.#look();
      const next = renewed(state, write.owner, LEASE_MS, this.#nowMs);
      if (next !== null && this.#write(version, next)) write.leaseEndMs = this.#nowMs + LEASE_MS;
    } else if (what === 'succeed' && late === undefined)
      this.#settle(client, write, { kind: 'advanced', existence: 'exists' });
    else if (what === 'fail' && late !== undefined) {
      this.#lates = this.#lates.filter((one) => one !== late);
      this.#settle(client, write, { kind: 'unchanged' });
    } else if (what === 'park' && isLive) {
      if (late !== undefined) late.untilMs = this.#nowMs + QUIET_MS;
      this.#settle(client, write, { kind: 'parked' });
    } else if (what === 'die') client.write = null;
  }

  #settle(client: Client, write: Write, effect: Effect): void {
    const { version, state } = this.#look();
    const step = settleStep(state, write.owner, effect, this.#nowMs);
    if (step.kind === 'write') this.#write(version, step.next);
    client.write = null;
  }
}

function play(rules: Rules, script: readonly Step[]): World {
  const world = new World(rules);
  for (const step of script) {
    world.step(step);
    if (world.lost !== null) break;
  }
  return world;
}

describe('an update', () => {
  it('is never lost, in whatever order readers, writers, deaths and late writes come', () => {
    let made = 0;
    fc.assert(
      fc.property(steps, (script) => {
        const world = play(RIGHT, script);
        made += world.made;
        return world.lost === null;
      }),
      { numRuns: 3_000 },
    );

    expect(made).toBeGreaterThan(1_000);
  });

  it.each([
    ['nobody waited for the quiet time', { ...RIGHT, quietMs: 0 }],
    ['a reservation were written over whatever is there', { ...RIGHT, isFenced: false }],
  ] as const)('would be lost if %s', (_what, rules) => {
    const checked = fc.check(
      fc.property(steps, (script) => play(rules, script).lost === null),
      { numRuns: 20_000 },
    );

    expect(checked.failed).toBe(true);
  });
});
