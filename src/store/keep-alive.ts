import type { Claim, WriteResult } from '../core/record.ts';
import { StoreUnavailable } from './contract.ts';
import { systemTicker, type Ticker } from './ticker.ts';

/** Renews what is held under a lease, claims above all, while it is in hand: one ticker for all, none for each. */
export type KeepAlive<Subject = Claim> = {
  /**
   * From now on the subject is renewed at a third of its lease. `sentMs`: monotonic time before it was asked for,
   * the earliest its lease can have begun. `onLost` is called once at most, and never after release.
   */
  hold(subject: Subject, leaseMs: number, sentMs: number, onLost: () => void): Hold;
  /** In hand. */
  held(): number;
  /** Stops renewing: what is still held is left to its leases. */
  stop(): void;
};

export type Hold = {
  /** gone: it was lost, or released before. */
  release(): 'held' | 'gone';
  /** What is left of the lease by this process's clock; never more than the store grants. 0 once lost. */
  leaseLeftMs(): number;
};

export type KeepAliveOptions<Subject> = {
  readonly renew: (subject: Subject, leaseMs: number) => Promise<WriteResult>;
  readonly monotonicMs: () => number;
  readonly ticker?: Ticker;
  /** An error that is no StoreUnavailable: a defect, which must not end the renewals. */
  readonly onError?: (error: unknown) => void;
};

type Held<Subject> = {
  readonly subject: Subject;
  readonly leaseMs: number;
  readonly onLost: () => void;
  /** When the request that gave the lease last was sent. */
  leasedMs: number;
  renewal: 'idle' | 'under-way';
};

/** A renewal comes at most a tick late: two more fit into the lease. */
const TICKS_PER_LEASE = 12;
const TICK_MS_MIN = 5;
const TICK_MS_MAX = 250;

export function createKeepAlive<Subject = Claim>(options: KeepAliveOptions<Subject>): KeepAlive<Subject> {
  const { monotonicMs, ticker = systemTicker, onError = () => undefined } = options;
  const holds = new Set<Held<Subject>>();
  let stopTicking: (() => void) | null = null;
  let periodMs = TICK_MS_MAX;

  function tickAtLeastEvery(wantedMs: number): void {
    if (stopTicking !== null && periodMs <= wantedMs) return;
    stopTicking?.();
    periodMs = wantedMs;
    stopTicking = ticker(periodMs, tick);
  }

  function tick(): void {
    // Not stopped at the last release but here: under load the set is empty a hundred times a second.
    if (holds.size === 0) {
      stop();
      return;
    }
    const nowMs = monotonicMs();
    for (const held of holds) {
      if (held.renewal === 'idle' && nowMs - held.leasedMs >= held.leaseMs / 3) void renew(held, nowMs);
    }
  }

  async function renew(held: Held<Subject>, sentMs: number): Promise<void> {
    held.renewal = 'under-way';
    try {
      const result = await options.renew(held.subject, held.leaseMs);
      if (result === 'ok') {
        held.leasedMs = sentMs;
      } else if (holds.delete(held)) {
        // A hold that was released meanwhile is no loss: its settlement came first.
        held.onLost();
      }
    } catch (error) {
      // Nothing is known: the next tick tries again, also after the lease, which a renewal can bring back.
      if (!(error instanceof StoreUnavailable)) onError(error);
    } finally {
      held.renewal = 'idle';
    }
  }

  function stop(): void {
    stopTicking?.();
    stopTicking = null;
  }

  return {
    hold(subject, leaseMs, sentMs, onLost) {
      const held: Held<Subject> = { subject, leaseMs, onLost, leasedMs: sentMs, renewal: 'idle' };
      holds.add(held);
      tickAtLeastEvery(Math.min(TICK_MS_MAX, Math.max(TICK_MS_MIN, Math.floor(leaseMs / TICKS_PER_LEASE))));
      return {
        release: () => (holds.delete(held) ? 'held' : 'gone'),
        leaseLeftMs: () => (holds.has(held) ? Math.max(0, held.leasedMs + leaseMs - monotonicMs()) : 0),
      };
    },
    held: () => holds.size,
    stop() {
      holds.clear();
      stop();
    },
  };
}
