import type { Pressure } from '../core/overload.ts';
import { StoreUnavailable } from '../store/contract.ts';

/** Why this process should get no requests. */
export type NotReady = {
  /** Which check says so: `store`, `draining` … */
  readonly check: string;
  /** A word of a closed set, such as a reason of StoreUnavailable. */
  readonly reason: string;
};

export type HealthCheck = () => NotReady | null | Promise<NotReady | null>;

type Readiness = { readonly status: 'ready' | 'not-ready'; readonly reasons: readonly NotReady[] };

export type Health = {
  /** Every check is asked; not one reason is hidden behind another. Never rejects. */
  readiness(): Promise<Readiness>;
};

export function createHealth(options: { readonly checks: readonly HealthCheck[] }): Health {
  return {
    async readiness() {
      const found = await Promise.all(options.checks.map(ask));
      const reasons = found.filter((reason) => reason !== null);
      return { status: reasons.length === 0 ? 'ready' : 'not-ready', reasons };
    },
  };
}

async function ask(check: HealthCheck): Promise<NotReady | null> {
  try {
    return await check();
  } catch {
    return { check: 'health', reason: 'error' };
  }
}

export function drainCheck(draining: () => 'serving' | 'draining'): HealthCheck {
  return () => (draining() === 'draining' ? { check: 'draining', reason: 'draining' } : null);
}

/** A process that closes new connections should get none. Requests refused with 429 are answers, and no reason. */
export function roomCheck(of: { pressure(): Pressure; connections(): 'full' | 'has-room' }): HealthCheck {
  return () => {
    if (of.pressure() === 'stop') return { check: 'memory', reason: 'out_of_memory' };
    return of.connections() === 'full' ? { check: 'connections', reason: 'full' } : null;
  };
}

/** Of several processes that take requests one is enough. Of those that listen, `reasons` says why one should get none. */
export function workersCheck(reasons: () => readonly (NotReady | null)[]): HealthCheck {
  return () => {
    const all = reasons();
    const [first] = all;
    if (first === undefined) return { check: 'workers', reason: 'none_listening' };
    return all.every((reason) => reason !== null) ? first : null;
  };
}

export type StoreCheckOptions = {
  readonly ping: () => Promise<void>;
  readonly monotonicMs: () => number;
  /** A ping without an answer for this long counts as `timeout`. */
  readonly deadlineMs: number;
  /** How long an answer holds: probes and scrapes must not add up to load on the store. */
  readonly cacheMs: number;
};

export function storeCheck(options: StoreCheckOptions): HealthCheck {
  const { monotonicMs, deadlineMs, cacheMs } = options;
  let known: { readonly atMs: number; readonly result: NotReady | null } | null = null;
  // One ping at a time, even one that hangs: its answer, whenever it comes, is the next to be known.
  let pending: Promise<NotReady | null> | null = null;

  const ping = async (): Promise<NotReady | null> => {
    const result = await pingResult(options.ping);
    known = { atMs: monotonicMs(), result };
    pending = null;
    return result;
  };

  return async () => {
    if (pending === null && known !== null && monotonicMs() - known.atMs < cacheMs) return known.result;
    pending ??= ping();
    return await within(pending, deadlineMs);
  };
}

async function pingResult(ping: () => Promise<void>): Promise<NotReady | null> {
  try {
    await ping();
    return null;
  } catch (error) {
    return { check: 'store', reason: error instanceof StoreUnavailable ? error.reason : 'error' };
  }
}

async function within(pending: Promise<NotReady | null>, deadlineMs: number): Promise<NotReady | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<NotReady>((resolve) => {
    timer = setTimeout(resolve, deadlineMs, { check: 'store', reason: 'timeout' });
  });
  try {
    return await Promise.race([pending, late]);
  } finally {
    clearTimeout(timer);
  }
}
