import type { Owner, RecordKey, WriteResult } from '../core/record.ts';
import { type Store, StoreUnavailable } from '../store/contract.ts';

/**
 * Writes that end a claim. The caller waits a bounded time; the write itself is tried again in the background until
 * the lease is over, after which the store calls the key unknown by itself.
 */
export type Settler = {
  /** `pending`: not durable within settleWaitMs, still being tried. */
  settle(settling: Settling): Promise<WriteResult | 'pending'>;
  releaseOwner(recordKey: RecordKey, owner: Owner, leaseMs: number): void;
  /** Settlements still being tried; releases of lost claims are left to their leases. */
  pending(): number;
};

export type Settling = {
  readonly write: () => Promise<WriteResult>;
  readonly leaseMs: number;
  readonly settleWaitMs: number;
  readonly onLost: () => void;
  /** Exactly once: no further try will be made, and what the write holds may go. Comes long after `pending`. */
  readonly onEnd: () => void;
};

const FIRST_RETRY_MS = 25;
const RETRY_MS_MAX = 500;
/** Background writes at once; beyond it a write that failed is left to the lease. */
const SETTLEMENTS_MAX = 10_000;
/** Of those, under way in the store. */
const TRIES_AT_ONCE_MAX = 64;
/**
 * The same while the store is silent. Each try hands it a copy of the body, which it keeps: a few find out whether it
 * answers again, then all the others follow within a moment.
 */
const TRIES_AT_ONCE_SILENT_MAX = 4;
/** Of lost claims far fewer: they must never take the place of a settlement, and the lease frees them anyway. */
const RELEASES_MAX = 500;

export type SettlerOptions = {
  readonly store: Pick<Store, 'releaseOwner'>;
  readonly monotonicMs: () => number;
  /** The write was given up: the lease is over. */
  readonly onGivenUp: (error: StoreUnavailable) => void;
  readonly pause?: (ms: number) => Promise<void>;
};

export function createSettler(options: SettlerOptions): Settler {
  const pause = options.pause ?? systemPause;
  const settlements: Retries = {
    options,
    pause,
    places: { pending: 0, max: SETTLEMENTS_MAX, trying: 0, silent: 'no' },
    onGivenUp: options.onGivenUp,
  };
  const releases: Retries = {
    options,
    pause,
    places: { pending: 0, max: RELEASES_MAX, trying: 0, silent: 'no' },
    onGivenUp: () => undefined,
  };

  async function settle({
    write,
    leaseMs,
    settleWaitMs,
    onLost,
    onEnd,
  }: Settling): Promise<WriteResult | 'pending'> {
    const startMs = options.monotonicMs();
    let end: 'now' | 'later' = 'now';
    try {
      const result = await write();
      if (result === 'lost') onLost();
      return result;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      end = 'later';
      const going = keepTrying(settlements, write, startMs + leaseMs, error)
        .then((result) => {
          if (result === 'lost') onLost();
          return result;
        })
        .finally(onEnd);
      // What the first try took is part of the wait.
      const leftMs = settleWaitMs - (options.monotonicMs() - startMs);
      if (leftMs <= 0) {
        going.catch(() => undefined);
        return 'pending';
      }
      const settled = await Promise.race([going, pause(leftMs)]);
      return settled === 'ok' || settled === 'lost' ? settled : 'pending';
    } finally {
      if (end === 'now') onEnd();
    }
  }

  return {
    settle,
    releaseOwner(recordKey, owner, leaseMs) {
      const endMs = options.monotonicMs() + leaseMs;
      // A claim that is still on its way arrives after the first release has found nothing.
      const write = async (): Promise<WriteResult> => {
        const result = await options.store.releaseOwner(recordKey, owner);
        if (result === 'ok') return result;
        throw new StoreUnavailable('error', 'the claim has not arrived');
      };
      void keepTrying(releases, write, endMs, new StoreUnavailable('error', 'claim without a reply')).catch(
        () => undefined,
      );
    },
    pending() {
      return settlements.places.pending;
    },
  };
}

type Places = { pending: number; readonly max: number; trying: number; silent: 'no' | 'yes' };

type Retries = {
  readonly options: SettlerOptions;
  readonly pause: (ms: number) => Promise<void>;
  readonly places: Places;
  /** A settlement given up is an incident; a lost claim that never arrived is none. */
  readonly onGivenUp: (error: StoreUnavailable) => void;
};

async function keepTrying(
  { options, pause, places, onGivenUp }: Retries,
  write: () => Promise<WriteResult>,
  endMs: number,
  first: StoreUnavailable,
): Promise<WriteResult | 'given-up'> {
  if (places.pending >= places.max) {
    onGivenUp(first);
    return 'given-up';
  }
  places.pending += 1;
  let waitMs = FIRST_RETRY_MS;
  let last = first;
  places.silent = silence(first);
  try {
    while (options.monotonicMs() + waitMs < endMs) {
      await pause(waitMs);
      waitMs = Math.min(RETRY_MS_MAX, waitMs * 2);
      if (places.trying >= (places.silent === 'yes' ? TRIES_AT_ONCE_SILENT_MAX : TRIES_AT_ONCE_MAX)) continue;
      places.trying += 1;
      try {
        const result = await write();
        places.silent = 'no';
        return result;
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        last = error;
        places.silent = silence(error);
      } finally {
        places.trying -= 1;
      }
    }
    onGivenUp(last);
    return 'given-up';
  } finally {
    places.pending -= 1;
  }
}

function silence({ reason }: StoreUnavailable): 'no' | 'yes' {
  return reason === 'timeout' ? 'yes' : 'no';
}

function systemPause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
