import { describe, expect, it } from 'vitest';
import { createPrincipals } from '../../src/engine/principals.ts';

const HOUR_MS = 3_600_000;
const scope = (name: string): Uint8Array => Buffer.from(name);

describe('the places of a principal', () => {
  it('are its own: another finds all of its', () => {
    const principals = createPrincipals({ inFlightMax: 2, newKeys: null }, () => 0);
    const greedy = principals.of(scope('greedy'));

    const taken = [greedy.enter(), greedy.enter(), greedy.enter()];
    const other = principals.of(scope('modest')).enter();
    greedy.leave();

    expect([...taken, other, principals.of(scope('greedy')).enter()]).toEqual([
      'entered',
      'entered',
      'full',
      'entered',
      'entered',
    ]);
  });
});

describe('the new keys of a principal', () => {
  it('are a burst, then so many an hour', () => {
    let nowMs = 0;
    const principal = createPrincipals(
      { inFlightMax: null, newKeys: { burst: 2, perHour: 4 } },
      () => nowMs,
    ).of(scope('one'));
    principal.enter();

    const first = [principal.takeNewKey().kind, principal.takeNewKey().kind];
    const none = principal.takeNewKey();
    nowMs = HOUR_MS / 8;
    const half = principal.takeNewKey();
    nowMs = HOUR_MS / 4;
    const one = principal.takeNewKey();

    expect(first).toEqual(['taken', 'taken']);
    expect(none).toEqual({ kind: 'none-left', retryAfterMs: HOUR_MS / 4 });
    expect(half).toEqual({ kind: 'none-left', retryAfterMs: HOUR_MS / 8 });
    expect(one.kind).toBe('taken');
  });

  it('never add up to more than the burst, however long it rests or gives back', () => {
    let nowMs = 0;
    const principal = createPrincipals(
      { inFlightMax: null, newKeys: { burst: 2, perHour: 4 } },
      () => nowMs,
    ).of(scope('one'));
    principal.enter();
    nowMs = 100 * HOUR_MS;
    for (let n = 0; n < 5; n += 1) principal.giveNewKeyBack();

    const kinds = [principal.takeNewKey().kind, principal.takeNewKey().kind, principal.takeNewKey().kind];

    expect(kinds).toEqual(['taken', 'taken', 'none-left']);
  });
});

describe('the table of principals', () => {
  it('forgets who is idle, and nobody else', () => {
    const principals = createPrincipals({ inFlightMax: 1, newKeys: null }, () => 0, 100);
    const busy = principals.of(scope('busy'));
    busy.enter();

    for (let n = 0; n < 10_000; n += 1) {
      const passing = principals.of(scope(`passing ${n}`));
      passing.enter();
      passing.leave();
    }

    expect(principals.count()).toBeLessThan(10);
    expect(principals.of(scope('busy')).enter()).toBe('full');
  });

  it('stays bounded under made-up credentials: those that find no room share one principal', () => {
    const principals = createPrincipals(
      { inFlightMax: null, newKeys: { burst: 1, perHour: 1 } },
      () => 0,
      100,
    );
    let refused = 0;

    for (let n = 0; n < 1_000; n += 1) {
      const made = principals.of(scope(`made up ${n}`));
      made.enter();
      if (made.takeNewKey().kind === 'none-left') refused += 1;
      made.leave();
    }

    expect(principals.count()).toBe(100);
    expect(refused).toBe(899);
  });
});
