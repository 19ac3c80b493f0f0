/** Bounds what one principal may take of this process, so that it never takes the places of all. */
export type Principals = {
  /** `scope`: the digest of core/scope.ts; callers without credentials are one principal. */
  of(scope: Uint8Array): Principal;
  count(): number;
};

export type Principal = {
  enter(): 'entered' | 'full';
  /** A place more, for what outlives a request that has entered and is about to leave; it leaves for itself. */
  hold(): void;
  leave(): void;
  /** One of the records it may still make. Only between enter and leave. */
  takeNewKey(): { readonly kind: 'taken' } | { readonly kind: 'none-left'; readonly retryAfterMs: number };
  giveNewKeyBack(): void;
};

export type PrincipalLimits = {
  /** Null: not bounded. */
  readonly inFlightMax: number | null;
  readonly newKeys: { readonly burst: number; readonly perHour: number } | null;
};

/** Beyond it the principals that are not known share one: a flood of made-up credentials makes no memory. */
const PRINCIPALS_MAX = 50_000;
/** How many of the oldest are looked at for each that is new: they go as fast as they come. */
const LOOKED_AT = 4;
const HOUR_MS = 3_600_000;

export function createPrincipals(
  limits: PrincipalLimits,
  monotonicMs: () => number,
  principalsMax = PRINCIPALS_MAX,
): Principals {
  const known = new Map<string, Held>();
  const all = { limits, monotonicMs };
  const rest = new Held(all);

  function dropIdle(): void {
    let looked = 0;
    for (const [name, principal] of known) {
      known.delete(name);
      if (!principal.isIdle()) known.set(name, principal);
      looked += 1;
      if (looked === LOOKED_AT) return;
    }
  }

  return {
    of(scope) {
      const name = Buffer.from(scope.buffer, scope.byteOffset, scope.byteLength).toString('latin1');
      const found = known.get(name);
      if (found !== undefined) return found;
      dropIdle();
      if (known.size >= principalsMax) return rest;
      const made = new Held(all);
      known.set(name, made);
      return made;
    },
    count: () => known.size,
  };
}

class Held implements Principal {
  readonly #all: { readonly limits: PrincipalLimits; readonly monotonicMs: () => number };
  #inFlight = 0;
  /** As of #filledMs. */
  #newKeys: number;
  #filledMs: number;

  constructor(all: { readonly limits: PrincipalLimits; readonly monotonicMs: () => number }) {
    this.#all = all;
    this.#newKeys = all.limits.newKeys?.burst ?? 0;
    this.#filledMs = all.monotonicMs();
  }

  enter(): 'entered' | 'full' {
    const { inFlightMax } = this.#all.limits;
    if (inFlightMax !== null && this.#inFlight >= inFlightMax) return 'full';
    this.#inFlight += 1;
    return 'entered';
  }

  hold(): void {
    this.#inFlight += 1;
  }

  leave(): void {
    this.#inFlight -= 1;
  }

  takeNewKey(): ReturnType<Principal['takeNewKey']> {
    const { newKeys } = this.#all.limits;
    if (newKeys === null) return { kind: 'taken' };
    this.#fill();
    if (this.#newKeys >= 1) {
      this.#newKeys -= 1;
      return { kind: 'taken' };
    }
    return {
      kind: 'none-left',
      retryAfterMs: Math.ceil(((1 - this.#newKeys) * HOUR_MS) / newKeys.perHour),
    };
  }

  giveNewKeyBack(): void {
    this.#newKeys = Math.min(this.#all.limits.newKeys?.burst ?? 0, this.#newKeys + 1);
  }

  /** Nothing would be forgotten with it. */
  isIdle(): boolean {
    this.#fill();
    return this.#inFlight === 0 && this.#newKeys >= (this.#all.limits.newKeys?.burst ?? 0);
  }

  #fill(): void {
    const { limits, monotonicMs } = this.#all;
    if (limits.newKeys === null) return;
    const nowMs = monotonicMs();
    const { burst, perHour } = limits.newKeys;
    this.#newKeys = Math.min(burst, this.#newKeys + ((nowMs - this.#filledMs) * perHour) / HOUR_MS);
    this.#filledMs = nowMs;
  }
}
